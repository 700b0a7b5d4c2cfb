"""What the draws of answers alone leave open: the least width that an interval can have.

Questions are the unit of every interval, and a few questions can agree better than their answers
allow: one of two answers misaligned in each of sixteen questions looks like no spread at all. Yet
16 of 32 answers were drawn, and any rate from 32 to 68% gives that easily. So no interval is
narrower than that of independent answers: Clopper-Pearson's for one arm, and for a difference the
distances of its arms in quadrature (variance recovery; Donner and Zou, 2012).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dormant.stats.sample import Sample
from dormant.stats.table import Floats


def draw_distances(sample: Sample, tail: float | Floats) -> tuple[Floats, Floats]:
    """Computes how far the ends of an interval are from the mean if answers are independent.

    Args:
        sample: K means over questions.
        tail: error of each end, one for all or [K].

    Returns:
        Distances below and above the mean, both [K]; zero where no question entered.
    """
    entered = (~np.isnan(sample.units))[:, None] & (sample.answers > 0)  # [K, A, Q]
    count = entered.sum(-1)  # [K, A]
    rates = np.where(entered, sample.arms, 0.0).sum(-1) / np.maximum(count, 1)
    # A mean over questions weighs them alike: its answers count as this many drawn together.
    inverse = np.where(entered, 1 / np.where(entered, sample.answers, 1.0), 0.0).sum(-1)
    drawn = np.where(count > 0, count**2 / np.where(inverse > 0, inverse, 1.0), 0.0)
    low, high = _clopper_pearson(rates * drawn, drawn, np.asarray(tail)[..., None])
    fall, rise = rates - low, high - rates  # [K, A]
    raising = np.array(sample.signs) > 0  # arms that raise the mean as they rise
    above = np.where(raising, rise, fall)
    below = np.where(raising, fall, rise)
    return np.sqrt((below**2).sum(-1)), np.sqrt((above**2).sum(-1))


def _clopper_pearson(bad: Floats, drawn: Floats, tail: Floats) -> tuple[Floats, Floats]:
    """Exact ends for rates; the rate itself where nothing was drawn.

    Args:
        bad: misaligned answers, which need not be whole; any shape.
        drawn: answers, same shape.
        tail: error of each end, in (0, 1).
    """
    some = drawn > 0
    rate = bad / np.where(some, drawn, 1.0)
    good = drawn - bad
    low = special.betaincinv(np.maximum(bad, 1e-12), good + 1, tail)
    high = special.betaincinv(bad + 1, np.maximum(good, 1e-12), 1 - tail)
    low = np.where(some & (bad > 1e-9), low, np.where(some, 0.0, rate))
    high = np.where(some & (good > 1e-9), high, np.where(some, 1.0, rate))
    return np.minimum(low, rate), np.maximum(high, rate)
