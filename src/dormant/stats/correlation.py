"""Intra-question correlation of misaligned answers, estimated with an interval.

The analysis-of-variance estimator for binary answers (Ridout, Demetrio and Firth, 1999, Biometrics
55, 137-148): with N answers to Q questions, n_0 = (N - sum n_q^2 / N) / (Q - 1),

    icc = (MSB - MSW) / (MSB + (n_0 - 1) MSW)

Several arms are pooled by adding their sums of squares. The interval deletes one question at a
time, with all of its arms, on Fisher's scale z = log((1 + (n_0 - 1) icc) / (1 - icc)) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from dormant.errors import InputError
from dormant.stats.table import Floats, Ints

_NEAREST = 1 - 1e-9  #: on Fisher's scale 1 is infinitely far


@dataclass(frozen=True, slots=True)
class Correlation:
    """An intra-question correlation."""

    value: float  # NaN where the counts do not show one; may be negative by chance
    low: float  # from 0
    high: float  # to 1
    questions: int
    reason: str = ""  # why the value is NaN; empty otherwise


def intraclass_correlation(misaligned: Ints, answers: Ints, *, level: float = 0.95) -> Correlation:
    """Estimates the correlation between two answers to the same question in the same arm.

    Args:
        misaligned: [..., Q] counts; leading axes are arms, pooled.
        answers: [..., Q] counts; zero where a question was not asked.
        level: two-sided confidence.

    Raises:
        InputError: shapes differ, or a count is negative or larger than the number of answers.
    """
    bad, size = np.atleast_2d(misaligned), np.atleast_2d(answers)
    if bad.shape != size.shape or (bad < 0).any() or (bad > size).any():
        raise InputError(
            f"misaligned and answers must be counts of one shape, misaligned at most answers: got "
            f"{bad.shape} and {size.shape}"
        )
    bad, size = (x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (bad, size))
    asked = size.sum(0) > 0
    bad, size = bad[:, asked], size[:, asked]
    questions = int(asked.sum())
    value, typical = _anova_icc(bad, size)
    if math.isnan(value):
        return Correlation(math.nan, 0.0, 1.0, questions, _explain_undefined(bad, size, questions))
    leave_one_out = [
        _anova_icc(np.delete(bad, q, 1), np.delete(size, q, 1))[0] for q in range(questions)
    ]
    low, high = _jackknife_interval(value, np.array(leave_one_out), typical, level)
    return Correlation(value, min(low, max(value, 0.0)), max(high, value), questions)


def _explain_undefined(bad: Floats, size: Floats, questions: int) -> str:
    if questions < 2:
        return f"needs at least 2 questions, got {questions}"
    if not (size > 1).any():
        return "needs at least 2 answers to a question"
    kind = "misaligned" if bad.sum() > 0 else "aligned"
    return f"every answer is {kind}: the correlation is undefined"


def _anova_icc(bad: Floats, size: Floats) -> tuple[float, float]:
    """(icc, n_0), pooled over arms [A, Q]; NaN where there is no variance."""
    count = (size > 0).sum(-1)
    use = count > 1
    bad, size, count = bad[use], size[use], count[use]
    total = size.sum(-1)
    if not use.any() or not (total > count).any():
        return math.nan, math.nan
    mean = (bad.sum(-1) / total)[:, None]
    share = bad / np.maximum(size, 1)
    between = (size * (share - mean) ** 2).sum() / (count - 1).sum()
    within = (size * share * (1 - share)).sum() / (total - count).sum()
    typical = (total - (size**2).sum(-1) / total).sum() / (count - 1).sum()
    bottom = between + (typical - 1) * within
    return (float((between - within) / bottom) if bottom > 0 else math.nan), float(typical)


def _jackknife_interval(
    value: float, leave_one_out: Floats, typical: float, level: float
) -> tuple[float, float]:
    def scale_icc(icc: Floats) -> Floats:
        icc = np.clip(icc, -(1 / max(typical - 1, 1e-9)) + 1e-9, _NEAREST)
        return np.log((1 + (typical - 1) * icc) / (1 - icc)) / 2

    known = leave_one_out[~np.isnan(leave_one_out)]
    count = len(known)
    if count < len(leave_one_out) or count < 2:  # one question carries all that is seen
        return 0.0, 1.0
    z = float(scale_icc(np.array([value]))[0])
    spread = (count - 1) / count * ((scale_icc(known) - scale_icc(known).mean()) ** 2).sum()
    half = float(special.stdtrit(count - 1, (1 + level) / 2)) * math.sqrt(float(spread))
    low, high = (np.exp(2 * (z + side * half)) for side in (-1, 1))
    ends = ((e - 1) / (e + typical - 1) for e in (low, high))
    low, high = (min(max(float(x), 0.0), 1.0) for x in ends)
    return low, high
