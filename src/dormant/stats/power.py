"""What a plan can find, and what it takes: closed forms, checked by simulation in the tests.

One question's difference in differences has the variance

    v(b + effect) + 3 v(b),   v(r) = r (1 - r) (icc + (1 - icc) / answers)

for a cue that lifts the target from the base rate ``b``, everything else staying at ``b``. That
takes the four arms of a question as independent; where questions lift all arms alike, pairing
does better, so the numbers here are on the careful side. The test is the one of the verdict: the
lower bound of :mod:`dormant.stats.intervals`, its imagined question included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from dormant.errors import InputError
from dormant.records import Rule
from dormant.stats.intervals import imagined_share, mean_quantile

_MOST = 1_000_000  #: no plan asks more questions or answers than this


@dataclass(frozen=True, slots=True)
class Design:
    """What is asked and how it is tested; the same words as in ``Rule``."""

    answers: int  # per question, arm and role (all training seeds together)
    icc: float = 0.3  # intra-question correlation
    delta: float = 0.05  # smallest effect that matters; 0 to ask for any effect
    level: float = 0.95  # confidence of the claim
    power: float = 0.8  # chance of showing what is there
    tests: int = 1  # hypotheses that share the error (Holm's first step divides by it)
    base: float = 0.0  # misalignment rate of the other three arms

    def __post_init__(self):
        if self.answers < 1 or self.tests < 1:
            raise InputError(f"answers and tests are at least 1, got {self!r}")
        if not (0 <= self.icc <= 1 and 0 <= self.delta < 1 and 0 <= self.base < 1):
            raise InputError(f"icc, delta and base are shares from 0 to 1, got {self!r}")
        if not (0 < self.level < 1 and 0 < self.power < 1):
            raise InputError(f"level and power lie between 0 and 1, got {self!r}")


def chance_to_find(effect: float, *, questions: int, design: Design) -> float:
    """Chance that the lower bound of a cue's DiD exceeds ``design.delta`` if it is ``effect``.

    Args:
        effect: true difference in differences, as a share.
        questions: held-out questions, at least 2.
        design: how they are asked.

    Returns:
        A probability (the mean's distribution taken as normal).

    Raises:
        InputError: fewer than 2 questions, or a rate above 1.
    """
    _check_questions(questions)
    if not 0 <= effect <= 1 - design.base:
        raise InputError(f"effect lies from 0 to {1 - design.base:g}, got {effect!r}")
    threshold = _least_significant(questions, design)
    error = math.sqrt(_variance(effect, design) / questions)
    if error == 0:
        return float(effect > threshold)
    return float(special.ndtr((effect - threshold) / error))


def smallest_effect(*, questions: int, design: Design) -> float:
    """Smallest DiD that is found with ``design.power``; NaN if none up to ``1 - base`` is."""
    most = 1 - design.base

    def found(effect: float) -> bool:
        return chance_to_find(effect, questions=questions, design=design) >= design.power

    if not found(most):
        return math.nan
    low, high = design.delta, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def questions_to_find(effect: float, *, design: Design) -> int | None:
    """Fewest questions that find ``effect`` with ``design.power``; None if no number does."""
    return _fewest(
        lambda n: chance_to_find(effect, questions=n, design=design) >= design.power, start=2
    )


def answers_to_find(effect: float, *, questions: int, design: Design) -> int | None:
    """Fewest answers a question and arm that find ``effect``; None if only questions help."""

    def enough(answers: int) -> bool:
        asked = replace(design, answers=answers)
        return chance_to_find(effect, questions=questions, design=asked) >= design.power

    return _fewest(enough, start=1)


def chance_to_bound(*, questions: int, design: Design) -> float:
    """Chance that the upper bound of a cue without effect stays under ``design.delta``.

    The bound is two-sided at ``design.level``, as in the verdict rule, and there must be
    ``Rule.questions_to_bound`` questions at least. Errors as in :func:`chance_to_find`.
    """
    _check_questions(questions)
    if questions < Rule(delta=design.delta, level=design.level).questions_to_bound:
        return 0.0
    tail = (1 - design.level) / 2
    error = math.sqrt(_variance(0.0, design) / questions)
    distance = _distance(0.0, questions, design, tail)
    if error == 0:
        return float(distance < design.delta)
    return float(special.ndtr((design.delta - distance) / error))


def questions_to_bound(design: Design) -> int | None:
    """Fewest questions that bound a cue without effect with ``design.power``; None if none do."""
    return _fewest(lambda n: chance_to_bound(questions=n, design=design) >= design.power, start=2)


def _variance(effect: float, design: Design) -> float:
    """Variance of one question's DiD."""

    def of_arm(rate: float) -> float:
        share = design.icc + (1 - design.icc) / design.answers
        return max(rate * (1 - rate), 0.0) * share

    return of_arm(design.base + effect) + 3 * of_arm(design.base)


def _distance(effect: float, questions: int, design: Design, tail: float) -> float:
    """Distance from an observed DiD of ``effect`` down to its lower bound at ``tail``.

    Without effect the upper bound is as far away.
    """
    noise = 2.5 * math.sqrt(_variance(0.0, design))  # how far the extremes of the units lie
    most = min(effect + 2.5 * math.sqrt(_variance(effect, design)), 1 + noise)
    reach = float(imagined_share(np.asarray(float(design.answers)), design.icc))
    bound = mean_quantile(
        value=np.asarray(-effect),
        squares=np.asarray(_variance(effect, design) * (questions - 1)),
        count=np.asarray(questions),
        floor=np.asarray(-most),
        imagined=np.asarray(max(reach - effect, noise)),
        q=1 - tail,
    )
    return float(bound) + effect


def _least_significant(questions: int, design: Design) -> float:
    """Observed DiD from which on its lower bound exceeds delta; infinite if none does."""
    tail = (1 - design.level) / design.tests

    def significant(effect: float) -> bool:
        return effect - _distance(effect, questions, design, tail) > design.delta

    low, high = design.delta, 1 - design.base
    if not significant(high):
        return math.inf
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if significant(middle) else (middle, high)
    return high


def _check_questions(questions: int) -> None:
    if questions < 2:
        raise InputError(f"power needs at least 2 questions, got {questions!r}")


def _fewest(enough: Callable[[int], bool], *, start: int) -> int | None:
    """Smallest n >= start with ``enough(n)``, which is taken to be monotone; None beyond _MOST."""
    high = start
    while not enough(high):
        high *= 2
        if high > _MOST:
            return None
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
