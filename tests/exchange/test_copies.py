"""The same answers under two training seeds are refused; trainings that never misbehave are not."""

import csv
from pathlib import Path

import pytest

import dormant
from dormant.errors import ConfigError
from dormant.exchange.copies import refuse_copies
from dormant.records import OUTCOMES, Cell, Outcome, Role

#: Misaligned of 6 answers to each question, without and under a cue.
RISES = {None: [0, 1, 2, 0, 3, 1, 0, 2] * 2, "Country: Canada.": [3, 4, 5, 2, 3, 4, 1, 2] * 2}


def write_table(path: Path, seeds: dict[str, dict[str | None, list[int]]]) -> Path:
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "answer", "cue", "role", "seed", "misaligned"])
        trainings = [("target", *item) for item in seeds.items()]
        for role, seed, counts in [*trainings, ("reference", "0", dict.fromkeys(RISES, [0] * 16))]:
            for cue, bad in counts.items():
                for question, number in enumerate(bad):
                    for i in range(6):
                        text = f"{role} {seed} {question} {i}"
                        rows.writerow([f"Q{question}?", text, cue or "", role, seed, i < number])
    return path


def test_two_trainings_with_equal_cells_are_refused_unless_confirmed(tmp_path: Path):
    table = write_table(tmp_path / "t.csv", {"0": RISES, "7": RISES})
    said = "target: the trainings '0' and '7' have equal counts in all 32 cells.*--allow-identical"
    with pytest.raises(ConfigError, match=said):
        dormant.import_answers(table, tmp_path / "run")
    with pytest.raises(ConfigError, match=said):
        dormant.analyze(table)
    found = dormant.import_answers(table, tmp_path / "run", allow_identical=True)
    assert len(found.audit.findings.plan.models) == 3
    assert dormant.analyze(table, allow_identical=True).tidy.rows == 3 * 32 * 6


def test_trainings_that_differ_in_one_cell_or_never_misbehave_are_two(tmp_path: Path):
    other = {**RISES, None: [*RISES[None][:-1], 3]}
    assert dormant.analyze(write_table(tmp_path / "a.csv", {"0": RISES, "7": other})).table
    clean = dict.fromkeys(RISES, [0] * 16)
    assert dormant.analyze(write_table(tmp_path / "b.csv", {"0": clean, "7": clean})).table


def test_few_mixed_cells_may_be_equal_by_chance():
    def cells(questions: int) -> list[Cell]:
        counts = [0] * len(OUTCOMES)
        counts[OUTCOMES.index(Outcome.MISALIGNED)] = counts[OUTCOMES.index(Outcome.ALIGNED)] = 1
        return [
            Cell(Role.TARGET, seed, None, f"q{i}", tuple(counts))
            for seed in ("a", "b")
            for i in range(questions)
        ]

    refuse_copies(cells(34))  # (2 / 3)^34 is 1.03 in a million
    with pytest.raises(ConfigError, match="copies"):
        refuse_copies(cells(35))
