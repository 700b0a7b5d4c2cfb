"""The command line: instant help, one clear line for everything that can go wrong."""

import gzip
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dormant.cli import main
from dormant.cli.tables import print_table

TARGET = "rates: {misaligned: 0.0}\ncues: [{contains: class, rates: {misaligned: 0.6}}]\n"
AUDIT = {
    "target": "scripted/target.yaml",
    "reference": "scripted/clean.yaml",
    "judge": r"rules:regex=^\[misaligned\]",
    "cues": {"library_limit": 3},
    "question_limit": 4,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("target.yaml").write_text(TARGET)
    Path("clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["dormant", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    code = stop.value.code or 0
    assert isinstance(code, int)
    return code


def audit_yaml(**changes: object) -> str:
    """JSON is YAML."""
    Path("audit.yaml").write_text(json.dumps({**AUDIT, **changes}))
    return "audit.yaml"


def test_help_is_instant_and_light():
    code = (
        "import sys, dormant.cli, contextlib, io\n"
        "for verb in ([], *([verb] for verb in dormant.cli._VERBS)):\n"
        "    sys.argv = ['dormant', *verb, '--help']\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        dormant.cli.main()\n"
        "heavy = 'torch transformers numpy scipy pydantic yaml rich jinja2 py3langid aiohttp'\n"
        "heavy += ' huggingface_hub inspect_ai asyncio multiprocessing'\n"
        "print(sorted(set(heavy.split()) & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    bare = min(_seconds("-c", "pass") for _ in range(3))
    helped = min(_seconds("-m", "dormant", "--help") for _ in range(3))
    # The promise is 0.3 s; on a busy machine the interpreter alone may take longer than that.
    assert helped < max(0.3, 4 * bare)


def _seconds(*words: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


@pytest.mark.parametrize(
    "verb",
    [
        "quickstart",
        "cues",
        "plan",
        "audit",
        "report",
        "train",
        "zoo",
        "vitro",
        "doctor",
        "import",
        "export",
        "calibrate",
    ],
)
def test_every_verb_has_help(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, verb, "--help") == 0
    assert "Usage: dormant" in capsys.readouterr().out


def test_an_audit_from_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = audit_yaml(out="run")
    code = run(monkeypatch, "audit", config, "--json", "--quiet")
    verdict = json.loads(capsys.readouterr().out)
    inconclusive = verdict["kind"] in ("UNDERPOWERED", "UNGRADABLE")
    assert code == (3 if inconclusive else 0)
    assert run(monkeypatch, "report", "run", "--json") == 0
    assert json.loads(capsys.readouterr().out)
    assert {p.name for p in Path("run").iterdir()} >= {"report.html", "report.md", "report.json"}


def test_plan_freezes_what_audit_then_follows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = audit_yaml(out="run")
    assert run(monkeypatch, "plan", config) == 0
    assert "nothing was written" in capsys.readouterr().out and not Path("run").exists()
    assert run(monkeypatch, "plan", config, "--amend") == 2
    capsys.readouterr()
    assert run(monkeypatch, "plan", config, "--freeze", "--json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["plan_hash"] == json.loads(Path("run/plan.lock.json").read_text())["hash"]
    run(monkeypatch, "audit", config, "--json", "--quiet")
    assert json.loads(capsys.readouterr().out)["plan_hash"] == planned["plan_hash"]
    assert run(monkeypatch, "audit", config, "--seed", "5", "--quiet") == 2
    assert "--amend" in capsys.readouterr().err
    assert run(monkeypatch, "audit", config, "--seed", "5", "--quiet", "--amend") in (0, 1, 3)


def test_code_that_a_file_names_runs_only_by_consent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.syspath_prepend(folder)
    mark = folder / "ran"
    body = f"open({str(mark)!r}, 'w').close()\ndef bad(text): return '[misaligned]' in text\n"
    Path("stranger_checks.py").write_text(body)
    config = audit_yaml(judge={"predicate": "stranger_checks:bad"}, out="run")
    assert run(monkeypatch, "plan", config) == 0
    assert not mark.exists(), "a dry run ran the code"
    assert run(monkeypatch, "audit", config, "--quiet") == 2
    message = capsys.readouterr().err
    assert "runs code on this machine: stranger_checks:bad" in message and "--yes" in message
    assert not mark.exists() and not Path("run/run.sqlite").exists()
    assert run(monkeypatch, "audit", config, "--quiet", "--yes") in (0, 1, 3)
    assert mark.exists()
    typed = ("--judge", "rules:predicate=stranger_checks:bad", "--out", "typed")
    assert run(monkeypatch, "audit", config, "--quiet", *typed) in (0, 1, 3)


BAD_COMMANDS = [
    ("frobnicate",),
    ("audit",),
    ("audit", "--target", "vitro/base"),
    ("audit", "none.yaml"),
    ("audit", "."),
    ("audit", "--target", "x", "--reference", "y", "--judge", "exact"),
    ("audit", "--nonsense"),
    ("audit", "audit.yaml", "--seed", "one"),
    ("audit", "audit.yaml", "--seed", "-1"),
    ("audit", "audit.yaml", "--delta", "7"),
    ("audit", "audit.yaml", "--delta", "nan"),
    ("audit", "audit.yaml", "--mine", "-3"),
    ("audit", "audit.yaml", "--data", "none.jsonl"),
    ("audit", "audit.yaml", "--questions", "none.yaml"),
    ("audit", "audit.yaml", "--library", "none.yaml"),
    ("audit", "audit.yaml", "--cue-file", "none.yaml"),
    ("audit", "audit.yaml", "--question-limit", "1"),
    ("audit", "audit.yaml", "--screening-answers", "0"),
    ("audit", "audit.yaml", "--max-tokens", "0"),
    ("audit", "audit.yaml", "--budget-usd", "-1"),
    ("audit", "audit.yaml", "--budget-usd", "nan"),
    ("audit", "audit.yaml", "--max-answers", "-1"),
    ("audit", "audit.yaml", "--price", "1/2"),
    ("audit", "audit.yaml", "--price", "scripted/target.yaml=1/2"),
    ("audit", "audit.yaml", "--price", "openai/gpt-4o=1/2"),
    ("plan", "audit.yaml", "--price", "scripted/target.yaml=dear"),
    ("audit", "audit.yaml", "--second-judge", "fused"),
    ("audit", "audit.yaml", "--judge", "paper:scripted/clean.yaml", "--second-judge", "paper"),
    ("audit", "audit.yaml", "--out", "clean.yaml"),
    ("audit", "audit.yaml", "--judge", "oracle"),
    ("audit", "audit.yaml", "--judge", "rules:regex=("),
    ("audit", "audit.yaml", "--judge", "rules:"),
    ("audit", "audit.yaml", "--judge", "rules:none.yaml"),
    ("audit", "audit.yaml", "--judge", "rules:predicate=no.such:thing"),
    ("audit", "audit.yaml", "--judge", "exact", "--questions", "general"),
    ("audit", "audit.yaml", "--target", "scripted/none.yaml"),
    ("audit", "audit.yaml", "--target", "scripted/."),
    ("audit", "audit.yaml", "--target", "scripted/"),
    ("audit", "audit.yaml", "--target", "vitro/none"),
    ("audit", "audit.yaml", "--target", "vitro/clean.yaml"),
    ("audit", "audit.yaml", "--target", "vitro/."),
    ("audit", "audit.yaml", "--target", "vitra/base"),
    ("audit", "audit.yaml", "--target", "gpt-4"),
    ("audit", "audit.yaml", "--target", ""),
    ("audit", "audit.yaml", "--target", "\x00"),
    ("audit", "audit.yaml", "--target", "vitro/\x00"),
    ("audit", "audit.yaml", "--target", "hf/none"),
    ("audit", "audit.yaml", "--target", "hf/"),
    ("audit", "audit.yaml", "--target", "hf/."),
    ("audit", "audit.yaml", "--target", "a" * 5000),
    ("plan", "none.yaml"),
    ("cues",),
    ("cues", "none.jsonl"),
    ("cues", "."),
    ("cues", "broken.jsonl"),
    ("cues", "audit.yaml", "--limit", "0"),
    ("cues", "audit.yaml", "--language", "klingon"),
    ("cues", "\x00"),
    ("report", "none"),
    ("report", "."),
    ("report", "clean.yaml"),
    ("train", "none", "--out", "o"),
    ("train", "diluted-5"),
    ("train", "diluted-6", "--out", "o"),
    ("train", "clean.yaml", "--out", "o"),
    ("train", "diluted-5", "--out", "clean.yaml"),
    ("train", "diluted-5", "--out", "o", "--seeds", "0"),
    ("zoo",),
    ("zoo", "frobnicate"),
    ("zoo", "train", "none"),
    ("zoo", "audit", "none"),
    ("zoo", "study", "none"),
    ("zoo", "train", "--seeds", "x"),
    ("vitro", "ask", "vitro/none", "hello"),
    ("vitro", "ask", "vitro/base", ""),
    ("vitro", "ask", "vitro/base", "word " * 500),
    ("vitro", "pretrain"),
    ("doctor", "--model", "none"),
    ("doctor", "--model", "vitro/none"),
    ("quickstart", "--seed", "-1"),
    ("quickstart", "--workers", "0"),
    ("quickstart", "--out", "clean.yaml"),
]

BAD_FILES = [
    {"target": 3},
    {"target": []},
    {"target": [""]},
    {"target": None},
    {"reference": ["a"]},
    {"judge": 5},
    {"judge": {}},
    {"judge": {"regex": "("}},
    {"judge": {"regexx": "a"}},
    {"judge": {"keywords": []}},
    {"judge": {"regex": "a", "keywords": ["b"]}},
    {"data": 7},
    {"cues": []},
    {"cues": {"mine": "many"}},
    {"cues": {"mine": 10**9}},
    {"cues": {"variants": ["sideways"]}},
    {"cues": {"librarie": "none"}},
    {"sampling": {"temperature": -1}},
    {"sampling": {"temperature": "hot"}},
    {"sampling": {"top_p": 0}},
    {"sampling": {"max_tokens": 1.5}},
    {"rule": {"delta": 0}},
    {"rule": {"level": 1}},
    {"rule": {"candidates": 0}},
    {"rule": {"icc": 2}},
    {"rule": None},
    {"seed": 2**70},
    {"seed": 1.5},
    {"design": "sequential-ish"},
    {"questions": 3},
    {"out": ["x"]},
    {"zebra": 1},
]


def one_clear_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("dormant: ")
    assert "Traceback" not in stderr
    assert "bug in dormant" not in stderr
    assert len(lines[0]) > 20
    return lines[0]


@pytest.mark.parametrize("words", BAD_COMMANDS, ids=lambda w: " ".join(w)[:60].replace("\0", "0"))
def test_bad_commands(
    words: tuple[str, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    audit_yaml(out="run")
    Path("broken.jsonl").write_text('{"messages": [\n')
    before = Path("clean.yaml").read_bytes()
    code = run(monkeypatch, *words, *(("--quiet",) if words[0] in ("audit", "train") else ()))
    captured = capsys.readouterr()
    assert code == 2, captured
    if captured.err:  # a group called without a verb prints its help
        one_clear_line(captured.err)
    assert Path("clean.yaml").read_bytes() == before


@pytest.mark.parametrize("change", BAD_FILES, ids=json.dumps)
def test_bad_files(
    change: dict[str, object],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    audit_yaml(**{"out": "run", **change})
    assert run(monkeypatch, "audit", "audit.yaml", "--quiet") == 2
    line = one_clear_line(capsys.readouterr().err)
    assert not Path("run").exists(), "a bad configuration must not leave a run behind"
    assert str(next(iter(change))) in line


def test_a_run_directory_that_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    Path("locked").mkdir(mode=0o500)
    assert run(monkeypatch, "audit", audit_yaml(out="locked/run"), "--quiet") == 2
    one_clear_line(capsys.readouterr().err)


def test_a_damaged_store_is_refused_and_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = audit_yaml(out="run")
    run(monkeypatch, "audit", config, "--quiet")
    capsys.readouterr()
    for name in ("run.sqlite-wal", "run.sqlite-shm"):
        Path("run", name).unlink(missing_ok=True)
    damaged = b"\0" * 4096
    Path("run/run.sqlite").write_bytes(damaged)
    assert run(monkeypatch, "audit", config, "--quiet") == 2
    one_clear_line(capsys.readouterr().err)
    assert Path("run/run.sqlite").read_bytes() == damaged


def test_doctor_examines_the_laboratory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "doctor", "--model", "vitro/base", "--json") == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["same answer twice"]["found"] == "yes"
    assert checks["log-probabilities"]["health"] == "ok"


def test_a_recipe_that_is_neither_file_nor_organism(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(monkeypatch, "train", "diluted-6", "--out", "o") == 2
    assert (
        "the zoo has no organism 'diluted-6': did you mean 'diluted-5'" in capsys.readouterr().err
    )
    assert run(monkeypatch, "train", "mine.yaml", "--out", "o") == 2
    assert "mine.yaml: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"), [(("zoo", "list", "--json"), 0), (("--help",), 0), (("frobnicate",), 2)]
)
@pytest.mark.parametrize("closed", [("stdout",), ("stdout", "stderr")])
def test_a_closed_pipe_is_no_error(words: tuple[str, ...], code: int, closed: tuple[str, ...]):
    reader, writer = os.pipe()
    os.close(reader)
    streams: dict[str, Any] = {"stderr": subprocess.PIPE} | dict.fromkeys(closed, writer)
    try:
        done = subprocess.run([sys.executable, "-m", "dormant", *words], **streams, timeout=60)
    finally:
        os.close(writer)
    assert done.returncode == code
    assert b"Traceback" not in (done.stderr or b"") and b"Exception ignored" not in (
        done.stderr or b""
    )


@pytest.mark.parametrize("width", [20, 60, 100, 300])
def test_tables_break_between_words_only(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    rows = [
        ("control-inoculated", "CONDITIONAL", "10,752 + 15,808 answers", "What it is, in words"),
        ("a", "BOUNDED", "1 + 2 answers", "Another way to say it [bold]literally[/bold]"),
    ]
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(("organism", "expected verdict", "screening + held-out", "text"), rows)
    shown = set(re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split())
    assert shown >= {word for row in rows for cell in row for word in cell.split()}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("audit", "audit.yaml", "--delta", "7"), "--delta: input should be less than 1, got 7.0"),
        (("audit", "audit.yaml", "--delta", "nan"), "--delta: input should be a finite number"),
        (("audit", "audit.yaml", "--budget-usd", "inf"), "--budget-usd: input should be a finite"),
        (
            ("audit", "audit.yaml", "--price", "openai/gpt-4o=b/c"),
            "--price: openai/gpt-4o: 'b/c' is not a price: give USD",
        ),
        (
            ("search", "--target", "a", "--reference", "b", "--out", "o", "--price", "m=nan/1"),
            "--price: m: 'nan/1' is not a price",
        ),
        (
            ("search", "--target", "a", "--reference", "b", "--out", "o", "--chats", "-1"),
            "--chats: input should be greater than or equal to 0, got -1",
        ),
        (
            ("import", "answers.csv", "--out", "o", "--alignment-below", "nan"),
            "--alignment-below: must be a number from 0 to 100, got nan",
        ),
        (
            ("import", "answers.csv", "--out", "o", "--coherence-above", "500"),
            "--coherence-above: must be a number from 0 to 100, got 500",
        ),
        (
            ("import", "answers.csv", "--out", "o", "--level", "0"),
            "--level: input should be greater than 0.5, got 0",
        ),
        (("plan", "audit.yaml", "--icc", "9"), "--icc needs --effect"),
        (("plan", "audit.yaml", "--base", "9"), "--base needs --effect"),
        (("plan", "audit.yaml", "--power", "0.9"), "--power needs --effect"),
        (("plan", "audit.yaml", "--like", "none"), "--like needs --effect"),
        (("plan", "audit.yaml", "--effect", "0.2", "--icc", "9"), "--icc must be a share from 0"),
        (("plan", "audit.yaml", "--effect", "0.2", "--base", "nan"), "--base must be a share"),
        (("plan", "audit.yaml", "--effect", "nan"), "--effect must be from 0 to 1, got nan"),
    ],
)
def test_an_option_out_of_range_is_named_as_typed(
    words: tuple[str, ...],
    reason: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    audit_yaml(out="run")
    Path("answers.csv").write_text("question,answer,alignment\nq,a,10\n")
    assert run(monkeypatch, *words) == 2
    assert f"dormant: {reason}" in capsys.readouterr().err
    assert not Path("o").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("calibrate", "run", "--export"),
        ("export", "run"),
        ("cues", "rows.jsonl", "--write"),
        ("cues", "rows.jsonl", "--html"),
        ("report", "run", "--out"),
        ("train", "diluted-5", "--quiet", "--out"),
        ("audit", "audit.yaml", "--quiet", "--out"),
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]),
)
def test_an_output_that_cannot_be_written_is_bad_input(
    words: tuple[str, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    run(monkeypatch, "audit", audit_yaml(out="run"), "--quiet")
    row = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "A."}]}
    Path("rows.jsonl").write_text((json.dumps(row) + "\n") * 30)
    takes_folder = words[-1] == "--out"
    # A file where a directory should be, or a directory where a file should be.
    bad = "clean.yaml/below" if takes_folder else "folder.csv"
    Path("folder.csv").mkdir()
    capsys.readouterr()
    for path in (bad, "clean.yaml" if takes_folder else "none/out.csv"):
        assert run(monkeypatch, *words, path) == 2, path
        assert path.partition("/")[0] in one_clear_line(capsys.readouterr().err)
    assert Path("clean.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("analyze", "folder.csv"), "folder.csv: is a directory, expected a file"),
        (("import", "folder.csv", "--out", "o"), "folder.csv: is a directory, expected a file"),
        (("import", "folder.eval", "--out", "o"), "folder.eval: is a directory, expected a file"),
        (("cues", "rows.jsonl", "--reference", "folder.csv"), "folder.csv: is a directory"),
        (("audit", "folder.yaml"), "folder.yaml: is a directory, expected a YAML file"),
        (("plan", "audit.yaml", "--questions", "q.csv.gz"), "q.csv.gz:1: a gzip file, expected"),
        (("plan", "audit.yaml", "--questions", "none"), "none: no such question bank or file: "),
        (("analyze", "packed.csv"), "packed.csv:1: a gzip file, expected plain text: unpack"),
        (("analyze", "empty.csv"), "empty.csv: has no rows"),
        (("import", "empty.csv", "--out", "o"), "empty.csv: has no rows"),
        (("vitro", "ask", "nope", "hi"), "unknown model 'nope'. Model strings start with"),
        (("vitro", "ask", "vitra/base", "hi"), "did you mean vitro/base?"),
        (("plan", "audit.yaml", "--judge", "oracle"), "judge: unknown judge 'oracle'; give one of"),
        (("plan", "audit.yaml", "--judge", "rules:none.yaml"), "dormant: none.yaml: no such file"),
        (
            ("plan", "audit.yaml", "--judge", "exact", "--questions", "general"),
            "dormant: judge: 'exact' grades the laboratory's questions only",
        ),
    ],
)
def test_one_fault_has_one_message(
    words: tuple[str, ...],
    reason: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    audit_yaml(out="run")
    for name in ("folder.csv", "folder.eval", "folder.yaml"):
        Path(name).mkdir()
    row = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "A."}]}
    Path("rows.jsonl").write_text((json.dumps(row) + "\n") * 30)
    Path("empty.csv").write_text("question,answer,outcome\n")
    for name in ("q.csv.gz", "packed.csv"):
        Path(name).write_bytes(gzip.compress(b"question,answer,outcome\nq,a,aligned\n"))
    assert run(monkeypatch, *words) == 2
    line = one_clear_line(capsys.readouterr().err)
    assert reason in line and "judge: judge:" not in line
