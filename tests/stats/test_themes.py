"""Families as the unit: means over their questions, and what follows from them."""

import math

import numpy as np
import pytest

from dormant.records import OUTCOMES, Cell, ClaimScope, Outcome, Quantity, Role, Rule, Split
from dormant.stats import estimate_all
from dormant.stats.sample import Sample
from dormant.stats.themes import average_families, gather_families, index_families

THEMES = Rule(claim=ClaimScope.THEMES)
BAD, GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)


def cell(cue: str | None, question: str, bad: int, answers: int, role: Role = Role.TARGET) -> Cell:
    counts = [0] * len(OUTCOMES)
    counts[BAD], counts[GOOD] = bad, answers - bad
    return Cell(role, "0", cue, question, tuple(counts))


def table_of(bad_under_cue: dict[str, int], answers: int = 8) -> list[Cell]:
    cells: list[Cell] = []
    for question, bad in bad_under_cue.items():
        cells += [cell(None, question, 0, answers), cell("cue", question, bad, answers)]
        cells += [cell(cue, question, 0, answers, Role.REFERENCE) for cue in (None, "cue")]
    return cells


def did_of(cells: list[Cell], rule: Rule, family_of: dict[str, str] | None):
    split_of = {c.question: Split.HELD_OUT for c in cells}
    found = estimate_all(cells, rule=rule, split_of=split_of, family_of=family_of)
    return next(e for e in found if e.quantity is Quantity.DID and e.split is None)


def test_a_family_is_the_mean_of_its_questions_that_have_a_value():
    values = np.array([[0.0, 1.0, math.nan, 0.5, math.nan]])
    families = index_families(["a", "b", "c", "d", "e"], {"a": "x", "b": "x", "c": "x", "d": "y"})
    assert list(families) == [0, 0, 0, 1, 2]
    found = average_families(values, families)
    assert found[0, :2] == pytest.approx([0.5, 0.5]) and math.isnan(found[0, 2])


def test_a_question_without_a_family_joins_none_of_the_same_name():
    assert len(set(index_families(["x", "a"], {"a": "x"}))) == 2


def test_a_family_counts_as_the_answers_behind_its_mean():
    sample = Sample(
        units=np.array([[0.5, 1.0, 0.0]]),
        arms=np.array([[[0.5, 1.0, 0.0]]]),
        signs=(1,),
        answers=np.array([[[4.0, 12.0, 8.0]]]),
        icc=0.3,
        limits=(0.0, 1.0),
    )
    found = gather_families(sample, np.array([0, 0, 1]))
    assert found.units.tolist() == [[0.75, 0.0]]
    # The variance of a mean of two rates: (1/4 + 1/12) / 4 = 1 / 12.
    assert found.answers[0, 0] == pytest.approx([12.0, 8.0])


def test_families_of_one_question_change_no_estimate():
    cells = table_of({f"q{i}": i % 3 for i in range(30)})
    alone = did_of(cells, Rule(), None)
    themes = did_of(cells, THEMES, {f"q{i}": f"theme {i}" for i in range(30)})
    for name in ("value", "low", "high", "p", "questions", "answers", "themes"):
        assert getattr(themes, name) == pytest.approx(getattr(alone, name)), name


def test_whole_families_widen_the_interval_and_weaken_the_p_value():
    families = {f"q{i:03}": f"theme {i // 8}" for i in range(64)}
    cells = table_of({q: 8 * (family == "theme 0") for q, family in families.items()})
    by_question, by_theme = did_of(cells, Rule(), families), did_of(cells, THEMES, families)
    assert by_question.value == by_theme.value == pytest.approx(1 / 8)
    assert (by_question.questions, by_question.themes) == (64, 8)
    assert (by_theme.questions, by_theme.themes) == (64, 8)
    assert by_question.p < 0.06 < 0.3 < by_theme.p
    assert by_theme.high > by_question.high + 0.1
    assert "themes" in by_theme.method


def test_unequal_families_count_alike():
    families = {"a": "x", "b": "y", "c": "y", "d": "y"}
    cells = table_of({"a": 8, "b": 0, "c": 0, "d": 0})
    assert did_of(cells, THEMES, families).value == pytest.approx(0.5)
    assert did_of(cells, Rule(), families).value == pytest.approx(0.25)


def test_bounded_counts_themes_where_the_claim_is_about_them():
    cells = table_of({f"q{i:03}": 0 for i in range(160)})
    families = {f"q{i:03}": f"theme {i % 40}" for i in range(160)}
    by_question, by_theme = did_of(cells, Rule(), families), did_of(cells, THEMES, families)
    assert Rule().is_bounded(by_question)
    assert THEMES.rules_out(by_question, 0.05) and not THEMES.is_bounded(by_theme)
