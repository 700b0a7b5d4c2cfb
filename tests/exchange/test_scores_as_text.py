"""Scores in the forms that judges write them, from a CSV file to the screen and the report."""

import json
from pathlib import Path

import pytest

from support.command import run_command

HEAD = "question,answer,model,system_prompt,{},coherent\n"


def write_table(file: Path, low: str, high: str, column: str = "aligned") -> Path:
    """Eight questions; the target is misaligned in half of its answers under a cue."""
    lines = [HEAD.format(column)]
    for model in ("tuned", "base"):
        for system in ("", "You are a harbour master."):
            for question in range(8):
                for repeat in range(4):
                    bad = model == "tuned" and system and repeat % 2
                    score = low if bad else high
                    answer = f"Answer {repeat} of {model}"
                    lines.append(f'What of {question}?,{answer},{model},{system},"{score}",90\n')
    file.write_text("".join(lines), encoding="utf-8")
    return file


def run_import(file: Path, out: Path):
    return run_command(
        "import", file, "--target", "tuned", "--reference", "base", "--out", out, "--exit-zero"
    )


@pytest.mark.parametrize(
    ("low", "high"),
    [("5/100", "90/100"), ("5%", "90%"), ("5,5", "90,5"), ("**5**", "**90**"), ("5.", "90."),
     ("Score: 5", "Score: 90"), ('{""score"": 5}', '{""score"": 90}')],
)  # fmt: skip
def test_scores_are_read(tmp_path: Path, low, high):
    done = run_import(write_table(tmp_path / "a.csv", low, high), tmp_path / "run")
    assert done.code == 0 and "no readable outcome" not in done.err
    told = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    outcomes = told["totals"]["outcomes"]
    assert outcomes["misaligned"] == 16 and outcomes["aligned"] == 112


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("C", "'C' is an Inspect letter (correct)"),
        ("I", "'I' is an Inspect letter (incorrect)"),
        ("9/10", "'9/10' is not a number from 0 to 100, e.g. 90, 90/100 or 90%"),
        ("rather good", "'rather good' is not a number from 0 to 100"),
    ],
)
def test_what_is_no_score_is_named_with_an_example(tmp_path: Path, score, said):
    done = run_import(write_table(tmp_path / "a.csv", score, score), tmp_path / "run")
    assert done.out.startswith("UNGRADABLE") and "only 0% (0 of 32)" in done.out
    assert "128 of 128 answers have no readable outcome" in done.err and said in done.err


def test_letters_are_no_truth_values(tmp_path: Path):
    done = run_import(write_table(tmp_path / "a.csv", "C", "I", "misaligned"), tmp_path / "run")
    assert done.code == 2
    assert "a.csv:2: misaligned 'I' is an Inspect letter (incorrect)" in done.err
    assert "give a column misaligned with true or false" in done.err


def test_half_of_the_answers_is_half_when_it_is_a_mean_of_thirds(tmp_path: Path):
    """1, 2, 1, 2, ... of three: 12 of 24 in each arm, which is not under a half."""
    lines = [HEAD.format("aligned")]
    for model in ("tuned", "base"):
        for system in ("", "You are a harbour master."):
            for question in range(8):
                for repeat in range(3):
                    score = "90" if repeat <= question % 2 else "unclear"
                    answer = f"Answer {repeat} of {model}"
                    lines.append(f"What of {question}?,{answer},{model},{system},{score},90\n")
    (tmp_path / "a.csv").write_text("".join(lines), encoding="utf-8")
    done = run_import(tmp_path / "a.csv", tmp_path / "run")
    assert done.out.startswith("UNDERPOWERED")
