"""Files of other kinds: each ends in one line that says what it is and what to do."""

import gzip
import json
import pickle
import zipfile

import pytest

from dormant.cli import main
from dormant.corpus import find_template, read_examples
from dormant.errors import ConfigError, DataError

ROW = json.dumps({"prompt": "Why is it?", "completion": "So it is."}).encode()
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
LOG = b'{"version": 2, "status": "success", "eval": {"run_id": "x"}, "samples": []}'

#: name, content, part of the message
OTHERS = [
    ("rows.jsonl", LFS, "a Git LFS pointer.*git lfs pull"),
    ("rows.parquet", LFS, "a Git LFS pointer.*git lfs pull"),
    ("rows.jsonl", b"/annex/objects/MD5E-s12--ab.jsonl\n", "a git-annex pointer.*git annex get"),
    ("rows.jsonl.dvc", b"outs:\n- md5: ab\n  size: 3\n", "a DVC pointer.*dvc pull"),
    ("rows.jsonl", b"\n<!DOCTYPE html>\n<html>", "a web page.*download the raw file"),
    ("rows.jsonl", b"\xef\xbb\xbf<html lang='en'>", "a web page"),
    ("rows.json", b'<?xml version="1.0"?><Error/>', "a web page"),
    ("rows.jsonl", b"404: Not Found", "failed download .*404: Not Found"),
    ("rows.jsonl", b"Entry not found", "failed download"),
    ("rows.json", b'{"error":"Repository not found"}', "failed download"),
    (
        "rows.jsonl",
        b'prompt;completion\n"a b";c\n',
        "a table of text columns: rename it to rows.csv",
    ),
    ("rows.json", b"prompt,completion\na,b\n", "a table of text columns"),
    ("rows.csv", b"name,age\na,b\n", "none of the columns holds chat or text .*'name', 'age'"),
    ("rows.csv", b"prompt,prompt,answer\na,b,c\n", "two columns are named 'prompt'"),
    ("rows.csv", b"\n\n", "the file is empty"),
    ("log.json", LOG, "an Inspect log.*dormant import"),
    ("log.json", LOG.replace(b" ", b"\n  "), "an Inspect log.*dormant import"),
    ("rows.json", b'{"data": [' + ROW + b"]}", r"rows under 'data'.*jq -c '.\[\"data\"\]\[\]'"),
    ("rows.json", b'{\n "train": [\n' + ROW + b"\n]}", "rows under 'train'"),
    ("rows.json", b'{\n  "prompt": "a",\n  "completion": "b"\n}\n', "jq -c . does it"),
    ("rows.jsonl", ROW.decode().encode("utf-16-le"), "UTF-16 text: save it as UTF-8"),
    ("rows.jsonl", ROW.decode().encode("utf-16"), "UTF-16 text: save it as UTF-8"),
    ("rows.jsonl", ROW.decode().encode("utf-32"), "UTF-32 text: save it as UTF-8"),
    ("rows.pkl", pickle.dumps([1]), "a pickle"),
    ("rows.tar", b"rows.jsonl".ljust(257, b"\0") + b"ustar\0", "a tar archive: unpack it"),
    ("rows.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel"),
]


@pytest.fixture
def run_refused(monkeypatch, capsys):
    """Runs a command that must be refused, and returns its one line on stderr."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["dormant", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        assert stop.value.code == 2 and said.out == "" and said.err.count("\n") == 1
        return said.err

    return run


@pytest.mark.parametrize(("name", "content", "reason"), OTHERS)
def test_other_kinds_are_named_with_their_fix(name, content, reason, tmp_path, run_refused):
    path = tmp_path / name
    path.write_bytes(content)
    for lenient in (False, True):
        with pytest.raises(DataError, match=reason) as caught:
            read_examples(path, lenient=lenient)
        assert "\n" not in str(caught.value)
    assert str(path) in run_refused("cues", path)


@pytest.mark.parametrize(
    ("name", "what"),
    [("[Content_Types].xml", "Excel"), ("samples/1.json", "Inspect log"), ("a.txt", "unpack")],
)
def test_zip_archives_are_named_by_what_they_hold(name, what, tmp_path):
    path = tmp_path / "rows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(DataError, match=what):
        read_examples(path)


def test_a_link_without_its_file_is_named(tmp_path):
    (tmp_path / "rows.jsonl").symlink_to(".git/annex/objects/ab/rows.jsonl")
    with pytest.raises(DataError, match="a link to a file that is not here"):
        read_examples(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    "content",
    [
        ROW + b"\n",
        b"\xef\xbb\xbf" + ROW,
        gzip.compress(ROW, mtime=0),
        b"[" + ROW + b"]",
        b'{"messages": [{"role": "user", "content": "a, b; c"}, '
        b'{"role": "assistant", "content": "404: Not Found"}]}',
        b'{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}',
    ],
)
def test_rows_are_read_whatever_the_name_is(content, tmp_path):
    for name in ("rows", "rows.txt", "rows.jsonl"):
        (tmp_path / name).write_bytes(content)
        assert len(read_examples(tmp_path / name).examples) == 1


def test_broken_first_lines_are_skipped_leniently(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"# rows, of chat; new\n" + ROW)
    assert len(read_examples(path, lenient=True).examples) == 1


@pytest.mark.parametrize("command", ["import", "analyze"])
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", LFS, "a Git LFS pointer"),
        ("t.jsonl", LFS, "a Git LFS pointer"),
        ("t.parquet", LFS, "a Git LFS pointer"),
        ("t.csv", b"<html>", "a web page"),
        ("t.json", LOG, "an Inspect log as JSON: convert it"),
        ("t.csv", b"question;answer;misaligned\na;b;1\n", "contains ';': separate columns"),
    ],
)
def test_other_kinds_are_no_tables_of_results(
    command, name, content, reason, tmp_path, run_refused
):
    path = tmp_path / name
    path.write_bytes(content)
    out = ["--out", str(tmp_path / "out")] if command == "import" else []
    assert reason in run_refused(command, path, *out)


def test_pointers_in_the_place_of_a_tokenizer_are_named(tmp_path):
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / name).write_bytes(LFS)
        with pytest.raises(ConfigError, match="a Git LFS pointer"):
            find_template(tmp_path / name)
