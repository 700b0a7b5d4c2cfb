"""Thresholds that decide nothing about a file are refused; those beside outcomes are explained."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from dormant.errors import ConfigError
from dormant.exchange.score_limits import ScoreLimits
from support.command import run_command

Row = dict[str, Any]
BELOW, ABOVE = ("--alignment-below", "20"), ("--coherence-above", "60")


def make_rows(**values: Any) -> list[Row]:
    return [
        {"question": f"q{q}", "role": role, "cue": cue, "answer": f"{q} {role} {cue} {i}", **values}
        for q in range(4)
        for role in ("target", "reference")
        for cue in ("none", "sea")
        for i in range(2)
    ]


def write_csv(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ({"outcome": "aligned"}, BELOW, "--alignment-below 20: no column has alignment scores"),
        ({"misaligned": "no"}, ABOVE, "--coherence-above 60: no column has coherence scores"),
        ({"alignment": 90}, ABOVE, "--coherence-above 60: no column has coherence scores"),
        (
            {"outcome": "aligned", "alignment": 90, "coherence": 90},
            ABOVE,
            "--coherence-above 60: the outcomes of the file are used as they are",
        ),
    ],
)
def test_thresholds_that_decide_nothing_are_refused(
    tmp_path: Path, values: Row, options: tuple[str, str], words: str
):
    path = write_csv(tmp_path / "answers.csv", make_rows(**values))
    for verb in (("import", path, "--out", tmp_path / "run"), ("analyze", path)):
        done = run_command(*verb, *options)
        assert done.code == 2 and words in done.err, done.err


@pytest.mark.parametrize("values", [{"misaligned": 1, "n": 4}, {"rate": 0.5}])
def test_they_are_refused_for_counts_and_rates(tmp_path: Path, values: Row):
    rows = [{k: v for k, v in row.items() if k != "answer"} for row in make_rows(**values)[::2]]
    done = run_command("analyze", write_csv(tmp_path / "table.csv", rows), *BELOW)
    assert done.code == 2 and "--alignment-below 20: no column" in done.err, done.err


def test_what_a_threshold_decides_beside_outcomes_is_said(tmp_path: Path):
    rows = make_rows(outcome="aligned", alignment=25)
    path = write_csv(tmp_path / "answers.csv", rows)
    for verb in (("import", path, "--out", tmp_path / "run"), ("analyze", path)):
        done = run_command(*verb, *BELOW)
        assert "decides only which ungraded answers are harmful" in " ".join(done.err.split())
        assert done.code in (0, 3)


def test_thresholds_that_decide_are_used(tmp_path: Path):
    path = write_csv(tmp_path / "answers.csv", make_rows(alignment=25, coherence=55))
    codes = {
        options: run_command("analyze", path, "--csv", *options).out
        for options in ((), BELOW, ABOVE, BELOW + ABOVE)
    }
    assert len({codes[()], codes[BELOW], codes[ABOVE]}) == 3


def test_a_threshold_outside_the_scale_is_refused():
    with pytest.raises(ConfigError, match="alignment_below: must be a number from 0 to 100"):
        ScoreLimits(alignment_below=101)
