"""The pseudo-observation: how bad a question that was not asked could plausibly be.

A pseudo-observation is a value that is added to those that were observed before anything is
computed, as Agresti and Coull (1998) add two successes and two failures, or as a prior does; it is
no jackknife pseudo-value. Here the question is the unit, and one question is added at each end.

Pick a misaligned answer at random. The share of misaligned answers in its question is on average
E[u^2] / E[u], the size-biased mean of the rates u. Each question estimates it by
(k - 1) / (n - 1), weighted by its rate. Kish's effective number of such questions is joined by a
few unseen ones, whose share is assumed: without misaligned answers the assumption decides, and many
misaligned answers in as many questions outweigh it.

*A rate* assumes that whole questions are misaligned: the bound is honest whatever the
intra-question correlation. *A difference*, on which verdicts rest, assumes the plan's
``icc`` and is never narrower than that; with fewer than 24 questions, whole questions as well. How
many questions are added was chosen by simulation (docs/reference/statistics.md).
"""

from __future__ import annotations

import numpy as np

from dormant.stats.intervals import expected_share
from dormant.stats.sample import Sample
from dormant.stats.table import Bools, Floats

_JOINED = 2.0  #: unseen questions that are added, where enough were asked
_FEW = 32.0  #: divided by Q: unseen questions for a rate, if that is more
_FEW_PAIRED = 48.0  #: the same for a difference


def pseudo_units(sample: Sample) -> tuple[Floats, Floats]:
    """Computes the greatest and the least plausible unit of an unseen question, both [K]."""
    entered = ~np.isnan(sample.units)  # [K, Q]
    rates = np.where(entered[:, None], sample.arms, np.nan)  # [K, A, Q]
    up = _size_biased(rates, sample, entered)
    down = _size_biased(1 - rates, sample, entered)
    if len(sample.signs) == 1:
        return up[:, 0], 1 - down[:, 0]
    reach = expected_share(sample.typical, sample.icc)
    mean = _entered_mean(np.nan_to_num(rates), entered[:, None])  # [K, A], as up and down
    rise, fall = up - mean, mean - (1 - down)  # how far an arm can be from its mean
    raising = np.array(sample.signs) > 0  # [A], arms that raise the difference as they rise
    above = np.where(raising, rise, fall).max(-1)
    below = np.where(raising, fall, rise).max(-1)
    return sample.value + np.maximum(above, reach), sample.value - np.maximum(below, reach)


def _size_biased(rates: Floats, sample: Sample, entered: Bools) -> Floats:
    """Expected share of a question that shows one such answer, for each arm [K, A]."""
    share, answers = np.nan_to_num(rates), sample.answers  # [K, A, Q]
    total = share.sum(-1)
    weights = share / np.where(total > 0, total, 1.0)[..., None]
    # Given one such answer, the share of such answers among the question's others.
    others = np.maximum(answers - 1, 1e-9)
    rest = np.where(answers > 1, np.clip((share * answers - 1) / others, 0, 1), 1.0)
    # Kish's effective number of the questions that show such answers.
    squares = (weights**2).sum(-1)
    effective = np.where(total > 0, 1 / np.where(squares > 0, squares, 1.0), 0.0)
    joined, assumed = _assumed_questions(sample)
    seen = (weights * rest).sum(-1) * effective
    found = (seen + (joined * assumed)[:, None]) / (effective + joined[:, None])
    # The answer itself, and the others of a typical question.
    typical = np.maximum(_entered_mean(answers, entered[:, None]), 1)
    return (1 + (typical - 1) * found) / typical


def _assumed_questions(sample: Sample) -> tuple[Floats, Floats]:
    """How many questions join, and the mean share that they are assumed to have, both [K]."""
    count = np.maximum(sample.count, 1)
    if len(sample.signs) == 1:
        joined = np.maximum(_JOINED, _FEW / count)
        return joined, np.ones(len(joined))
    joined = np.maximum(_JOINED, _FEW_PAIRED / count)
    return joined, (_JOINED * sample.icc + (joined - _JOINED)) / joined


def _entered_mean(values: Floats, where: Bools) -> Floats:
    """Mean over the questions that entered."""
    return np.where(where, values, 0.0).sum(-1) / np.maximum(where.sum(-1), 1)
