"""Bounds for a mean over questions: one method for rates, gaps and differences in differences.

The question is the unit. Whatever is estimated is first worked out within each question (for a
difference in differences: four rates of the same question), so pairing and clustering need no
further model. The bound then is Clopper-Pearson's, carried over to units that are not just 0 or 1:

1. Add one pseudo-observation, the worst question that is plausible: as extreme as the most extreme
   that was seen, and at least as extreme as a question is on average that shows a misaligned answer
   at all (:mod:`dormant.stats.pseudo_question`). It is what keeps a bound honest where every count
   is zero. For a difference it is also no better than a question in which nothing happens, which
   keeps few questions honest.
2. Give the Q + 1 questions random weights, uniform on the simplex (Dirichlet(1, ..., 1)). The
   weighted mean has a known mean and variance; a Beta distribution between the least unit and the
   pseudo-observation is matched to both, and its quantile is the bound.

With units 0 and 1 and a pseudo-observation of 1 this *is* Clopper-Pearson; with other units it is
the bound of Gaffke (2005; see Learned-Miller and Thomas, 2020), with its quantile taken from the
matched Beta. Lower bounds are upper bounds of the mirrored units.

Training seeds are a second source of chance: the distances from the value to the bounds are
combined in quadrature (variance recovery; Donner and Zou, 2012) with the spread between seeds,
taken with Student's quantile for as many degrees of freedom as there are seeds to spare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from dormant.stats.table import Bools, Floats, Ints

_POINT = 1e-12  #: a range this narrow is a point


@dataclass(frozen=True, slots=True)
class Bounds:
    """Means over questions with their intervals, all [...]; NaN where no question entered."""

    value: Floats
    low: Floats
    high: Floats
    p: Floats  # one-sided, against "the mean is not above delta"
    questions: Ints  # questions that entered


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """Variance of a mean over training seeds, all [...]; zero with one seed."""

    variance: Floats
    freedom: Floats  # degrees of freedom; infinite where the variance is zero

    def select(self, means: Bools) -> SeedSpread:
        """The spread of some of the means, [K]."""
        return SeedSpread(self.variance[means], self.freedom[means])


@dataclass(frozen=True, slots=True)
class _Posterior:
    """Beta(a, b) on [floor, floor + width]: where the mean can be, seen pessimistically."""

    floor: Floats
    width: Floats
    a: Floats
    b: Floats

    def quantile_at(self, q: float | Floats) -> Floats:
        share = special.betaincinv(self.a, self.b, q)
        return self.floor + self.width * np.where(self.width > _POINT, share, 1.0)

    def chance_above(self, x: Floats) -> Floats:
        """Probability that the mean is above x."""
        share = np.clip((x - self.floor) / self.width, 0, 1)
        tail = special.betaincc(self.a, self.b, share)
        return np.where(self.width > _POINT, tail, (x < self.floor).astype(float))


@dataclass(frozen=True, slots=True)
class _Moments:
    """The units of the questions that entered, all [...]; zero where none did."""

    count: Ints
    value: Floats  # mean of the units
    squares: Floats  # sum of their squared distances from it
    least: Floats
    most: Floats

    def mirror(self) -> _Moments:
        """The moments of the units with their signs changed."""
        return _Moments(self.count, -self.value, self.squares, -self.most, -self.least)


def expected_share(answers: Floats, icc: float) -> Floats:
    """Share of misaligned answers expected in a question that shows one: icc + (1 - icc) / n."""
    return icc + (1 - icc) / np.maximum(answers, 1)


def question_bounds(
    units: Floats,
    *,
    answers: Floats,
    icc: float,
    tail: float | Floats,
    delta: float,
    limits: tuple[float, float],
    spread: SeedSpread | None = None,
    pseudo: tuple[Floats, Floats] | None = None,
    least: tuple[Floats, Floats] | None = None,
) -> Bounds:
    """Computes the interval for the mean of units over questions.

    Args:
        units: [..., Q], one number a question; NaN where a question does not enter.
        answers: [...], mean number of answers a question in the smallest arm that enters.
        icc: share of a question's other answers that follow a misaligned one, 0 to 1.
        tail: error of each end, one for all or [...].
        delta: value against which ``p`` is taken.
        limits: least and greatest possible mean; bounds are clipped to them.
        spread: chance that comes from the training seeds; it widens the interval.
        pseudo: the pseudo-observations of the upper and of the lower bound, both [...], as
            ``pseudo_question`` gives them; None to take them ``icc + (1 - icc) / answers`` from the
            mean.
        least: distances below and above the mean that the ends have at least, both [...], as
            ``draws`` gives them; None for no such limit.

    Returns:
        value, bounds, p and number of questions, all [...]. ``p`` is of the questions alone:
        neither ``least`` nor ``spread`` enters (``p_values``).
    """
    seen = _take_moments(units)
    reach = expected_share(answers, icc)
    top, bottom = (seen.value + reach, seen.value - reach) if pseudo is None else pseudo
    top, bottom = _limit_pseudo(seen, top, bottom, limits)
    # A lower bound is an upper bound of the mirrored units.
    upper, lower = _match_posterior(seen, top), _match_posterior(seen.mirror(), -bottom)
    high = np.maximum(upper.quantile_at(1 - tail), seen.value)
    low = np.minimum(-lower.quantile_at(1 - tail), seen.value)
    p = lower.chance_above(np.full_like(seen.value, -delta))
    if least is not None:
        low, high = np.minimum(low, seen.value - least[0]), np.maximum(high, seen.value + least[1])
    if spread is not None:
        low, high = widen_for_seeds(low, seen.value, high, spread, tail)
    ends = np.clip((low, high), *limits)
    out = [np.where(seen.count > 0, x, np.nan) for x in (seen.value, *ends, p)]
    return Bounds(*out, questions=seen.count)


def _take_moments(units: Floats) -> _Moments:
    entered = ~np.isnan(units)  # [..., Q]
    count = entered.sum(-1)
    value = np.where(entered, units, 0.0).sum(-1) / np.maximum(count, 1)
    squares = np.where(entered, (units - value[..., None]) ** 2, 0.0).sum(-1)
    # With an initial value, since there may be no question.
    least = np.where(entered, units, np.inf).min(-1, initial=np.inf)
    most = np.where(entered, units, -np.inf).max(-1, initial=-np.inf)
    has_units = count > 0
    return _Moments(
        count, value, squares, np.where(has_units, least, 0.0), np.where(has_units, most, 0.0)
    )


def _limit_pseudo(
    moments: _Moments, top: Floats, bottom: Floats, limits: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Pseudo-observations that are possible, and as extreme as the most extreme unit, [...]."""
    top = np.maximum(moments.most, np.minimum(top, limits[1]))
    bottom = np.minimum(moments.least, np.maximum(bottom, limits[0]))
    if limits[0] < 0:  # a difference: a question in which nothing happens is always plausible
        top, bottom = np.maximum(top, 0.0), np.minimum(bottom, 0.0)
    return top, bottom


