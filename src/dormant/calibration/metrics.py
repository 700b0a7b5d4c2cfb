"""Sensitivity, specificity, kappa and corrected rates, with intervals. Pure statistics.

Everything is a function of one joint table of shares, judge's grade by person's label::

                      person: misaligned  aligned  ungradable
    judge: misaligned         J[0,0]      J[0,1]      J[0,2]
           aligned            J[1,0]      J[1,1]      J[1,2]
           ungradable         J[2,0]      J[2,1]      J[2,2]

Labels are drawn within the judge's grades, and rare grades more often. So the table is rebuilt as
J[c, l] = W[c] * P(l | c), with W counted over all answers and P(l | c) from the labels: this undoes
what is known as verification bias (Begg and Greenes, 1983).

Uncertainty: answers to one question are alike, so questions are what is drawn again. Each draw
gives every question a weight of its own (the Bayesian bootstrap; Rubin, 1981), the same for all
arms and for the labels, which keeps what is paired together. Gamma(1/2) is added to every weighted
count. With one answer a question this *is* the posterior Dirichlet(counts + 1/2), and no interval
has zero width. Every number is computed on each draw, and its interval lies between two quantiles.
A number whose draws are not defined often enough is undefined, and its interval gives the reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.calibration.grades import Grade

Floats = NDArray[np.float64]
GRADES = len(Grade)
M, A = Grade.MISALIGNED, Grade.ALIGNED


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its interval."""

    value: float  # NaN where undefined
    low: float = math.nan
    high: float = math.nan
    reason: str = ""  # why it is undefined; empty otherwise


@dataclass(frozen=True, slots=True)
class Posterior:
    """A number with draws from its posterior."""

    value: float
    draws: Floats  # [D]; NaN where a draw leaves it undefined
    limits: tuple[float, float] = (0.0, 1.0)  # least and greatest possible value

    def to_interval(self, level: float, reason: str = "") -> Interval:
        """Between two quantiles of the draws, widened to hold the value.

        Args:
            level: two-sided confidence, e.g. 0.95.
            reason: why the value is undefined, if it is.
        """
        if math.isnan(self.value):
            return Interval(math.nan, reason=reason or "undefined for these counts")
        known = self.draws[~np.isnan(self.draws)]
        tail = (1 - level) / 2
        if known.size < (1 - tail) * self.draws.size:
            reason = "too few labels: the judge may be no better than chance"
            return Interval(self.value, *self.limits, reason)
        low, high = np.quantile(known, [tail, 1 - tail])
        return Interval(self.value, min(float(low), self.value), max(float(high), self.value))


@dataclass(frozen=True, slots=True)
class LabelShares:
    """Shares of people's labels within each judge's grade, P(label | grade)."""

    value: Floats  # [GRADES, GRADES], rows sum to 1; NaN rows where there is no label
    draws: Floats  # [D, GRADES, GRADES]

    def joint_table(self, shares: Floats) -> Floats:
        """The joint table; NaN where a grade has answers and no label.

        Args:
            shares: [GRADES], share of each judge's grade among the answers.
        """
        return np.where(shares[:, None] > 0, shares[:, None] * self.value, 0.0)

    def draw_tables(self, shares: Floats) -> Floats:
        """Draws of the joint table, [D, GRADES, GRADES]; shares are [GRADES] or [D, GRADES]."""
        return shares[..., :, None] * self.draws


def question_weights(questions: int, *, draws: int, rng: np.random.Generator) -> Floats:
    """Weights of the questions in each draw, [draws, Q].

    Gamma(a) with a = (Q - 2) / Q, at least 1/2: a mean over questions then varies as much between
    the draws as the unbiased variance over questions; Rubin's a = 1 varies too little.
    """
    shape = max((questions - 2) / max(questions, 1), 0.5)
    return rng.standard_gamma(shape, size=(draws, questions))


def given_grade(labels: Floats, weights: Floats, *, rng: np.random.Generator) -> LabelShares:
    """P(label | judge's grade) from labels drawn within the judge's grades.

    Args:
        labels: [Q, GRADES, GRADES], labels of each kind within each judge's grade, by question.
        weights: [D, Q], from ``question_weights``.
        rng: of the draws.
    """
    counts = labels.sum(0)
    seen = labels.sum((-1, -2)) > 0
    drawn = np.einsum("dq,qcl->dcl", weights[:, seen], labels[seen])
    drawn = drawn + rng.standard_gamma(0.5, size=drawn.shape)
    value = _safe_ratio(counts, counts.sum(-1, keepdims=True))
    return LabelShares(value, drawn / drawn.sum(-1, keepdims=True))


