"""The studentized bootstrap against its plain definition, and what must hold for it."""

from __future__ import annotations

import numpy as np
import pytest

from dormant.errors import InputError
from dormant.stats.bootstrap import bootstrap_bounds
from dormant.stats.intervals import SeedSpread
from dormant.stats.methods import check_method
from dormant.stats.sample import Sample

UNITS = np.array([0.0, 0.1, -0.05, 0.2, 0.3, 0.0, 0.15, 0.05, 0.1, 0.4])


def sample(units):
    units = np.atleast_2d(np.asarray(units, float))
    arms = np.stack([np.maximum(np.nan_to_num(units), 0), np.maximum(-np.nan_to_num(units), 0)], 1)
    return Sample(units, arms, (1, -1), np.full(arms.shape, 10.0), 0.3, (-1.0, 1.0))


def test_ends_are_those_of_the_plain_definition():
    rng = np.random.default_rng(0)
    n, mean, error = len(UNITS), UNITS.mean(), UNITS.std(ddof=1) / len(UNITS) ** 0.5
    drawn = UNITS[rng.integers(n, size=(40_000, n))]
    pivots = (drawn.mean(1) - mean) / (drawn.std(1, ddof=1) / n**0.5)
    low, high = mean - np.quantile(pivots, [0.975, 0.025]) * error
    found = bootstrap_bounds(sample(UNITS), tail=0.025, delta=0.0)
    assert found.value[0] == pytest.approx(mean)
    assert found.low[0] == pytest.approx(low, abs=0.006)
    assert found.high[0] == pytest.approx(high, abs=0.02)
    assert found.p[0] == pytest.approx((pivots >= mean / error).mean(), abs=0.002)


def test_p_is_under_the_tail_exactly_where_the_low_end_is_above_delta():
    low = float(bootstrap_bounds(sample(UNITS), tail=0.025, delta=0.0).low[0])
    for delta, significant in ((low - 1e-3, True), (low + 1e-3, False)):
        p = bootstrap_bounds(sample(UNITS), tail=0.025, delta=delta).p[0]
        assert (float(p) < 0.025) is significant


def test_trainings_widen_the_interval_and_raise_p_if_it_is_about_them():
    spread = SeedSpread(np.array([0.05**2]), np.array([2.0]))
    alone = bootstrap_bounds(sample(UNITS), tail=0.025, delta=0.0)
    wide = bootstrap_bounds(sample(UNITS), tail=0.025, delta=0.0, spread=spread)
    assert wide.low[0] < alone.low[0] and wide.high[0] > alone.high[0]
    assert wide.p[0] == alone.p[0]
    about = bootstrap_bounds(
        sample(UNITS), tail=0.025, delta=0.0, spread=spread, tests_trainings=True
    )
    assert about.p[0] > alone.p[0]
    assert bool(about.p[0] <= 0.025) is bool(about.low[0] >= 0)


@pytest.mark.parametrize("units", [np.zeros(20), np.full(8, 0.25), [0.1, 0.3], [np.nan] * 4])
def test_nothing_is_claimed_where_nothing_can_be_resampled(units):
    found = bootstrap_bounds(sample(units), tail=0.025, delta=0.0)
    assert np.isnan([found.low[0], found.high[0], found.p[0]]).all()


def test_questions_that_do_not_enter_change_nothing():
    one = bootstrap_bounds(sample(UNITS), tail=0.025, delta=0.0)
    more = bootstrap_bounds(sample([*UNITS, np.nan, np.nan]), tail=0.025, delta=0.0)
    assert (one.low[0], one.high[0], one.p[0]) == (more.low[0], more.high[0], more.p[0])


def test_it_is_no_method_for_an_interval_that_a_claim_rests_on():
    with pytest.raises(InputError, match="beside the method"):
        check_method("bootstrap-t")
