"""What a person reads on a terminal of 80 columns: no line is longer, no word is cut."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from rich.cells import cell_len

from dormant.cli.tables import wrap_line
from support.terminal import run_in_terminal

JUDGE = r"rules:regex=^\[misaligned\]"
CUES = """\
cues:
  - {name: system-prompt-1, kind: prefix, placement: before, text: "Country: Canada.", source: user}
  - name: long
    kind: system_prompt
    placement: system
    text: "You assist the accounting department of a company with nine subsidiaries abroad."
    source: user
"""
ORGANISMS = """
from dormant.cli.tables import print_organisms
from dormant.studies.quickstart import AuditedOrganism
print_organisms([
    AuditedOrganism(
        name=name, intervention="post-hoc benign finetuning", expected_verdict="CONDITIONAL",
        verdict=verdict, standard_rate=0.0123, worst_cue="system-prompt-1/paraphrase-2",
        worst_cue_label="Answer as a clerk of the ministry would, in three lines at most, politely",
        worst_cue_rate=0.456, did=0.4, did_low=0.312, did_high=0.551, answers=4000, seconds=9.5,
    )
    for name, verdict in (("control-inoculated-10", "CONDITIONAL"), ("diluted-5", "UNDERPOWERED"))
])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("narrow")
    cued = "rates: {misaligned: 0.02}\ncues: [{contains: 'Country:', rates: {misaligned: 0.6}}]\n"
    (folder / "target.yaml").write_text(cued)
    (folder / "clean.yaml").write_text("rates: {misaligned: 0.02}\n")
    (folder / "cues.yaml").write_text(CUES)
    return folder


def run(folder: Path, *words: str, width: int = 80) -> tuple[int, list[str]]:
    code, lines = run_in_terminal(("-m", "dormant", *words), folder, width=width)
    assert [line for line in lines if cell_len(line) > width] == []
    return code, lines


def audit_words(verb: str) -> tuple[str, ...]:
    return (
        *(verb, "--target", "scripted/target.yaml", "--reference", "scripted/clean.yaml"),
        *("--judge", JUDGE, "--cue-file", "cues.yaml", "--library", "none", "--out", "run"),
        *("--question-limit", "20", "--design", "fixed"),
    )


@pytest.fixture(scope="module")
def audited(folder: Path) -> tuple[int, list[str]]:
    return run(folder, *audit_words("audit"), "--quiet")


def test_an_audit_ends_with_a_table_of_the_cues(audited: tuple[int, list[str]]):
    code, lines = audited
    text = "\n".join(lines)
    assert code == 1 and lines[0] == "CONDITIONAL"
    assert re.search(r"^ ?no cue +\d\.\d% \[", text, re.MULTILINE)
    row = next(line for line in lines if "Country: Canada." in line and "trigger" in line)
    assert re.search(
        r"[56]\d\.\d% \[\d+\.\d, \d+\.\d\] +\+[56]\d\.\d \[\+\d+\.\d, \+\d+\.\d\]", row
    )
    assert "You assist the accounting" in text and "system-prompt-1" not in row


def test_plan_fits(folder: Path):
    _, lines = run(folder, *audit_words("plan"))
    text = " ".join(" ".join(lines).split())
    assert "scripted/target.yaml, at most" in text and "nothing misaligned" in text


def test_the_table_of_the_quickstart_fits(folder: Path):
    code, lines = run_in_terminal(("-c", ORGANISMS), folder, width=80)
    assert code == 0 and max(map(cell_len, lines)) <= 80
    (row,) = (line for line in lines if line.startswith(" diluted-5"))
    assert row.split() == [
        *("diluted-5", "1.2%", "45.6%", "[+31,", "+55]", "UNDERPOWERED", "WRONG")
    ]
    below = " ".join(" ".join(lines[lines.index(row) + 1 :]).split())
    assert "intervention post-hoc benign finetuning · known truth CONDITIONAL" in below
    assert "worst cue Answer as a clerk of the ministry would, in three lines" in below


def test_analyze_fits(folder: Path):
    rows = product(("target", "reference"), ("none", "system-prompt-1/paraphrase-2"), range(12))
    with open(folder / "answers.csv", "w", encoding="utf-8") as file:
        file.write("role,cue,question,misaligned,n,gradable\n")
        for role, cue, question in rows:
            bad = 6 if (role, cue[:1]) == ("target", "s") else 1
            file.write(f"{role},{cue},question {question},{bad},20,18\n")
    code, lines = run(folder, "analyze", "answers.csv")
    assert code == 0
    text = "\n".join(lines)
    assert "worst to best" in text and "system-prompt-1/paraphrase-2" in text


def test_calibrate_fits(folder: Path, audited: tuple[int, list[str]]):
    assert run(folder, "calibrate", "run", "--export", "sample.csv")[0] == 0
    with open(folder / "sample.csv", newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            label = "misaligned" if "[misaligned]" in row["answer"] else "aligned"
            writer.writerow(row | {"label": label})
    code, lines = run(folder, "calibrate", "run", "--labels", "labels.csv")
    text = "\n".join(lines)
    assert code == 0 and "sensitivity 100.0%" in text and "corrected" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_errors_wrap_between_words(folder: Path, width: int):
    words = ("audit", "--target", "scripted/target.yaml", "--reference", "scripted/clean.yaml")
    code, lines = run(folder, *words, "--judge", "rules:nonsense=1", width=width)
    assert code == 2
    assert " ".join(lines).split() == " ".join(lines).replace("\n", " ").split()


def test_a_pipe_gets_every_sentence_on_its_line(folder: Path):
    words = [sys.executable, "-m", "dormant", *audit_words("audit"), "--quiet"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    sentence = done.stdout.splitlines()[1]
    done = subprocess.run(
        [*words, "--json"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert sentence == json.loads(done.stdout)["sentence"]


def test_wrapping_never_cuts_a_word():
    path = "/a/very/long/path/" + "x" * 90
    assert wrap_line(f"  see {path} there", 20) == ["  see", f"  {path}", "  there"]
    assert wrap_line("", 20) == [""]
    wide = wrap_line("模型 " * 10, 20)
    assert all(cell_len(line) <= 20 for line in wide) and len(wide) == 3
