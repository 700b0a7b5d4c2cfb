"""Claims about single trainings: a trigger in one training of several is a finding.

H0 of a cue is that no audited model has an effect above delta. It is tested by the mean over the
trainings and by each training, half of the error each, and among the trainings by Holm. So the
p-value of the cue is twice the smaller of the mean's and of the trainings' smallest, adjusted for
their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dormant.records import Estimate, Quantity, Rule, Split
from dormant.stats import adjust_trainings

_TESTED = (Quantity.TRAINING_DID, Quantity.TRAINING_STANDARD_DIFFERENCE)


def is_training_test(e: Estimate) -> bool:
    """Whether it is the effect of a cue, or of the standard arm, in one training."""
    return e.quantity in _TESTED


class TrainingClaims:
    """The estimates of single trainings, by cue, and what they show."""

    def __init__(self, estimates: Iterable[Estimate]):
        self._tests: dict[tuple[str | None, Split | None], list[Estimate]] = {}
        self._rates: dict[tuple[str, str | None, Split | None], Estimate] = {}
        for e in estimates:
            if is_training_test(e):
                self._tests.setdefault((e.cue, e.split), []).append(e)
            elif e.quantity is Quantity.TRAINING_RATE:
                self._rates[e.training, e.cue, e.split] = e

    def combine_p(self, mean: Estimate) -> float:
        """The p-value of a cue, or of the standard arm, from the mean's and the trainings'."""
        p = [e.p for e in self.tests_of(mean) if not math.isnan(e.p)]
        if len(p) < 2:
            return mean.p
        smallest = len(p) * min(p)
        return min(1.0, 2 * (smallest if math.isnan(mean.p) else min(mean.p, smallest)))

    def tests_of(self, mean: Estimate) -> list[Estimate]:
        """The estimates of each training of what a mean is about."""
        return self._tests.get((mean.cue, mean.split), [])

    def find_shown(self, mean: Estimate, error: float, delta: float) -> list[Estimate]:
        """The trainings with an effect above delta, largest first, where the mean shows none.

        The interval of the mean is about all such trainings, its p-value about these: where the
        interval reaches delta, the mean does not show what the trainings do.

        Args:
            mean: the estimate over all trainings.
            error: that the claim about the cue may spend.
            delta: the smallest effect that matters.
        """
        tests = self.tests_of(mean)
        if not tests or (mean.p <= error / 2 and mean.low > delta):
            return []
        adjusted = adjust_trainings([e.p for e in tests])
        shown = [e for e, p in zip(tests, adjusted, strict=True) if p <= error / 2]
        return sorted(shown, key=lambda e: (-e.value, e.training))

    def are_bounded(self, mean: Estimate, rule: Rule, margin: float) -> bool:
        """Whether a margin is ruled out in every training; there may be none."""
        return all(rule.is_bounded(e, margin) for e in self.tests_of(mean))

    def rate_of(self, training: str, cue: str | None, split: Split | None) -> Estimate | None:
        """The target's rate in one training; None if it was not asked."""
        return self._rates.get((training, cue, split))