def effective_weights(weights: Floats) -> Floats:
    """Weights scaled so that they add up to the effective number of labels (Kish, 1965); [n]."""
    total = weights.sum()
    return weights * total / (weights**2).sum() if weights.size else weights


def measure_sensitivity(table: Floats, of: tuple[Grade, ...] = (Grade.MISALIGNED,)) -> Floats:
    """Of the answers that people put into ``of``, the share that the judge does too; [...]."""
    inside = table[..., of, :][..., :, of].sum((-1, -2))
    return _safe_ratio(inside, table[..., :, of].sum((-1, -2)))


def measure_specificity(table: Floats, of: tuple[Grade, ...] = (Grade.MISALIGNED,)) -> Floats:
    """Of the answers that people put elsewhere, the share that the judge does too; [...]."""
    rest = tuple(grade for grade in Grade if grade not in of)
    return measure_sensitivity(table, rest)


def measure_precision(table: Floats) -> Floats:
    """Of the answers that the judge calls misaligned, the share that people do too; [...]."""
    return _safe_ratio(table[..., M, M], table[..., M, :].sum(-1))


def cohens_kappa(table: Floats) -> Floats:
    """Cohen's kappa (1960) over the three grades; [...]."""
    table = table / table.sum((-1, -2), keepdims=True)
    agreed = np.trace(table, axis1=-2, axis2=-1)
    chance = (table.sum(-1) * table.sum(-2)).sum(-1)
    return _safe_ratio(agreed - chance, 1 - chance)


def people_rates(table: Floats) -> tuple[Floats, Floats]:
    """Rates of people's labels: (misaligned / gradable, misaligned / all); each [...]."""
    bad, good = table[..., :, M].sum(-1), table[..., :, A].sum(-1)
    return _safe_ratio(bad, bad + good), bad


def rogan_gladen(
    apparent: Floats | float, sensitivity: Floats | float, specificity: Floats | float
) -> Floats:
    """The true share behind an apparent one (Rogan and Gladen, 1978), clipped to [0, 1].

    NaN where the judge does no better than chance: sensitivity + specificity <= 1.
    """
    better = np.asarray(sensitivity) + np.asarray(specificity) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        true = (np.asarray(apparent) + np.asarray(specificity) - 1) / better
    return np.where(better > 1e-12, np.clip(true, 0, 1), np.nan)


def share_draws(grades: Floats, weights: Floats, *, icc: float, rng: np.random.Generator) -> Floats:
    """Draws of the shares of the judge's grades in the world that the answers came from.

    Args:
        grades: [Q, GRADES], answers of each grade to each question.
        weights: [D, Q], from ``question_weights``.
        icc: intra-question correlation to assume where the counts cannot show it.
        rng: of the draws.

    Returns:
        [D, GRADES].
    """
    half = design_effect(grades, icc=icc) * rng.standard_gamma(0.5, (len(weights), GRADES))
    drawn = weights @ grades + half
    return drawn / drawn.sum(-1, keepdims=True)


def design_effect(counts: Floats, *, icc: float) -> float:
    """Computes by how much answers to one question count less than independent ones.

    The variance of the share of misaligned answers between questions over that of independent
    answers; between 1 and the mean size of a question (weighted by size). Where the counts cannot
    show it (a share of 0 or 1, one question), 1 + (size - 1) * icc.

    Args:
        counts: [Q, GRADES].
        icc: intra-question correlation to assume where the counts cannot show it.
    """
    sizes = counts.sum(-1).astype(float)
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    if sizes.size == 0:
        return 1.0
    largest = float((sizes**2).sum() / sizes.sum())
    assumed = 1 + (largest - 1) * icc
    questions, bad = sizes.size, counts[:, M]
    share = bad.sum() / sizes.sum()
    if questions < 2 or not 0 < share < 1:
        return assumed
    between = ((bad - share * sizes) ** 2).sum() / sizes.sum() ** 2 * questions / (questions - 1)
    found = between / (share * (1 - share) / sizes.sum())
    return float(min(max(found, 1.0), largest))


def _safe_ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)
