"""The intra-question correlation against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.errors import InputError
from dormant.stats import intraclass_correlation


def plain(arms):
    """The ANOVA estimator from single answers; arms are lists of questions of 0 and 1."""
    between = within = between_df = within_df = typical = 0.0
    for questions in arms:
        every = [x for q in questions for x in q]
        mean = sum(every) / len(every)
        for q in questions:
            own = sum(q) / len(q)
            between += len(q) * (own - mean) ** 2
            within += sum((x - own) ** 2 for x in q)
        between_df += len(questions) - 1
        within_df += len(every) - len(questions)
        typical += len(every) - sum(len(q) ** 2 for q in questions) / len(every)
    typical /= between_df
    msb, msw = between / between_df, within / within_df
    return (msb - msw) / (msb + (typical - 1) * msw)


answers = st.lists(st.integers(0, 1), min_size=2, max_size=6)
arm = st.lists(answers, min_size=4, max_size=4)


@given(st.lists(arm, min_size=1, max_size=3))
def test_the_estimate_is_its_definition(arms):
    bad = np.array([[sum(q) for q in questions] for questions in arms])
    size = np.array([[len(q) for q in questions] for questions in arms])
    found = intraclass_correlation(bad, size)
    if not 0 < bad.sum() or all((bad == size).all(-1) | (bad == 0).all(-1)):
        assert math.isnan(found.value) and found.reason
        return
    assert found.value == pytest.approx(plain(arms))
    assert 0 <= found.low <= max(found.value, 0) <= found.high <= 1


def test_answers_that_repeat_each_other_are_correlated_wholly():
    found = intraclass_correlation(np.array([8, 0, 8, 0, 0, 8]), np.full(6, 8))
    assert found.value == pytest.approx(1) and found.high == pytest.approx(1)


def test_the_truth_is_held_by_nearly_all_intervals():
    """ICC .3, 40 questions of 10 answers at 30%: held by 93% of intervals in a longer study.

    200 intervals; one that holds 93% fails below 172 with a chance of 2e-4.
    """
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        true = rng.beta(0.3 * (1 / 0.3 - 1), 0.7 * (1 / 0.3 - 1), 40)
        found = intraclass_correlation(rng.binomial(10, true), np.full(40, 10))
        held += found.low <= 0.3 <= found.high
    assert held >= 172


def test_what_shows_no_correlation_says_why():
    one = intraclass_correlation(np.array([2]), np.array([8]))
    assert math.isnan(one.value) and "at least 2 questions, got 1" in one.reason
    none = intraclass_correlation(np.zeros(5, int), np.full(5, 8))
    assert none.reason == "every answer is aligned: the correlation is undefined"
    single = intraclass_correlation(np.array([0, 1, 0]), np.ones(3, int))
    assert single.reason == "needs at least 2 answers to a question"
    with pytest.raises(InputError, match="misaligned at most answers"):
        intraclass_correlation(np.array([9]), np.array([8]))
