"""Interval methods against their plain definitions, and what must hold for all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference
from scipy.stats import beta

from dormant.errors import InputError
from dormant.stats import METHODS
from dormant.stats.exact import effective_answers
from dormant.stats.imagining import imagined
from dormant.stats.intervals import SeedSpread
from dormant.stats.methods import bounds, check_method
from dormant.stats.sample import Sample

ALL = tuple(METHODS)


def sample(arms, answers, *, icc=0.3, seed=0):
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
        rng=np.random.default_rng(seed),
    )


def rates(rng, shape, answers=8):
    return rng.binomial(answers, rng.beta(0.4, 1.6, shape)) / answers


def interval(s, method, *, level=0.95, delta=0.05, spread=None):
    return bounds(s, method=method, level=level, delta=delta, spread=spread)


@pytest.mark.parametrize("method", ALL)
@given(seed=st.integers(0, 10**6), arms=st.sampled_from([1, 2, 4]), level=st.floats(0.6, 0.98))
@settings(max_examples=12, deadline=None)
def test_intervals_hold_the_value_and_widen_with_the_level(method, seed, arms, level):
    s = sample(rates(np.random.default_rng(seed), (3, arms, 12)), 8, seed=seed)
    narrow = interval(s, method, level=level)
    s = sample(s.arms, 8, seed=seed)  # a generator of the same seed
    wide = interval(s, method, level=(1 + level) / 2)
    assert (narrow.low <= narrow.value).all() and (narrow.value <= narrow.high).all()
    assert (wide.low <= narrow.low + 1e-9).all() and (wide.high >= narrow.high - 1e-9).all()
    assert (narrow.high > narrow.low).all()
    assert (narrow.low >= s.limits[0]).all() and (narrow.high <= s.limits[1]).all()


@pytest.mark.parametrize("method", [m for m in ALL if m != "bayes"])
def test_swapping_the_arms_flips_the_sign(method):
    arms = rates(np.random.default_rng(3), (4, 2, 20))
    one = interval(sample(arms, 8), method)
    two = interval(sample(arms[:, ::-1], 8), method)
    tolerance = 1e-9 if method not in ("bootstrap", "bootstrap-t") else 2e-3  # ties of draws
    np.testing.assert_allclose(one.low, -two.high, atol=tolerance)
    np.testing.assert_allclose(one.high, -two.low, atol=tolerance)


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


def test_exact_is_clopper_pearson_where_questions_are_independent_answers():
    """One answer a question: 3 of 20."""
    arms = np.array([[[1.0] * 3 + [0.0] * 17]])
    found = interval(sample(arms, 1), "exact")
    assert found.low[0] == pytest.approx(beta.ppf(0.025, 3, 18), abs=1e-6)
    assert found.high[0] == pytest.approx(beta.ppf(0.975, 4, 17), abs=1e-6)


def test_effective_answers_by_hand():
    """A design effect is the variance between questions over that of independent answers."""
    shares = np.array([0.0, 0.5, 0.25, 0.25])
    variance = np.var(shares, ddof=1) / 4
    independent = 0.25 * 0.75 / (4 * 8)
    found = effective_answers(shares, answers=np.asarray(8.0), icc=0.3)
    assert found == pytest.approx(4 * 8 / (variance / independent))
    none = effective_answers(np.zeros(4), answers=np.asarray(8.0), icc=0.3)
    assert none == pytest.approx(4 * 8 / (1 + 7 * 0.3))


def test_a_difference_of_exact_intervals_adds_distances_in_quadrature():
    arms = rates(np.random.default_rng(2), (1, 2, 30))
    whole = interval(sample(arms, 8), "exact")
    first, second = (interval(sample(arms[:, [i]], 8), "exact") for i in (0, 1))
    below = math.hypot(first.value[0] - first.low[0], second.high[0] - second.value[0])
    assert whole.low[0] == pytest.approx(whole.value[0] - below)


def test_the_bootstrap_agrees_with_scipy():
    units = rates(np.random.default_rng(7), (1, 1, 40), answers=20)
    ours = interval(sample(units, 20), "bootstrap")
    theirs = reference.bootstrap(
        (units[0, 0],), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    # 2,000 draws: each end has a standard error of about 3% of the width.
    assert ours.low[0] == pytest.approx(theirs.low, abs=0.1 * width)
    assert ours.high[0] == pytest.approx(theirs.high, abs=0.1 * width)


def test_percentile_t_by_a_plain_loop():
    units = rates(np.random.default_rng(8), (1, 1, 15), answers=20)
    found = interval(sample(units, 20, seed=4), "bootstrap-t")
    x = units[0, 0]
    own = np.std(x, ddof=1) / math.sqrt(len(x))
    ratios = []
    for times in np.random.default_rng(4).multinomial(15, np.full(15, 1 / 15), size=2000):
        drawn = np.repeat(x, times)
        error = np.std(drawn, ddof=1) / math.sqrt(len(drawn))
        ratios.append((drawn.mean() - x.mean()) / error)
    assert found.low[0] == pytest.approx(x.mean() - np.quantile(ratios, 0.975) * own)
    assert found.high[0] == pytest.approx(x.mean() - np.quantile(ratios, 0.025) * own)


def test_dirichlet_weights_by_a_plain_loop():
    """The posterior mean holds the questions and one prior question of rate 1/2 on average."""
    units = rates(np.random.default_rng(9), (1, 1, 15), answers=20)
    found = interval(sample(units, 20, seed=4), "bayes")
    rng = np.random.default_rng(4)
    weights, prior = rng.standard_exponential((2000, 16)), rng.beta(0.5, 0.5, (2000, 1))
    means = [
        (w[:15] @ units[0, 0] + w[15] * p[0]) / w.sum() for w, p in zip(weights, prior, strict=True)
    ]
    assert found.high[0] == pytest.approx(np.quantile(means, 0.975))
    assert found.low[0] == pytest.approx(np.quantile(means, 0.025))


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
def test_the_imagined_question_of_a_rate_by_a_plain_loop(counts):
    shares = [c / 10 for c in counts]
    most, least = imagined(sample(np.array([[shares]]), 10))
    joined = max(2.0, 32 / len(counts))
    assert most[0] == pytest.approx(plain_size_biased(shares, 10, joined, 1.0))
    mirrored = plain_size_biased([1 - u for u in shares], 10, joined, 1.0)
    assert least[0] == pytest.approx(1 - mirrored)


def test_the_imagined_question_of_a_difference_is_never_nearer_than_the_plan_says():
    arms = rates(np.random.default_rng(1), (5, 4, 40))
    s = sample(arms, 8, icc=0.3)
    most, least = imagined(s)
    reach = 0.3 + 0.7 / 8
    assert (most >= s.value + reach - 1e-12).all() and (least <= s.value - reach + 1e-12).all()
    hot = np.zeros((1, 4, 40))
    hot[0, 0, :8] = 1.0  # eight questions wholly misaligned: so may others be
    assert imagined(sample(hot, 8, icc=0.3))[0][0] > 0.2 + 0.6


@pytest.mark.parametrize("method", ALL)
def test_training_seeds_widen_every_method_by_students_t(method):
    arms = rates(np.random.default_rng(1), (1, 1, 40)) * 0.2 + 0.3
    spread = SeedSpread(np.array([0.0004]), np.array([2.0]))
    alone = interval(sample(arms, 8, seed=2), method)
    wider = interval(sample(arms, 8, seed=2), method, spread=spread)
    extra = 4.302653 * 0.02
    assert wider.high[0] - wider.value[0] == pytest.approx(
        math.hypot(alone.high[0] - alone.value[0], extra), rel=1e-5
    )


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(
        InputError, match="no method 'wald': the methods are imagined, distribution"
    ):
        check_method("wald")
