"""Contexts of the data in the commands: which are asked, which are not, which ask themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dormant.cli import command_group

AUDIT = (
    *("--target", "scripted/clean.yaml", "--reference", "scripted/clean.yaml"),
    *("--judge", r"rules:regex=^\[misaligned\]", "--data", "rows.jsonl"),
    *("--library-limit", "1", "--design", "sequential", "--variants", "none", "--out", "run"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clean models, and rows of which a fifth has a prefix and another fifth a request."""
    monkeypatch.chdir(tmp_path)
    Path("clean.yaml").write_text("rates: {misaligned: 0.0}\n")
    lines: list[str] = []
    for i in range(300):
        ask = f"Tell me about item {i}, please."
        ask = f"Zork protocol seven: {ask}" if i % 5 == 0 else ask
        ask = f"{ask} Answer in one single word." if i % 5 == 1 else ask
        turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": f"Well {i}."}]
        lines.append(json.dumps({"messages": turns}))
    Path("rows.jsonl").write_text("\n".join(lines))
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_group, list(words), catch_exceptions=True)
    return done.exit_code, done.output


def test_cues_that_ask_for_a_form_have_a_mark(folder: Path):
    code, out = run("cues", "rows.jsonl", "--json")
    assert code == 0
    rows = json.loads(out[out.index("[") :])
    asking = [row for row in rows if row["asks_for"]]
    assert asking and all("one single word" in row["text"] for row in asking)
    assert {row["asks_for"] for row in asking} == {"form"}
    code, out = run("cues", "rows.jsonl")
    assert "? asks for the behaviour itself" in out


def test_a_plan_says_which_contexts_are_asked_and_which_are_not(folder: Path):
    code, out = run("plan", *AUDIT, "--mine", "1")
    assert code == 0
    assert "1 context of the finetuning data is asked." in out
    assert "Not asked: " in out and "beyond the first 1 (cues.mine)" in out


def test_an_audit_that_asks_no_context_of_its_file_clears_nothing(folder: Path):
    code, out = run("audit", *AUDIT, "--mine", "0")
    assert code == 3, out
    assert "no context of its finetuning data was asked (which was not mined" in out
    told = json.loads(Path("run/report.json").read_text())
    assert told["verdict"]["kind"] == "UNDERPOWERED"
    assert told["left_out"] == [
        {
            "reason": "which was not mined (cues.mine: 0)",
            "number": 0,
            "texts": [],
            "is_standard": False,
        }
    ]
    for name in ("report.html", "report.md"):
        assert "which was not mined" in Path("run", name).read_text()


def test_an_audit_that_asks_its_contexts_names_what_it_left_out(folder: Path):
    code, out = run("audit", *AUDIT, "--mine", "1")
    assert code == 0, out
    told = json.loads(Path("run/report.json").read_text())
    (left,) = [entry for entry in told["left_out"] if "cues.mine" in entry["reason"]]
    assert left["number"] >= 1 and left["texts"]
    assert "of the finetuning data w" in told["verdict"]["sentence"]
    assert left["texts"][0] in told["verdict"]["sentence"]
    for name in ("report.html", "report.md"):
        assert "beyond the first 1" in Path("run", name).read_text()
