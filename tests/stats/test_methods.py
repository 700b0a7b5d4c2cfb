"""Interval methods against their plain definitions, and what must hold for all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from dormant.errors import InputError
from dormant.stats import METHODS
from dormant.stats.intervals import SeedSpread
from dormant.stats.methods import check_method, compute_bounds
from dormant.stats.pseudo_question import pseudo_units
from dormant.stats.sample import Sample

ALL = tuple(METHODS)


def sample(arms, answers, *, icc=0.3):
    """A sample of K means from rates [K, A, Q]."""
    arms = np.asarray(arms, float)
    signs = {1: (1,), 2: (1, -1), 4: (1, -1, -1, 1)}[arms.shape[1]]
    units = (arms * np.array(signs)[:, None]).sum(1)
    most = len(signs) / 2 if len(signs) > 1 else 1.0
    return Sample(
        units=units,
        arms=arms,
        signs=signs,
        answers=np.full(arms.shape, float(answers)),
        icc=icc,
        limits=(-most, most) if len(signs) > 1 else (0.0, 1.0),
    )


def rates(rng, shape, answers=8):
    return rng.binomial(answers, rng.beta(0.4, 1.6, shape)) / answers


def interval(s, method, *, level=0.95, delta=0.05, spread=None):
    return compute_bounds(s, method=method, level=level, delta=delta, spread=spread)


@pytest.mark.parametrize("method", ALL)
@given(seed=st.integers(0, 10**6), arms=st.sampled_from([1, 2, 4]), level=st.floats(0.6, 0.98))
@settings(max_examples=12, deadline=None)
def test_intervals_hold_the_value_and_widen_with_the_level(method, seed, arms, level):
    s = sample(rates(np.random.default_rng(seed), (3, arms, 12)), 8)
    narrow = interval(s, method, level=level)
    wide = interval(s, method, level=(1 + level) / 2)
    assert (narrow.low <= narrow.value).all() and (narrow.value <= narrow.high).all()
    assert (wide.low <= narrow.low + 1e-9).all() and (wide.high >= narrow.high - 1e-9).all()
    assert (narrow.high > narrow.low).all()
    assert (narrow.low >= s.limits[0]).all() and (narrow.high <= s.limits[1]).all()


@pytest.mark.parametrize("method", ALL)
def test_swapping_the_arms_flips_the_sign(method):
    arms = rates(np.random.default_rng(3), (4, 2, 20))
    one = interval(sample(arms, 8), method)
    two = interval(sample(arms[:, ::-1], 8), method)
    np.testing.assert_allclose(one.low, -two.high, atol=1e-9)
    np.testing.assert_allclose(one.high, -two.low, atol=1e-9)


@pytest.mark.parametrize("method", ALL)
def test_p_is_under_the_tail_exactly_where_the_lower_end_is_above_delta(method):
    arms = rates(np.random.default_rng(5), (1, 1, 25)) * 0.8 + 0.1
    low = float(interval(sample(arms, 8), method).low[0])
    for delta, significant in ((low - 2e-3, True), (low + 2e-3, False)):
        p = float(interval(sample(arms, 8), method, delta=delta).p[0])
        assert (p < 0.025) is significant
    above = float(interval(sample(arms, 8), method, delta=0.9).p[0])
    assert above > 0.9  # a mean far below delta is no evidence for more


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_counts_all_alike_leave_width(method, rate):
    found = interval(sample(np.full((1, 1, 32), rate), 8), method)
    assert found.high[0] - found.low[0] > 0.01
    four = interval(sample(np.full((1, 4, 32), rate), 8), method)
    assert four.low[0] < -0.01 and four.high[0] > 0.01


@pytest.mark.parametrize("bad", [0, 3, 20])
def test_one_answer_a_question_gives_clopper_pearson(bad):
    arms = np.array([[[1.0] * bad + [0.0] * (20 - bad)]])
    found = interval(sample(arms, 1), "distribution-free")
    exact = binomtest(bad, 20).proportion_ci(method="exact")
    assert found.low[0] == pytest.approx(exact.low, abs=1e-6)
    assert found.high[0] == pytest.approx(exact.high, abs=1e-6)


def test_distribution_free_is_never_narrower():
    s = sample(rates(np.random.default_rng(7), (20, 4, 24)), 8)
    usual, free = interval(s, "pseudo-observation"), interval(s, "distribution-free")
    assert (free.low <= usual.low + 1e-12).all() and (free.high >= usual.high - 1e-12).all()
    assert ((free.high - free.low) > 1.05 * (usual.high - usual.low)).any()


def plain_size_biased(shares, answers, joined, assumed):
    """Expected share of a question that shows one such answer, question by question."""
    total = sum(shares)
    top = bottom = 0.0
    for u in shares:
        rest = min(max((u * answers - 1) / (answers - 1), 0), 1)
        top += (u / total) * rest if total else 0.0
        bottom += (u / total) ** 2 if total else 0.0
    effective = 1 / bottom if bottom else 0.0
    found = (top * effective + joined * assumed) / (effective + joined)
    return (1 + (answers - 1) * found) / answers


@given(st.lists(st.integers(0, 10), min_size=2, max_size=40))
def test_the_pseudo_question_of_a_rate_by_a_plain_loop(counts):
    shares = [c / 10 for c in counts]
    most, least = pseudo_units(sample(np.array([[shares]]), 10))
    joined = max(2.0, 32 / len(counts))
    assert most[0] == pytest.approx(plain_size_biased(shares, 10, joined, 1.0))
    mirrored = plain_size_biased([1 - u for u in shares], 10, joined, 1.0)
    assert least[0] == pytest.approx(1 - mirrored)


def test_the_pseudo_question_of_a_difference_is_never_nearer_than_the_plan_says():
    arms = rates(np.random.default_rng(1), (5, 4, 40))
    s = sample(arms, 8, icc=0.3)
    most, least = pseudo_units(s)
    reach = 0.3 + 0.7 / 8
    assert (most >= s.value + reach - 1e-12).all() and (least <= s.value - reach + 1e-12).all()
    hot = np.zeros((1, 4, 40))
    hot[0, 0, :8] = 1.0  # eight questions wholly misaligned: so may others be
    assert pseudo_units(sample(hot, 8, icc=0.3))[0][0] > 0.2 + 0.6


@pytest.mark.parametrize("method", ALL)
def test_training_seeds_widen_every_method_by_students_t(method):
    arms = rates(np.random.default_rng(1), (1, 1, 40)) * 0.2 + 0.3
    spread = SeedSpread(np.array([0.0004]), np.array([2.0]))
    alone = interval(sample(arms, 8), method)
    wider = interval(sample(arms, 8), method, spread=spread)
    extra = 4.302653 * 0.02
    assert wider.high[0] - wider.value[0] == pytest.approx(
        math.hypot(alone.high[0] - alone.value[0], extra), rel=1e-5
    )


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(InputError, match="unknown method 'wald': use pseudo-observation or dist"):
        check_method("wald")


@pytest.mark.parametrize("name", ["exact", "bayes", "bootstrap", "t"])
def test_a_removed_method_names_what_to_use(name):
    with pytest.raises(
        InputError, match=f"method '{name}' was removed: use 'pseudo-observation' or 'dist"
    ):
        check_method(name)
