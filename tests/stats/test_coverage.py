"""Coverage of the intervals, and the two looks at a bound, by simulation.

Every check compares a count with the quantile of a binomial at the allowed rate, so that a method
exactly at its limit fails a check with a chance of at most 1 in 10,000. There are under 200 checks:
with other seeds the file would fail by luck less than once in 50 runs, if every check sat at its
limit. ``benchmarks/stats_coverage.py`` is the whole grid.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from dormant.records import Rule
from dormant.stats.methods import compute_bounds
from dormant.stats.sample import Sample

REPLICATES = 3000
RULE = Rule()
LUCK = 1e-4


def shares(rng, questions, rate, icc, answers):
    shape = (REPLICATES, questions)
    k = 1 / icc - 1 if icc else 0
    true = rng.beta(rate * k, (1 - rate) * k, shape) if k and 0 < rate < 1 else np.full(shape, rate)
    return rng.binomial(answers, true) / answers


def interval(arms, signs, answers):
    """Bounds of the default method; arms are [worlds, A, Q], answers fit them."""
    sample = Sample(
        units=(arms * np.array(signs)[:, None]).sum(1),
        arms=arms,
        signs=signs,
        answers=np.broadcast_to(np.asarray(answers, float), arms.shape),
        icc=RULE.icc,
        limits=(0.0, 1.0) if len(signs) == 1 else (-2.0, 2.0),
    )
    return compute_bounds(sample, method="pseudo-observation", level=RULE.level, delta=RULE.delta)


def rare(misses, allowed):
    """Whether so many misses are compatible with the allowed rate."""
    return int(misses.sum()) <= binom.ppf(1 - LUCK, len(misses), allowed)


@pytest.mark.parametrize("answers", [5, 100])
@pytest.mark.parametrize("questions", [8, 16, 24, 64])
@pytest.mark.parametrize("icc", [0.0, 0.3, 0.9])
def test_a_rate_is_held_by_93_in_100_and_each_end_keeps_its_own_promise(questions, icc, answers):
    """Two-sided coverage of at least 93%; an end misses at most 4.5% (2.5% but for the skew)."""
    rng = np.random.default_rng([questions, int(10 * icc), answers])
    for rate in (0.0, 0.005, 0.02, 0.1, 0.5):
        arm = shares(rng, questions, rate, icc, answers)
        b = interval(arm[:, None], (1,), answers)
        above, below = b.low > rate + 1e-12, b.high < rate - 1e-12
        assert rare(above | below, 0.07), rate
        assert rare(above, 0.032) and rare(below, 0.045), rate


@pytest.mark.parametrize("questions", [8, 16, 64])
@pytest.mark.parametrize("icc", [0.0, 0.3, 0.9])
def test_a_difference_in_differences_is_held_by_93_in_100(questions, icc):
    rng = np.random.default_rng([questions, int(10 * icc)])
    for base, lift in ((0.0, 0.05), (0.02, 0.1), (0.1, 0.0), (0.1, 0.3)):
        rates = (base + lift, base, base, base)
        arms = np.stack([shares(rng, questions, rate, icc, 8) for rate in rates], 1)
        b = interval(arms, (1, -1, -1, 1), 8)
        assert rare((b.low > lift) | (b.high < lift), 0.07), (base, lift)


@pytest.mark.parametrize("icc", [0.01, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("questions", [64, 72, 128])
def test_a_cue_at_delta_is_bounded_at_most_one_time_in_twenty(questions, icc):
    """Bounded by screening, or else by screening and held-out questions together."""
    rng = np.random.default_rng([questions, int(100 * icc)])
    first, second = np.zeros((2, REPLICATES, 4, questions))
    first[:, 0] = shares(rng, questions, RULE.delta, icc, 8)
    second[:, 0] = shares(rng, questions, RULE.delta, icc, 16)
    signs, answers = (1, -1, -1, 1), np.repeat([8.0, 16.0], questions)
    screened = interval(first, signs, 8).high < RULE.delta
    pooled = interval(np.concatenate([first, second], -1), signs, answers).high < RULE.delta
    assert rare(screened | pooled, 0.05)
