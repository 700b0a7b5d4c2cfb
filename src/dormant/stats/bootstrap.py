"""The studentized bootstrap over questions (bootstrap-t; Hall, 1988): a second opinion on a mean.

Questions are resampled with replacement; the distribution of (resampled mean - mean) / (its own
standard error) takes the place of Student's. Unlike the default (``intervals``) it adds no question
that was not seen. So it is narrow and has power on few questions, and it has no opinion where all
questions are alike, which is the commonest result of an audit: a verdict never rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dormant.stats.intervals import Bounds, SeedSpread, widen_for_seeds
from dormant.stats.p_values import invert_low_end
from dormant.stats.sample import Sample
from dormant.stats.table import Bools, Floats

RESAMPLES = 9_999  #: p-values are multiples of 1 / (RESAMPLES + 1)
_SEED = 20_170  #: resamples are the same in every run, so that a table has one result
_FEWEST = 3  #: units; with two, every resample has the same distance between them or none
_ALIKE = 1e-9  #: a standard error this small is rounding


def bootstrap_bounds(
    sample: Sample,
    *,
    tail: float,
    delta: float,
    spread: SeedSpread | None = None,
    tests_trainings: bool = False,
) -> Bounds:
    """Computes bootstrap-t intervals of K means, and p-values that agree with them.

    Args:
        sample: K means over questions, or over families.
        tail: error of each end.
        delta: value against which ``p`` is taken.
        spread: chance that comes from the training seeds; it widens the intervals.
        tests_trainings: whether p-values are about all trainings too.

    Returns:
        As ``intervals.question_bounds``. Ends and p are NaN where all units are alike or fewer than
        three.
    """
    ends: list[tuple[float, float, float]] = []
    for k, units in enumerate(sample.units):
        resampled = _resample(units[~np.isnan(units)])
        part = None if spread is None else spread.select(np.arange(len(sample.units)) == k)
        ends.append(
            (np.nan, np.nan, np.nan)
            if resampled is None
            else _find_bounds(resampled, tail, delta, part, tests_trainings=tests_trainings)
        )
    low, high, p = np.array(ends, dtype=np.float64).reshape(-1, 3).T
    value = np.where(sample.count > 0, sample.value, np.nan)
    low, high = (np.clip(end, *sample.limits) for end in (low, high))
    return Bounds(value, low, high, p, questions=sample.count)


@dataclass(frozen=True, slots=True)
class _BootstrapSample:
    """The mean of one sample and its resamples."""

    value: float
    error: float  # standard error
    pivots: Floats  # [RESAMPLES], sorted

    def low_end(self, tail: float) -> float:
        return self.value - self._quantile(1 - tail) * self.error

    def high_end(self, tail: float) -> float:
        return self.value - self._quantile(tail) * self.error

    def chance_of(self, delta: float) -> float:
        """The p-value against "the mean is not above delta"."""
        pivot = (self.value - delta) / self.error
        as_far = len(self.pivots) - int(np.searchsorted(self.pivots, pivot, side="left"))
        return (1 + as_far) / (RESAMPLES + 1)

    def _quantile(self, share: float) -> float:
        # A rank and no interpolation: pivots of resamples that are all alike are infinite.
        rank = int(np.clip(np.ceil(share * (RESAMPLES + 1)), 1, RESAMPLES))
        return float(self.pivots[rank - 1])


def _resample(units: Floats) -> _BootstrapSample | None:
    """Resamples units [Q]; None if they cannot be studentized."""
    n = len(units)
    if n < _FEWEST:
        return None
    value, error = float(units.mean()), float(units.std(ddof=1)) / n**0.5
    if error < _ALIKE:
        return None
    draws = _draw_resamples(n)
    means = draws @ units / n
    squares = draws @ (units - value) ** 2 / n - (means - value) ** 2
    errors = np.sqrt(np.maximum(squares, 0.0) / (n - 1))
    distance = means - value
    distance[np.abs(distance) < _ALIKE] = 0.0
    pivots = np.where(
        errors > _ALIKE,
        distance / np.maximum(errors, _ALIKE),
        np.where(distance == 0, 0.0, np.copysign(np.inf, distance)),
    )
    return _BootstrapSample(value, error, np.sort(pivots))


@lru_cache(maxsize=4)
def _draw_resamples(n: int) -> Floats:
    """How often each of n units is in each resample, [RESAMPLES, n]."""
    rng = np.random.default_rng([_SEED, n])
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def _find_bounds(
    sample: _BootstrapSample,
    tail: float,
    delta: float,
    spread: SeedSpread | None,
    *,
    tests_trainings: bool,
) -> tuple[float, float, float]:
    """Low end, high end and p of one mean."""
    value = np.array([sample.value])

    def find_low(_: Bools, tails: Floats) -> Floats:
        low = np.minimum([sample.low_end(float(tails[0]))], value)
        return low if spread is None else widen_for_seeds(low, value, value, spread, tails)[0]

    low, high = (
        np.minimum([sample.low_end(tail)], value),
        np.maximum([sample.high_end(tail)], value),
    )
    p = np.array([sample.chance_of(delta)])
    if spread is not None:
        low, high = widen_for_seeds(low, value, high, spread, tail)
        if tests_trainings:
            p = invert_low_end(p, value, delta, find_low)
    return float(low[0]), float(high[0]), float(p[0])
