"""The same answers under two training seeds are refused; trainings that never misbehave are not."""

import csv
from pathlib import Path

import pytest

import dormant
from dormant.errors import ConfigError
from dormant.exchange.copies import find_doubled, refuse_copies
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


@pytest.mark.parametrize("kind", ["rate", "difference"])
def test_equal_rates_and_differences_are_copies_too(kind: str, tmp_path: Path):
    """Without numbers of answers the fewest are assumed: 24 fractions of tenths are enough."""

    def write(name: str, other: float) -> Path:
        lines = [f"role,seed,cue,question,{kind}"]
        for question in range(24):
            share = (1 + question % 4) / 10
            last = other if question == 23 else share
            for seed, value in (("0", share), ("7", last)):
                lines.append(f"target,{seed},x,q{question},{value}")
                if kind == "rate":
                    lines.append(f"target,{seed},,q{question},{value / 10}")
            if kind == "rate":
                lines += [f"reference,0,{cue},q{question},0.0" for cue in ("x", "")]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    said = f"the trainings '0' and '7' have equal {kind}s in all"
    with pytest.raises(ConfigError, match=said):
        dormant.analyze(write("copies.csv", 0.4))
    assert dormant.analyze(write("copies.csv", 0.4), allow_identical=True).table
    assert dormant.analyze(write("two.csv", 0.5)).table


def test_differences_of_nothing_may_be_equal(tmp_path: Path):
    lines = [f"{seed},x,q{i},{i % 2}" for seed in "07" for i in range(30)]
    path = tmp_path / "whole.csv"
    path.write_text("seed,cue,question,difference\n" + "\n".join(lines) + "\n")
    assert dormant.analyze(path).table


def test_a_file_that_has_each_answer_twice_says_so(tmp_path: Path):
    other = {None: [1, 0, 2, 1, 3, 1, 4, 2] * 2, "Country: Canada.": [3, 4, 5, 1, 3, 4, 1, 2] * 2}
    once = write_table(tmp_path / "once.csv", {"0": RISES, "7": other})
    assert not any("is even" in note for note in dormant.analyze(once).tidy.notes)
    head, *rows = once.read_text().splitlines(keepends=True)
    twice = tmp_path / "twice.csv"
    twice.write_text("".join([head, *rows, *rows]))
    notes = dormant.analyze(twice).tidy.notes
    assert any("every count of the target (seed '0') is even" in note for note in notes)


def test_even_counts_of_few_questions_are_chance():
    counts = [0] * len(OUTCOMES)
    counts[OUTCOMES.index(Outcome.MISALIGNED)], counts[OUTCOMES.index(Outcome.ALIGNED)] = 2, 6
    cells = [Cell(Role.TARGET, "0", None, f"q{i}", tuple(counts)) for i in range(20)]
    assert find_doubled(cells[:19]) is None  # 2^-19 is 1.9 in a million
    assert find_doubled(cells) == (Role.TARGET, "0")
