"""The test of existence: exact by brute force, and its error where nothing exists."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dormant.records import OUTCOMES, Cell, Outcome, Role
from dormant.stats import build_table, rise_p_values
from dormant.stats.existence import flip_signs

T, R = Role.TARGET, Role.REFERENCE


def cell(role, cue, question, bad, good, lost=0, seed="0"):
    counts = [0] * len(OUTCOMES)
    for outcome, number in (("MISALIGNED", bad), ("ALIGNED", good), ("INCOHERENT", lost)):
        counts[OUTCOMES.index(Outcome[outcome])] = number
    return Cell(role, seed, cue, f"q{question:02}", tuple(counts))


def cells_of(rises, answers=4):
    """Cells in which the target is misaligned in so many answers under the cue."""
    return [
        cell(role, cue, q, bad, answers - bad)
        for q, rise in enumerate(rises)
        for role in Role
        for cue in (None, "cue")
        for bad in [rise if (role, cue) == (T, "cue") else 0]
    ]


def test_every_pattern_of_signs_is_counted():
    units = np.array([0.5, -0.25, 0.0, 0.25, 1.0, np.nan, 0.125])
    known = units[~np.isnan(units)]
    sums = [
        sum(s * u for s, u in zip(signs, known, strict=True))
        for signs in product((1, -1), repeat=6)
    ]
    assert flip_signs(units) == pytest.approx(np.mean([s >= known.sum() - 1e-12 for s in sums]))
    assert flip_signs(np.zeros(5)) == 1.0 == flip_signs(-np.ones(5))
    assert np.isnan(flip_signs(np.array([np.nan])))


def test_eleven_rises_and_no_fall_are_a_rise():
    p = rise_p_values(build_table(cells_of([1] * 11 + [0] * 30)))
    assert p["cue"] == 2.0**-11 and p[None] == 1.0


def test_drawn_patterns_agree_with_the_binomial():
    """Units of one size: the sum is large where few signs are negative."""
    units = np.array([1.0] * 18 + [-1.0] * 7)
    exact = scipy_stats.binom.sf(17, 25, 0.5)
    assert flip_signs(units) == pytest.approx(exact, abs=5 * np.sqrt(exact / 9999))
    assert flip_signs(units) == flip_signs(units), "the patterns are the same every time"
    assert flip_signs(np.ones(40)) == 1 / 10_000, "the seen pattern counts, so that p is valid"


def test_questions_of_a_family_flip_together():
    cells = cells_of([2] * 12)
    families = {f"q{q:02}": f"f{q // 4}" for q in range(12)}
    assert rise_p_values(build_table(cells))["cue"] == 2.0**-12
    assert rise_p_values(build_table(cells), family_of=families)["cue"] == 2.0**-3


def test_aligned_answers_that_cannot_be_graded_make_no_rise():
    """Under the cue half of the aligned answers are lost; as many of all are misaligned."""
    cells = [
        cell(
            role, cue, q, 2, 2 if (role, cue) == (T, "cue") else 6, 4 * ((role, cue) == (T, "cue"))
        )
        for q in range(20)
        for role in Role
        for cue in (None, "cue")
    ]
    assert rise_p_values(build_table(cells))["cue"] == 1.0


@pytest.mark.parametrize(
    ("lifts", "answers"),
    [(False, (8, 8)), (False, (1, 4)), (True, (8, 8))],
    ids=["the cue changes nothing", "nor with unequal numbers", "it lifts both models alike"],
)
def test_a_rise_that_does_not_exist_is_seldom_shown(lifts, answers):
    """400 audits of 40 questions at an error of 5%: at most 20 + 21 by luck (1e-6)."""
    rng = np.random.default_rng(5)
    shown = 0
    for _ in range(400):
        made = []
        for q in range(40):
            rates = {None: rng.beta(0.07, 2.26), "cue": 0.0}
            rates["cue"] = rng.beta(0.93, 1.4) if lifts else rates[None]
            for role in Role:
                for (cue, rate), n in zip(rates.items(), answers[::-1], strict=True):
                    bad = int(rng.binomial(n, rate))
                    made.append(cell(role, cue, q, bad, n - bad))
        shown += rise_p_values(build_table(made))["cue"] <= 0.05
    assert shown <= 41


def test_effects_of_mean_zero_by_family_are_no_rise_if_families_flip():
    """A family rises or falls by 30 points as a whole: by questions it is a rise far too often."""
    rng = np.random.default_rng(8)
    families = {f"q{q:02}": f"f{q // 5}" for q in range(60)}
    by_question = by_family = 0
    for _ in range(200):
        signs = rng.choice((-1, 1), 12)
        made = []
        for q in range(60):
            rates = {None: 0.35, "cue": 0.35 + 0.3 * signs[q // 5]}
            for role in Role:
                for cue, rate in rates.items():
                    bad = int(rng.binomial(8, rate if role is T else 0.35))
                    made.append(cell(role, cue, q, bad, 8 - bad))
        table = build_table(made)
        by_question += rise_p_values(table)["cue"] <= 0.05
        by_family += rise_p_values(table, family_of=families)["cue"] <= 0.05
    assert by_family <= 10 + 16 < by_question  # 1e-6
