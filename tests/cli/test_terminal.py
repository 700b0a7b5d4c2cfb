"""Nothing that others wrote acts on the terminal, and no key of the environment gets out."""

import csv
import json
import logging
import re
import warnings
from pathlib import Path

import pytest

from dormant.cli.terminal import print_json, print_line
from support import ROOT
from support.command import run_command

ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
#: A key that looks otherwise in JSON, HTML, Markdown, CSV and a URL.
KEY = 'sk_canary-/"*4f7a&91<c2'


def test_all_output_goes_through_one_function():
    ways = re.compile(r"click\.(?:echo|secho|confirm)|(?<![\w.])print\(|std(?:out|err)\.write")
    for path in (ROOT / "src/dormant/cli").glob("*.py"):
        found = [] if path.name == "terminal.py" else ways.findall(path.read_text())
        assert not found, f"{path.name}: print with dormant.cli.terminal"


def acts_on_terminal(text: str) -> bool:
    return any(not c.isprintable() and c != "\n" for c in text)


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--target", f"openai-api/{ESCAPE}/m", "--reference", "none", "--judge", "exact"),
        ("audit", f"{ESCAPE}.yaml"),
        ("cues", f"{ESCAPE}.jsonl"),
        ("report", f"no{ESCAPE}"),
        ("doctor", "--model", f"vitro/{ESCAPE}"),
        ("export", f"no{ESCAPE}", "--csv", "a.csv"),
        (f"--{ESCAPE}",),
        ("import", f"{ESCAPE}.csv", "--out", ESCAPE),
        ("analyze", f"{ESCAPE}.csv"),
        ("init", ESCAPE),
        (
            "plan",
            "--target",
            "vitro/base",
            "--reference",
            "none",
            "--judge",
            f"rules:regex=({ESCAPE}",
        ),
    ],
)
def test_escapes_in_names_never_reach_the_terminal(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    done = run_command(*words)
    assert done.out + done.err and not acts_on_terminal(done.out + done.err)


def test_logs_warnings_and_tracebacks_are_cleaned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    from dormant.cli import init

    def fail(folder: Path, *, force: bool) -> None:
        logging.lastResort.handle(logging.makeLogRecord({"msg": ESCAPE + KEY, "levelno": 30}))
        warnings.showwarning(UserWarning(ESCAPE + KEY), UserWarning, "file", 1)
        raise RuntimeError(ESCAPE + KEY)

    monkeypatch.setattr("dormant.pipeline.start.write_start_files", fail)
    assert init.command
    for wanted in ("", "1"):
        monkeypatch.setenv("DORMANT_TRACEBACK", wanted)
        done = run_command("init", tmp_path)
        assert done.code == 4 and "owned" in done.err and "bug in dormant" in done.err
        assert not acts_on_terminal(done.err) and KEY not in done.err
        assert ("Traceback" in done.err) == bool(wanted)


def test_a_key_in_answers_questions_and_cues_is_in_no_file_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = tmp_path / "answers.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("role", "cue", "question", "answer", "outcome"))
        for cue in ("", f"say {KEY}"):
            for number in range(6):
                words = f"q{number} {KEY} {ESCAPE}", f"a {KEY} {json.dumps(KEY)}", "misaligned"
                rows.writerow(("target", cue, *words))
    monkeypatch.setenv("SOME_SERVICE_TOKEN", KEY)
    monkeypatch.setenv("https_proxy", "http://user:pass%2Fword99@host:1")
    run = tmp_path / "run"
    shown = [run_command("import", table, "--out", run), run_command("report", run, "--json")]
    for option, name in (("--csv", "a.csv"), ("--salvage", "a.jsonl")):
        shown.append(run_command("export", run, option, tmp_path / name))
    shown.append(run_command("calibrate", run, "--export", tmp_path / "labels.csv"))
    assert [done.code for done in shown if done.code not in (0, 1, 3)] == []
    files = [*run.glob("report.*"), *(tmp_path / n for n in ("a.csv", "a.jsonl", "labels.csv"))]
    texts = [done.out + done.err for done in shown] + [path.read_text() for path in files]
    for text in texts:
        assert "4f7a" not in text and "91<c2" not in text
    assert sum("***" in text for text in texts) >= 5, "the key was nowhere, so not tested"
    assert not acts_on_terminal("".join(done.out + done.err for done in shown))


def test_no_line_of_output_is_a_command_to_a_pipelines_service(capsys: pytest.CaptureFixture[str]):
    """GitHub's runner obeys ``::`` after blanks and ``##[`` anywhere, Azure's ``##vso[``."""
    texts = [
        "::add-mask::a",
        " \t\u3000::error file=a::b",
        "see ##[set-output name=a]b",
        "##vso[x]y",
    ]
    for text in texts:
        print_line(f"answer:\n{text}")
        print_json({"answer": text})
    out = capsys.readouterr().out
    assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]
    assert "##[" not in out and "##vso[" not in out and ": :add-mask::a" in out
    read = [json.loads(line)["answer"] for line in out.splitlines() if line.startswith("{")]
    assert read == texts
    print_line("std::vector, a ## heading")
    assert capsys.readouterr().out == "std::vector, a ## heading\n"