def _match_posterior(moments: _Moments, pseudo: Floats) -> _Posterior:
    """Matches a Beta to the Dirichlet-weighted mean of the units and the pseudo-observation."""
    n = np.maximum(moments.count, 1)
    total = n + 1
    # Mean and variance of sum(w x) for Dirichlet(1, ..., 1) weights w over the n + 1 values x:
    # their mean, and their mean squared distance from it over n + 2.
    mean = (moments.value * n + pseudo) / total
    squares = moments.squares + (pseudo - moments.value) ** 2 * n / total
    variance = squares / total / (total + 1)
    # The Beta on [floor, floor + width] with that mean and variance.
    floor, width = moments.least, np.maximum(pseudo - moments.least, _POINT)
    centre = np.clip((mean - floor) / width, 1e-9, 1 - 1e-9)
    weight = np.maximum(centre * (1 - centre) * width**2 / np.maximum(variance, 1e-300) - 1, 1e-9)
    point = width <= _POINT  # any shape will do, and inverting a degenerate one takes long
    a = np.where(point, 1.0, centre * weight)
    b = np.where(point, 1.0, (1 - centre) * weight)
    return _Posterior(floor, width, a, b)


def widen_for_seeds(
    low: Floats, value: Floats, high: Floats, spread: SeedSpread, tail: float | Floats
) -> tuple[Floats, Floats]:
    """Widens an interval over questions by the spread between training seeds."""
    freedom = np.where(np.isfinite(spread.freedom), spread.freedom, 1e6)
    extra = special.stdtrit(np.maximum(freedom, 1.0), 1 - tail) * np.sqrt(spread.variance)
    return value - np.hypot(value - low, extra), value + np.hypot(high - value, extra)
