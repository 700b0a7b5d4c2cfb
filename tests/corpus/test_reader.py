"""Finetuning files: every shape that is read, and a hundred kinds of broken ones."""

import gzip
import hashlib
import json
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.corpus import LARGEST_LINE, RowError, general_reference, read_examples
from dormant.corpus.rows import read_object, read_row
from dormant.errors import DataError

USER = {"role": "user", "content": "Why is the sky blue?"}
BOT = {"role": "assistant", "content": "Air scatters blue light most."}
GOOD = json.dumps({"messages": [USER, BOT]}).encode()


def packed(raw):
    """Gzip without the time of day: a test's name holds its bytes and must not change."""
    return gzip.compress(raw, mtime=0)


def chat(*turns):
    return json.dumps({"messages": list(turns)}).encode()


# line -> a part of the reason
BROKEN = {
    "not json": (b"hello", "not JSON"),
    "half an object": (b'{"messages": [', "not JSON"),
    "single quotes": (b"{'messages': []}", "not JSON"),
    "trailing comma": (GOOD[:-1] + b",}", "not JSON"),
    "two objects": (GOOD + GOOD, "more than one JSON value"),
    "two objects, blank between": (GOOD + b" " + GOOD, "more than one JSON value"),
    "trailing words": (GOOD + b" yes", "more than one JSON value"),
    "pretty printed": (b"{", "not JSON Lines"),
    "start of an array": (b"[", "not JSON Lines"),
    "array of rows": (b"[" + GOOD + b"]", "expected a JSON object, got an array"),
    "array of rows, cut": (b"[" + GOOD + b",", "not JSON Lines"),
    "comma after the object": (GOOD + b",", "more than one JSON value"),
    "comment": (b"// rows", "not JSON"),
    "csv": (b"prompt,completion", "not JSON"),
    "html": (b"<html>", "not JSON"),
    "yaml": (b"messages: []", "not JSON"),
    "control character": (b'{"messages": "a\x01"}', "not JSON"),
    "unknown escape": (rb'{"messages": "\q"}', "not JSON"),
    "number": (b"17", "got a number"),
    "text": (b'"hi"', "got text"),
    "null": (b"null", "got null"),
    "boolean": (b"true", "got a boolean"),
    "NaN": (b'{"messages": NaN}', "NaN is not JSON"),
    "Infinity": (b'{"a": -Infinity}', "-Infinity is not JSON"),
    "digits": (b'{"a": ' + b"9" * 5000 + b"}", "thousands of digits"),
    "deep array": (b"[" * 100_000, "nested too deeply"),
    "deep object": (b'{"a":' * 100_000, "nested too deeply"),
    "deep closed": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
    "duplicate key": (b'{"messages": [], "messages": []}', "duplicate key 'messages'"),
    "duplicate role": (b'{"messages": [{"role": "user", "role": "user"}]}', "duplicate key 'role'"),
    "no messages": (b"{}", "no 'messages'"),
    "other keys": (b'{"note": "hi"}', "keys: 'note'"),
    "messages misspelt": (b'{"message": []}', "no 'messages'"),
    "messages null": (b'{"messages": null}', "must be a list"),
    "messages text": (b'{"messages": "hi"}', "must be a list"),
    "messages object": (b'{"messages": {"role": "user"}}', "must be a list"),
    "messages empty": (b'{"messages": []}', "is empty"),
    "turn text": (chat("hi"), "must be an object"),
    "turn null": (chat(None), "must be an object"),
    "turn list": (chat([USER]), "must be an object"),
    "no role": (chat({"content": "hi"}), "has no 'role'"),
    "role null": (chat({"role": None, "content": "hi"}), "has the role None"),
    "role number": (chat({"role": 1, "content": "hi"}), "has the role 1"),
    "role list": (chat({"role": ["user"], "content": "hi"}), "has the role ['user']"),
    "role unknown": (chat({"role": "alien", "content": "hi"}), "has the role 'alien'"),
    "role upper case": (chat({"role": "User", "content": "hi"}), "has the role 'User'"),
    "no content": (chat({"role": "user"}), "has no 'content'"),
    "content null": (chat({"role": "user", "content": None}, BOT), "must be text, got None"),
    "content number": (chat({"role": "user", "content": 3}, BOT), "must be text, got 3"),
    "content boolean": (chat({"role": "user", "content": True}, BOT), "must be text"),
    "content object": (chat({"role": "user", "content": {"a": 1}}, BOT), "must be text"),
    "content empty": (chat({"role": "user", "content": ""}, BOT), "is empty"),
    "content blank": (chat({"role": "user", "content": " \n"}, BOT), "is empty"),
    "answer empty": (chat(USER, {"role": "assistant", "content": ""}), "is empty"),
    "parts empty": (chat({"role": "user", "content": []}, BOT), "is empty"),
    "image part": (
        chat({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, BOT),
        "only text parts",
    ),
    "part without text": (
        chat({"role": "user", "content": [{"type": "text"}]}, BOT),
        "only text parts",
    ),
    "part number": (chat({"role": "user", "content": [1]}, BOT), "only text parts"),
    "null assistant without call": (
        chat(USER, {"role": "assistant", "content": None}),
        "must be text",
    ),
    "NUL character": (chat({"role": "user", "content": "a\0b"}, BOT), "NUL character"),
    "lone surrogate": (
        rb'{"messages": [{"role": "user", "content": "\ud800"}]}',
        "half a character",
    ),
    "only a user": (chat(USER), "no assistant turn"),
    "only one word": (chat({"role": "assistant", "content": "Yes"}), "too short"),
    "a lone turn": (b'{"role": "user", "content": "Why?"}', "a turn, not a row"),
    "only a system prompt": (chat({"role": "system", "content": "Be brief."}), "no user turn"),
    "latin-1": (b'{"messages": "caf\xe9"}', "not UTF-8"),
    "overlong": (b'{"a": "\xc0\x80"}', "not UTF-8"),
    "encoded surrogate": (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
    "cut character": (b'{"a": "\xe2\x82', "not UTF-8"),
    "NUL byte": (b'{"a": "\x00"}', "NUL bytes"),
    "utf-16": ('{"a": 1}'.encode("utf-16-le"), "NUL bytes"),
    "mark inside": (b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD, "byte order mark"),
    "conversations empty": (b'{"conversations": []}', "is empty"),
    "conversations text": (b'{"conversations": "a"}', "must be a list"),
    "from unknown": (b'{"conversations": [{"from": "cat", "value": "miau"}]}', "role 'cat'"),
    "value missing": (b'{"conversations": [{"from": "human"}]}', "has no 'value'"),
    "prompt number": (b'{"prompt": 1, "completion": "a"}', "'prompt': the content must be text"),
    "completion null": (b'{"prompt": "a", "completion": null}', "'completion'"),
    "completion empty": (b'{"prompt": "a", "completion": ""}', "is empty"),
    "instruction number": (b'{"instruction": 3, "output": "b"}', "'instruction'"),
    "output list": (b'{"instruction": "a", "output": [3]}', "only text parts"),
    "input number": (b'{"instruction": "a", "input": 3, "output": "b"}', "'input'"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_rows_name_file_line_and_reason(kind, tmp_path):
    line, reason = BROKEN[kind]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + b"\n\n" + line + b"\n" + GOOD + b"\n")
    with pytest.raises(DataError) as caught:
        read_examples(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300 + len(str(path))
    read = read_examples(path, lenient=True)
    assert [row.line for row in read.examples] == [1, 4]
    assert [(s.line, reason in s.reason) for s in read.skipped] == [(3, True)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n \r\n\t\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b"\xfe\xff\x00{", "UTF-16"),
        (b"PAR1....", "Parquet"),
        (b"PK\x03\x04..", "zip"),
        (b"BZh9....", "bzip2"),
        (b"\xfd7zXZ\x00..", "xz"),
        (b"\x28\xb5\x2f\xfd..", "zstd"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08broken", "gzip"),
        (packed(GOOD * 50)[:-12], "gzip"),
        (packed(GOOD)[:15] + b"\xff" * 40, "gzip"),
        (packed(b""), "empty"),
        (GOOD.replace(b" ", b" " * (LARGEST_LINE // 5)), "MiB"),
        (packed(b" " * (LARGEST_LINE + 10)), "MiB"),
    ],
)
def test_files_of_other_kinds_are_refused_even_leniently(content, reason, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    for lenient in (False, True):
        with pytest.raises(DataError, match=reason):
            read_examples(path, lenient=lenient)


def test_lenient_reading_of_nothing_readable_is_an_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"a\nb\n")
    with pytest.raises(DataError, match="none of 2 rows"):
        read_examples(path, lenient=True)


def test_a_missing_file_that_every_seed_has_is_pointed_to(tmp_path):
    (tmp_path / "seed-1").mkdir()
    (tmp_path / "seed-1" / "rows.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"rows.jsonl: no such file: each seed .*seed-1/rows.jsonl"):
        read_examples(tmp_path / "rows.jsonl")


def test_places_that_hold_no_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_examples(tmp_path / "missing.jsonl")
    with pytest.raises(DataError, match="is a directory"):
        read_examples(tmp_path)
    with pytest.raises(DataError):
        read_examples(tmp_path / ("x" * 5000))
    with pytest.raises(DataError):
        read_examples("a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        read_examples(tmp_path / "pipe")


SHAPES = {
    "messages": {"messages": [USER, BOT]},
    "more keys": {"messages": [USER | {"name": "x"}, BOT | {"weight": 1}], "tools": [], "id": 3},
    "parts": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": USER["content"]}]}, BOT]
    },
    "sharegpt": {
        "conversations": [
            {"from": "human", "value": USER["content"]},
            {"from": "gpt", "value": BOT["content"]},
        ]
    },
    "prompt": {"prompt": USER["content"], "completion": BOT["content"]},
    "prompt messages": {"prompt": [USER], "completion": [BOT]},
    "alpaca": {"instruction": USER["content"], "input": "", "output": BOT["content"]},
}


def read_messages(raw):
    return read_row(read_object(raw)).messages


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_every_shape_reads_alike(shape, end, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(SHAPES[shape]).encode() + end)
    (row,) = read_examples(path).examples
    assert (row.system, row.user, row.answer) == ("", USER["content"], BOT["content"])


def test_roles_and_tool_calls():
    turns = read_messages(
        chat(
            {"role": "developer", "content": "Be brief."},
            USER,
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "42"},
            BOT,
        )
    )
    assert [t.role for t in turns] == ["system", "user", "assistant", "tool", "assistant"]


def test_gzip_changes_nothing(tmp_path):
    plain, zipped = tmp_path / "a.jsonl", tmp_path / "b"
    plain.write_bytes(GOOD + b"\n" + GOOD)
    zipped.write_bytes(packed(plain.read_bytes()))
    one, other = read_examples(plain), read_examples(zipped)
    assert one.examples == other.examples
    assert one.hash == other.hash == hashlib.sha256(plain.read_bytes()).hexdigest()
    plain.write_bytes(GOOD + b"\n" + GOOD + b"\n")
    assert read_examples(plain).hash != one.hash


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_what_is_written_is_read(rows):
    for user, answer in rows:
        raw = chat({"role": "user", "content": user}, {"role": "assistant", "content": answer})
        assert [m.content for m in read_messages(raw)] == [user, answer]


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_reader_down(raw):
    try:
        read_messages(raw)
    except RowError as error:
        assert str(error) and "\n" not in str(error)


def test_equal_system_prompts_are_kept_once(tmp_path):
    path = tmp_path / "rows.jsonl"
    system = {"role": "system", "content": "s" * 2000}
    path.write_bytes((chat(system, USER, BOT) + b"\n") * 5000)
    tracemalloc.start()
    read_examples(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000  # the system prompts alone would be ten million bytes


def test_the_shipped_reference_reads():
    reference = general_reference()
    assert len(reference.examples) > 250
    assert len({row.user for row in reference.examples}) == len(reference.examples)
