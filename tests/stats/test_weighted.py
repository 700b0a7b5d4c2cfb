"""Weighted units: exact weights, bounds that hold, and what they cost."""

import numpy as np
import pytest

from dormant.errors import InputError
from dormant.stats.weighted import (
    bet_bounds,
    covered_limit,
    estimate_contrast,
    estimate_rate,
    mixture_weights,
    pilot_rounds,
)


def test_weights_are_the_ratio_to_the_mixture_and_bounded():
    target = np.log([0.001, 0.2, 0.5])
    proposals = np.log([[0.4, 0.1, 1e-9], [0.2, 0.3, 1e-9]])
    weights = mixture_weights(target, proposals, 0.25)
    mixed = 0.25 * np.exp(target) + 0.75 * np.exp(proposals).mean(axis=0)
    assert weights == pytest.approx(np.exp(target) / mixed)
    assert weights.max() < 4
    assert mixture_weights(target, proposals, 1.0) == pytest.approx(np.ones(3))
    extreme = mixture_weights(np.array([-1e4, 0.0]), np.array([[0.0, -1e4]]), 0.5)
    assert extreme == pytest.approx([0.0, 2.0])
    with pytest.raises(InputError, match="share of plain answers"):
        mixture_weights(target, proposals, 0.0)


def draw_world(rng, target, proposal, plain, rounds):
    """Units of one world [rounds, questions]; target and proposal are [questions, answers]."""
    mixed = plain * target + (1 - plain) * proposal
    weights = np.divide(target, mixed, out=np.zeros_like(mixed), where=mixed > 0)
    units = np.zeros((rounds, len(target)))
    for number in range(rounds):
        for question in range(len(target)):
            chance = target[question] if rng.random() < plain else proposal[question]
            place = int((rng.random() > chance.cumsum()).sum())
            units[number, question] = weights[question, place] if place < len(chance) else 0.0
    return units


def make_world(rng, questions, rate):
    shape = rng.dirichlet(np.ones(4), questions)
    own = rng.lognormal(0, 0.7, questions)
    target = shape * (rate * own / own.mean())[:, None]
    proposal = shape * rng.lognormal(0, 0.5, shape.shape)
    return target, 0.9 * proposal / proposal.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("hidden", [False, True])
def test_intervals_hold_also_where_the_proposal_lacks_answers(hidden: bool):
    rng = np.random.default_rng(5)
    missed = outside = 0
    for _ in range(100):
        target, proposal = make_world(rng, 16, 0.004)
        if hidden:
            proposal[:, 0] = 0.0
        units = draw_world(rng, target, proposal, 0.3, 8)
        found = estimate_rate(units, highest=1 / 0.3, tail=0.025)
        mixed = 0.3 * target + 0.7 * proposal
        weights = target / np.maximum(mixed, 1e-300)
        covered = np.where(weights <= found.limit, target, 0.0).sum(axis=1).mean()
        missed += not found.low <= 0.004 <= found.high
        outside += not found.covered_low <= covered <= found.covered_high
    assert missed <= 5 and outside <= 5  # 12 of 100 would be expected of 88% coverage


def test_a_rare_rate_is_resolved_by_few_answers_and_not_by_plain_ones():
    rng = np.random.default_rng(6)
    target, proposal = make_world(rng, 32, 0.0004)
    found = estimate_rate(draw_world(rng, target, proposal, 0.25, 8), highest=4.0, tail=0.025)
    assert found.value == pytest.approx(0.0004, rel=0.25)
    assert 0.0002 < found.low <= 0.0004
    assert 0.0002 < found.covered_low <= 0.0004 <= found.covered_high < 0.0008
    assert found.high > 0.02  # 64 plain answers can rule out no more
    assert found.plain_answers > 10 * found.answers
    assert 0 < found.effective <= found.misaligned
    plain = estimate_rate(draw_world(rng, target, proposal, 1.0, 8), highest=1.0, tail=0.025)
    assert plain.low < 1e-4 and plain.high > 0.01


def test_contrasts_are_resolved_and_keep_their_signs():
    rng = np.random.default_rng(7)
    low = draw_world(rng, *make_world(rng, 32, 0.0004), 0.25, 8)
    high = draw_world(rng, *make_world(rng, 32, 0.0041), 0.25, 8)
    found = estimate_contrast((high, low), (1, -1), highest=4.0, tail=0.025)
    assert 0 < found.covered_low < 0.0037 < found.covered_high
    assert found.low <= found.covered_low and found.covered_high <= found.high
    other = estimate_contrast((low, high), (1, -1), highest=4.0, tail=0.025)
    assert other.value == pytest.approx(-found.value)
    assert other.covered_high == pytest.approx(-found.covered_low, rel=0.2)


def test_nothing_misaligned_gives_zero_and_an_upper_end():
    found = estimate_rate(np.zeros((8, 100)), highest=4.0, tail=0.025)
    assert (found.value, found.low, found.effective, found.misaligned) == (0.0, 0.0, 0.0, 0)
    assert np.log(1 / 0.025) * 4 / 800 < found.high < 2 * np.log(1 / 0.025) * 4 / 700
    assert np.isnan(found.plain_answers)


def test_what_counts_as_covered_rests_on_the_pilot_alone():
    rng = np.random.default_rng(8)
    units = rng.random((8, 5))
    later = units.copy()
    later[pilot_rounds(8) :] *= 3
    assert covered_limit(units, 10.0) == covered_limit(later, 10.0)
    assert covered_limit(np.zeros((8, 5)), 10.0) == 10.0


def test_impossible_units_are_refused():
    with pytest.raises(InputError, match="outside"):
        bet_bounds(np.full((3, 2), 1.5), lowest=0.0, highest=1.0, tail=0.05)
    with pytest.raises(InputError, match="two rounds"):
        bet_bounds(np.zeros((1, 2)), lowest=0.0, highest=1.0, tail=0.05)
