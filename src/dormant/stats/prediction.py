"""Prediction-powered rates: a few people's labels correct a judge that graded everything.

With the judge's grade f of every answer and people's labels y of some,

    rate(power) = power * mean(f) + mean over the labelled of (y - power * f)

(Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, 2023, Science 382, 669-674, for power 1;
Angelopoulos, Duchi and Zrnic, 2023, PPI++, arXiv 2311.01453, eqs. 2 and 10, for the power that
makes the variance least). It is unbiased whatever the judge's errors are. Labels may be drawn with
unequal chances: their weights are the inverses.

Two things are added. Answers to one question are alike, so the variance is that of the questions'
influences, and the power is chosen for it. And the rate is a ratio, misaligned over gradable, whose
influence is that of its linear form. A rule of three (distance -log(tail) / labels, in quadrature)
keeps a width where no label disagrees with the judge; it fades as one over one more than the labels
that do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from dormant.errors import InputError
from dormant.stats.table import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class GradedAnswers:
    """Grades of answers, one entry an answer."""

    question: Ints  # [N], 0-based; the same numbers in all arms that are compared
    bad: Floats  # [N], 1 where misaligned
    gradable: Floats  # [N], 1 where alignment could be graded at all


@dataclass(frozen=True, slots=True, eq=False)
class PoweredRate:
    """A corrected rate, with what is needed to compare it with others."""

    value: float  # NaN where undefined
    low: float
    high: float
    power: float  # 0: the labels alone; 1: the judge, corrected by its mean error
    labels: int
    influence: Floats  # [Q], of each question on the value
    floor: float  # the rule of three's distance at one log unit: 1 / effective labels, or less
    level: float
    reason: str = ""  # why the value is NaN; empty otherwise


def prediction_powered(
    judged: GradedAnswers,
    judged_labelled: GradedAnswers,
    people: GradedAnswers,
    *,
    questions: int,
    weights: Floats | None = None,
    level: float = 0.95,
    power: float | None = None,
) -> PoweredRate:
    """Estimates the rate misaligned / gradable as people would grade it.

    Args:
        judged: the judge's grades of all answers of an arm.
        judged_labelled: the judge's grades of those that have a label.
        people: the labels of the same answers, in the same order.
        questions: number of questions that ``question`` counts.
        weights: [n], inverse chance of each label to be drawn; None for equal ones.
        level: two-sided confidence.
        power: 0 to 1; None for the one with the least variance.

    Raises:
        InputError: labels and their grades differ in number, or the power is out of range.
    """
    count = len(people.bad)
    if len(judged_labelled.bad) != count:
        raise InputError(
            f"{count} labels but {len(judged_labelled.bad)} grades of the same answers"
        )
    if power is not None and not 0 <= power <= 1:
        raise InputError(f"power must be from 0 to 1, got {power!r}")
    weights = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(np.unique(people.question)) < 2 or not judged.gradable.any():
        nan = math.nan
        why = "fewer than 2 questions have labels, or the judge can grade no answer"
        nothing = np.full(questions, nan)
        return PoweredRate(nan, nan, nan, nan, count, nothing, nan, level, why)
    parts = _Parts(judged, judged_labelled, people, weights, questions)
    if power is None:
        power = parts.best_power(parts.powered_rate(1.0))
    value = parts.powered_rate(power)
    if math.isnan(value):
        power, value = 0.0, parts.powered_rate(0.0)
    influence = parts.question_influence(value, power)
    found = PoweredRate(value, value, value, power, count, influence, parts.rule_of_three(), level)
    return powered_difference([found], [1], limits=(0.0, 1.0))


def powered_difference(
    rates: Sequence[PoweredRate], signs: Sequence[int], *, limits: tuple[float, float]
) -> PoweredRate:
    """Estimates a signed sum of rates, paired by question.

    Args:
        rates: of arms with the same numbering of questions.
        signs: +1 or -1 for each.
        limits: where the sum can be at all.
    """
    value = sum(s * r.value for s, r in zip(signs, rates, strict=True))
    level, labels = rates[0].level, sum(r.labels for r in rates)
    power = rates[0].power if len(rates) == 1 else math.nan
    influence = np.sum([s * r.influence for s, r in zip(signs, rates, strict=True)], axis=0)
    if math.isnan(value):
        why = next(r.reason for r in rates if math.isnan(r.value))
        return PoweredRate(
            math.nan, math.nan, math.nan, power, labels, influence, math.nan, level, why
        )
    entered = int((influence != 0).sum())
    tail = (1 - level) / 2
    spread = (influence**2).sum() * entered / max(entered - 1, 1)
    half = float(special.stdtrit(max(entered - 1, 1), 1 - tail)) * math.sqrt(float(spread))
    floor = math.sqrt(sum(r.floor**2 for r in rates))
    half = math.hypot(half, -math.log(tail) * floor)
    low, high = max(value - half, limits[0]), min(value + half, limits[1])
    value = min(max(value, limits[0]), limits[1])
    return PoweredRate(
        value, min(low, value), max(high, value), power, labels, influence, floor, level
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    judged: GradedAnswers
    judged_labelled: GradedAnswers
    people: GradedAnswers
    weights: Floats
    questions: int

    def powered_rate(self, power: float) -> float:
        bad, gradable = (self._corrected_share(name, power) for name in ("bad", "gradable"))
        return bad / gradable if gradable > 0 else math.nan

    def _corrected_share(self, name: str, power: float) -> float:
        """Share of all answers, corrected."""
        every = float(np.mean(getattr(self.judged, name)))
        error = getattr(self.people, name) - power * getattr(self.judged_labelled, name)
        return power * every + float((self.weights * error).sum() / self.weights.sum())

    def question_influence(self, rate: float, power: float) -> Floats:
        """Influence of each question on the rate, [Q]."""
        people, judge = self._influence_slopes(rate)
        return (people + power * judge) / self._corrected_share("gradable", power)

    def rule_of_three(self) -> float:
        """Distance of the rule of three at one log unit."""
        differ = (self.people.bad != self.judged_labelled.bad) | (
            self.people.gradable != self.judged_labelled.gradable
        )
        effective = float(self.weights.sum() ** 2 / (self.weights**2).sum())
        return 1 / effective / (1 + float(differ.mean()) * effective)

    def best_power(self, rate: float) -> float:
        """Least variance of the linear form (people + power * judge) over questions."""
        if math.isnan(rate):
            return 0.0
        people, judge = self._influence_slopes(rate)
        bottom = float((judge**2).sum())
        return min(max(-float((people * judge).sum()) / bottom, 0.0), 1.0) if bottom > 0 else 1.0

    def _influence_slopes(self, rate: float) -> tuple[Floats, Floats]:
        """Influence of each question at power 0, and what each unit of power adds; [Q] each."""
        every, graded, labelled_units = (
            g.bad - rate * g.gradable for g in (self.judged, self.judged_labelled, self.people)
        )
        own = self.weights / self.weights.sum()
        people = self._sum_by_question(
            self.people, own * (labelled_units - (own * labelled_units).sum())
        )
        correction = self._sum_by_question(self.people, own * (graded - (own * graded).sum()))
        rest = self._sum_by_question(self.judged, (every - every.mean()) / len(every))
        return people, rest - correction

    def _sum_by_question(self, graded: GradedAnswers, values: Floats) -> Floats:
        sums = np.bincount(graded.question, values, minlength=self.questions)
        return sums.astype(np.float64)  # without answers NumPy counts in integers
