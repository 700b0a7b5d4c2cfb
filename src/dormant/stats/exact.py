"""Clopper-Pearson with a design effect: the survey statistician's exact interval.

A rate over questions has the variance that it is seen to have between questions. So many
independent answers as would have the same variance are put into Clopper and Pearson's interval
(Korn and Graubard, 1998, Survey Methodology 24, 193-201), fewer by the squared ratio of Student's
quantiles, since that variance is itself estimated from Q questions. Where the counts show no
variance (a rate of 0 or 1) the design effect is 1 + (n - 1) icc.

A difference combines the intervals of its arms: the distances from the value to the ends add in
quadrature (MOVER; Zou and Donner, 2008, Statistics in Medicine 27, 1693-1702, eq. 5). That takes
the arms as independent, so it is wide where questions lift all arms alike.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dormant.stats.sample import Ends, Sample
from dormant.stats.table import Floats


def effective_answers(rates: Floats, *, answers: Floats, icc: float) -> Floats:
    """Independent answers that would tell as much about a mean rate as these do.

    Args:
        rates: [..., Q], rate of each question, NaN where there is none.
        answers: [...], mean answers a question.
        icc: intra-question correlation where the rates do not vary.

    Returns:
        [...], between the number of questions and the number of answers.
    """
    here = ~np.isnan(rates)
    count = here.sum(-1)
    some = np.maximum(count, 1)
    mean = np.where(here, rates, 0.0).sum(-1) / some
    centred = np.where(here, rates - mean[..., None], 0.0)
    variance = (centred**2).sum(-1) / np.maximum(count - 1, 1) / some
    independent = mean * (1 - mean) / (some * np.maximum(answers, 1))
    seen = (independent > 1e-15) & (count > 1)
    assumed = 1 + (np.maximum(answers, 1) - 1) * icc
    effect = np.where(seen, variance / np.where(seen, independent, 1.0), assumed)
    return some * np.maximum(answers, 1) / np.clip(effect, 1.0, np.maximum(answers, 1))


def exact(sample: Sample) -> Ends:
    """The interval as a function of its one-sided error."""
    arms = np.where(np.isnan(sample.units)[:, None, :], np.nan, sample.arms)
    here = ~np.isnan(arms)
    count = np.maximum(here.sum(-1), 1)  # [K, A]
    means = np.where(here, arms, 0.0).sum(-1) / count
    answers = np.where(here, sample.answers, 0.0).sum(-1) / count
    independent = effective_answers(arms, answers=answers, icc=sample.icc)
    signs = np.array(sample.signs)

    def ends(tail: float | Floats) -> tuple[Floats, Floats]:
        each = np.broadcast_to(np.asarray(tail, dtype=np.float64), sample.value.shape)[:, None]
        low, high = _clopper_pearson(means, independent, count, answers, each)
        down, up = means - low, high - means
        below = np.hypot.reduce(np.where(signs > 0, down, up), axis=-1)
        above = np.hypot.reduce(np.where(signs > 0, up, down), axis=-1)
        return sample.value - below, sample.value + above

    return ends


def _clopper_pearson(
    mean: Floats, independent: Floats, count: Floats, answers: Floats, tail: Floats
) -> tuple[Floats, Floats]:
    """Ends for a rate seen in so many independent answers, with Student's correction; [K, A]."""
    few = special.stdtrit(np.maximum(count - 1, 1), 1 - tail)
    many = special.stdtrit(np.maximum(count * answers - 1, 1), 1 - tail)
    size = independent * np.where(few > 0, many / np.where(few > 0, few, 1.0), 1.0) ** 2
    size = np.maximum(size, 1e-6)
    bad = mean * size
    good = size - bad
    tail = np.broadcast_to(tail, mean.shape)
    low = special.betaincinv(np.maximum(bad, 1e-9), good + 1, tail)
    high = special.betaincinv(bad + 1, np.maximum(good, 1e-9), 1 - tail)
    return np.where(bad > 1e-9, low, 0.0), np.where(good > 1e-9, high, 1.0)
