"""Intervals from drawing the questions again: bootstrap and Dirichlet weights.

Questions are drawn whole, with all of their answers and arms, so pairing and clustering are kept.
The draws are the same for all means of a call.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dormant.stats.sample import Ends, Sample
from dormant.stats.table import Floats

DRAWS = 2000


def bootstrap(sample: Sample) -> Ends:
    """Bias-corrected and accelerated bootstrap (BCa; Efron, 1987, JASA 82, 171-185).

    The acceleration comes from the jackknife, which for a mean is the skewness of the units over
    6 sqrt(Q). No width where all units are alike.
    """
    weights = _multinomial(sample)
    draws = np.sort(_means(sample, weights), axis=-1)
    below = (draws < sample.value[:, None]).mean(-1) + (draws == sample.value[:, None]).mean(-1) / 2
    bias = special.ndtri(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))
    centred = np.where(np.isnan(sample.units), 0.0, sample.units - sample.value[:, None])
    cubes, squares = (centred**3).sum(-1), np.maximum((centred**2).sum(-1), 1e-150)
    acceleration = cubes / (6 * squares**1.5)

    def adjusted(tail: float | Floats) -> Floats:
        z = bias + special.ndtri(tail)
        return special.ndtr(bias + z / np.maximum(1 - acceleration * z, 1e-6))

    def ends(tail: float | Floats) -> tuple[Floats, Floats]:
        return _quantile(draws, adjusted(tail)), _quantile(draws, adjusted(1 - tail))

    return ends


def bootstrap_t(sample: Sample) -> Ends:
    """Percentile-t bootstrap (Hall, 1988, Annals of Statistics 16, 927-953).

    Each draw's distance from the mean is taken in its own standard errors. A draw in which all
    units are alike has an infinite distance, and so may an end; the limits cut it.
    """
    weights = _multinomial(sample)
    means = _means(sample, weights)
    here = (~np.isnan(sample.units)).astype(float)
    size = np.maximum(here @ weights.T, 1)
    squares = np.maximum((sample.filled**2) @ weights.T / size - means**2, 0.0)
    error = np.sqrt(squares / np.maximum(size - 1, 1))
    distance = means - sample.value[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(error > 1e-9, distance / error, np.sign(distance) * np.inf)
    scaled = np.sort(np.where(np.abs(distance) < 1e-12, 0.0, scaled), axis=-1)
    own = np.sqrt(sample.variance / np.maximum(sample.count, 1))

    def ends(tail: float | Floats) -> tuple[Floats, Floats]:
        top = _quantile(scaled, np.broadcast_to(1 - np.asarray(tail), own.shape))
        bottom = _quantile(scaled, np.broadcast_to(np.asarray(tail), own.shape))
        low, high = np.full_like(own, -np.inf), np.full_like(own, np.inf)
        low = np.where(np.isfinite(top), sample.value - np.where(own > 0, top, 0) * own, low)
        high = np.where(
            np.isfinite(bottom), sample.value - np.where(own > 0, bottom, 0) * own, high
        )
        return low, high

    return ends


def bayes(sample: Sample) -> Ends:
    """Bayesian bootstrap (Rubin, 1981, Annals of Statistics 9, 130-134) with one prior question.

    Questions have Dirichlet(1, ..., 1) weights, among them one that was not asked, whose rates are
    Beta(1/2, 1/2) in each arm: a Dirichlet process with that base (Ferguson, 1973). It gives zero
    counts a width. The ends are quantiles of the posterior.
    """
    questions = sample.units.shape[-1]
    weights = sample.rng.standard_exponential((DRAWS, questions + 1))
    here = (~np.isnan(sample.units)).astype(float)
    prior = sample.rng.beta(0.5, 0.5, (DRAWS, len(sample.signs))) @ np.array(sample.signs, float)
    own, last = weights[:, :questions], weights[:, questions]
    draws = (sample.filled @ own.T + last * prior) / (here @ own.T + last)
    draws = np.sort(draws, axis=-1)

    def ends(tail: float | Floats) -> tuple[Floats, Floats]:
        each = np.broadcast_to(np.asarray(tail), sample.value.shape)
        return _quantile(draws, each), _quantile(draws, 1 - each)

    return ends


def _multinomial(sample: Sample) -> Floats:
    """How often each question is drawn, [DRAWS, Q]."""
    questions = sample.units.shape[-1]
    share = np.full(questions, 1 / max(questions, 1))
    return sample.rng.multinomial(questions, share, size=DRAWS).astype(float)


def _means(sample: Sample, weights: Floats) -> Floats:
    """Mean of each draw, [K, DRAWS]; the value itself where no question that entered was drawn."""
    here = (~np.isnan(sample.units)).astype(float)
    size = here @ weights.T
    total = sample.filled @ weights.T
    return np.where(size > 0, total / np.maximum(size, 1), sample.value[:, None])


def _quantile(ordered: Floats, share: Floats) -> Floats:
    """Quantile of each sorted row, [K], at a share of its own, interpolated as NumPy does."""
    place = np.clip(share, 0, 1) * (ordered.shape[-1] - 1)
    left = np.floor(place).astype(np.int64)
    right = np.minimum(left + 1, ordered.shape[-1] - 1)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, left], ordered[rows, right]
    part = place - left
    with np.errstate(invalid="ignore"):
        return np.where(part > 0, low + part * (high - low), low)
