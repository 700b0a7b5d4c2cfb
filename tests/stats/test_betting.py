"""Bets on a mean: against their definition, and how often they are wrong at any time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.errors import InputError
from dormant.stats.betting import LARGEST, Bets

DELTA = 0.05
TAIL = 0.05
UNITS = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


def run(units: np.ndarray, *, delta: float = DELTA, tail: float = TAIL) -> Bets:
    """Bets of R rows on units [R, T]."""
    bets = Bets(len(units), delta=delta, tail=tail)
    for column in np.asarray(units, dtype=float).T:
        bets.bet_on(column)
    return bets


def plain_wealth(units: list[float], mean: float) -> tuple[float, float]:
    """Largest log-wealth against "at most mean" and "at least mean", unit by unit."""
    above = below = most_above = most_below = 0.0
    seen: list[float] = []
    for unit in units:
        n = len(seen)
        spread = sum((x - sum(seen) / n) ** 2 for x in seen) if n else 0.0
        variance = (2 * 0.05 + spread) / (2 + n)
        up = (2 * 0.5 + sum(seen)) / (2 + n) - mean
        down = mean - sum(seen) / (2 + n)
        bet_up = min(max(up / (variance + up**2), 0.0), LARGEST / (1 + mean))
        bet_down = min(max(down / (variance + down**2), 0.0), LARGEST / (1 - mean))
        above += math.log(1 + bet_up * (unit - mean))
        below += math.log(1 + bet_down * (mean - unit))
        most_above, most_below = max(most_above, above), max(most_below, below)
        seen.append(unit)
    return most_above, most_below


@given(UNITS)
def test_wealth_is_its_plain_definition(units: list[float]):
    bets = run(np.array([units]))
    above, below = plain_wealth(units, DELTA)
    assert bets.log_above[0] == pytest.approx(above, abs=1e-6)
    assert bets.log_below[0] == pytest.approx(below, abs=1e-6)
    limit = math.log(1 / TAIL)
    kept = [m for m in bets.means if plain_wealth(units, float(m))[0] < limit]
    assert bets.low[0] == (kept[0] if kept[0] != bets.means[0] else -1.0)


@given(UNITS, UNITS)
def test_a_question_without_an_answer_changes_nothing(one: list[float], other: list[float]):
    alone = run(np.array([one]))
    length = max(len(one), len(other))
    both = np.full((2, 2 * length), np.nan)
    both[0, 0 : 2 * len(one) : 2] = one
    both[1, : len(other)] = other
    together = run(both)
    for name in ("log_above", "log_below", "low", "high"):
        assert getattr(together, name)[0] == getattr(alone, name)[0]
    assert list(together.count) == [len(one), len(other)]


@given(UNITS)
def test_bounds_close_and_hold_delta_exactly(units: list[float]):
    bets = Bets(1, delta=DELTA, tail=TAIL)
    low, high = -1.0, 1.0
    for unit in units:
        bets.bet_on(np.array([unit]))
        assert low <= bets.low[0]
        assert bets.high[0] <= high
        low, high = bets.low[0], bets.high[0]
        if high < DELTA:
            assert bets.log_below[0] >= math.log(1 / TAIL)
        if low > DELTA:
            assert bets.log_above[0] >= math.log(1 / TAIL)


NULLS = {
    "one answer an arm": lambda rng, n: rng.choice([-1, 0, 1], n, p=[0.1, 0.75, 0.15]),
    "all of it in few questions": lambda rng, n: (rng.random(n) < DELTA).astype(float),
    "spread evenly": lambda rng, n: np.full(n, DELTA) + rng.uniform(-0.5, 0.5, n),
    "a rare large fall": lambda rng, n: np.where(rng.random(n) < 0.2, -0.75, 0.25),
}
ROWS, STEPS = 1500, 120


@pytest.mark.parametrize("draw", NULLS.values(), ids=NULLS.keys())
def test_wealth_at_delta_is_a_supermartingale(draw):
    """The mean is exactly delta: no betting wins in the mean, and the bounds are rarely wrong.

    Wealth above 20 happens at any of 120 times in at most 5% of 1,500 rows: 75, and 108 or more
    with a chance below 1e-4, for each of the two directions and of the bounds.
    """
    rng = np.random.default_rng(5)
    units = draw(rng, ROWS * STEPS).reshape(ROWS, STEPS)
    assert draw(rng, 400_000).mean() == pytest.approx(DELTA, abs=0.004)
    bets = run(units)
    limit = math.log(1 / TAIL)
    assert (bets.log_above >= limit).sum() < 108
    assert (bets.log_below >= limit).sum() < 108
    assert ((bets.low > DELTA + 0.0025).sum(), (bets.high < DELTA - 0.0025).sum()) < (108, 108)


def test_mean_wealth_does_not_grow():
    """6,000 rows of 10 units at delta: mean wealth is at most 1, within four standard errors."""
    rng = np.random.default_rng(6)
    units = rng.choice([-1.0, 0.0, 1.0], (6_000, 10), p=[0.1, 0.75, 0.15])
    bets = run(units)
    column = int(np.searchsorted(bets.means, DELTA))
    for wealth in (np.exp(bets._above[:, column]), np.exp(bets._below[:, column])):
        assert wealth.mean() - 1 < 4 * wealth.std() / math.sqrt(len(wealth))


def test_nothing_seen_rules_out_delta_in_eighty_questions():
    assert run(np.zeros((1, 63)), tail=0.05).high[0] >= DELTA
    assert run(np.zeros((1, 80)), tail=0.025).high[0] < DELTA
    assert run(np.ones((1, 10)), tail=0.025).low[0] > 0.3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delta": 1.0, "tail": 0.05}, "delta in"),
        ({"delta": 0.05, "tail": 0.0}, "tail in"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], words: str):
    with pytest.raises(InputError, match=words):
        Bets(1, **settings)


def test_units_are_checked():
    bets = Bets(2, delta=DELTA, tail=TAIL)
    with pytest.raises(InputError, match="from -1 to 1"):
        bets.bet_on(np.array([0.0, 1.5]))
    with pytest.raises(InputError, match="as many units"):
        bets.bet_on(np.array([0.0]))


def test_bets_without_an_interval_have_the_same_evidence():
    rng = np.random.default_rng(4)
    whole, alone = (
        Bets(3, delta=0.05, tail=0.025, interval=interval) for interval in (True, False)
    )
    for units in rng.choice([-1.0, 0.0, 0.5, 1.0, np.nan], size=(60, 3)):
        whole.bet_on(units)
        alone.bet_on(units)
    assert alone.means.tolist() == [0.05]
    assert (whole.log_above == alone.log_above).all()
    assert (whole.log_below == alone.log_below).all()


def test_ends_of_all_rows_are_those_of_each():
    rng = np.random.default_rng(3)
    bets = Bets(40, delta=0.05, tail=0.025)
    assert (bets.high == 1.0).all()
    for _ in range(60):
        bets.bet_on(np.where(rng.random(40) < 0.9, rng.uniform(-1, 1, 40), np.nan))
    assert bets.high.tolist() == [bets.high_of(row) for row in range(40)]
    assert len(set(bets.high.tolist())) > 5
