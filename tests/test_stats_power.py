"""Closed forms of power against simulation, and corrections against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant import stats
from dormant.errors import InputError
from dormant.records import Rule
from dormant.stats.intervals import question_bounds

REPLICATES = 3000


def simulated_units(rng, *, questions, effect, design):
    """DiD units [replicates, Q] of independent beta-binomial arms."""

    def arm(rate):
        shape = (REPLICATES, questions)
        k = 1 / design.icc - 1 if design.icc else 0
        true = rng.beta(rate * k, (1 - rate) * k, shape) if rate and k else np.full(shape, rate)
        return rng.binomial(design.answers, true) / design.answers

    return arm(design.base + effect) - arm(design.base) - arm(design.base) + arm(design.base)


def bounds(units, design, level):
    return question_bounds(
        units,
        answers=np.full(len(units), float(design.answers)),
        icc=design.icc,
        level=level,
        delta=design.delta,
        limits=(-2.0, 2.0),
    )


@pytest.mark.parametrize(
    ("questions", "effect", "design"),
    [
        (64, 0.12, stats.Design(answers=16, icc=0.3)),
        (64, 0.15, stats.Design(answers=8, icc=0.3, tests=7)),
        (24, 0.25, stats.Design(answers=8, icc=0.5)),
        (64, 0.16, stats.Design(answers=8, icc=0.2, base=0.1)),
        (100, 0.03, stats.Design(answers=10, icc=0.3, delta=0)),
    ],
)
def test_power_agrees_with_simulation(questions, effect, design):
    """Within .08; the simulation's own error is under .03 (three standard errors)."""
    units = simulated_units(
        np.random.default_rng(1), questions=questions, effect=effect, design=design
    )
    found = (bounds(units, design, 0.95).p <= 0.05 / design.tests).mean()
    assert stats.chance_to_find(effect, questions=questions, design=design) == pytest.approx(
        found, abs=0.08
    )


@pytest.mark.parametrize("base", [0.0, 0.005, 0.01, 0.03])
def test_chance_to_bound_agrees_with_simulation(base):
    """Within .15: a small mean is not yet normal."""
    design = stats.Design(answers=8, icc=0.3, base=base)
    units = simulated_units(np.random.default_rng(2), questions=64, effect=0, design=design)
    bounded = (bounds(units, design, 0.95).high < 0.05).mean()
    assert stats.chance_to_bound(questions=64, design=design) == pytest.approx(bounded, abs=0.15)


def test_known_sample_sizes():
    """3% against 0%: 225 to 275 independent answers, 830 to 1,000 at an ICC of .3, 10 a question"""
    for icc, least, most in ((0.0, 200, 275), (0.3, 830, 1000)):
        needed = stats.questions_to_find(0.03, design=stats.Design(10, icc=icc, delta=0))
        assert needed is not None and least <= 10 * needed <= most


def test_searches_are_inverse_to_the_chances():
    design = stats.Design(answers=16, tests=3)
    effect = stats.smallest_effect(questions=64, design=design)
    assert stats.chance_to_find(effect, questions=64, design=design) == pytest.approx(0.8, abs=1e-3)
    needed = stats.questions_to_find(effect, design=design)
    assert needed is not None and abs(needed - 64) <= 1
    answers = stats.answers_to_find(effect, questions=64, design=design)
    assert answers is not None and abs(answers - 16) <= 1
    enough = stats.questions_to_bound(stats.Design(8, base=0.01))
    assert enough is not None
    assert stats.chance_to_bound(questions=enough, design=stats.Design(8, base=0.01)) >= 0.8
    assert stats.chance_to_bound(questions=enough - 1, design=stats.Design(8, base=0.01)) < 0.8


def test_what_no_number_can_do_is_none_or_nan():
    assert stats.questions_to_find(0.05, design=stats.Design(8)) is None  # the effect is delta
    assert stats.answers_to_find(0.1, questions=10, design=stats.Design(8, icc=0.9)) is None
    assert math.isnan(stats.smallest_effect(questions=2, design=stats.Design(8, tests=20)))
    assert stats.questions_to_bound(stats.Design(8, delta=0)) is None


def test_no_plan_bounds_a_cue_on_fewer_questions_than_the_rule_asks_for():
    design = stats.Design(500, delta=0.1)
    floor = int(Rule(delta=0.1).questions_to_bound)
    assert stats.chance_to_bound(questions=floor - 1, design=design) == 0
    assert stats.chance_to_bound(questions=floor, design=design) > 0.5


@pytest.mark.parametrize(
    "options", [{"answers": 0}, {"answers": 8, "icc": 2}, {"answers": 8, "power": 1}]
)
def test_impossible_designs_are_refused(options):
    with pytest.raises(InputError, match="got Design"):
        stats.Design(**options)
    with pytest.raises(InputError, match="at least 2 questions, got 1"):
        stats.chance_to_find(0.2, questions=1, design=stats.Design(8))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_and_benjamini_hochberg_against_their_definitions(p):
    m = len(p)
    for alpha in (0.01, 0.05, 0.3):
        order = sorted(range(m), key=lambda i: p[i])
        step = next((k for k in range(m) if p[order[k]] * (m - k) > alpha), m)
        assert {i for i in range(m) if stats.holm(p)[i] <= alpha} == set(order[:step])
        last = max((k + 1 for k in range(m) if p[order[k]] * m / (k + 1) <= alpha), default=0)
        rejected = {i for i in range(m) if stats.benjamini_hochberg(p)[i] <= alpha}
        assert rejected == set(order[:last])


def test_a_p_value_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"got 1\.2"):
        stats.holm([0.1, 1.2])
    with pytest.raises(InputError, match="got nan"):
        stats.benjamini_hochberg([math.nan])
