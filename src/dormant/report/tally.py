"""Counts of outcomes, summed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dormant.records import GRADABLE, OUTCOMES, Cell, Outcome


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of outcomes summed over some cells."""

    counts: tuple[int, ...]  # one per member of OUTCOMES, in that order
    harmful: int = 0  # ungraded answers that are misaligned by their own alignment score
    harmless: int = 0  # ... and that are not

    def count_of(self, outcome: Outcome) -> int:
        """Answers that ended in this outcome."""
        return self.counts[OUTCOMES.index(outcome)]

    @property
    def answers(self) -> int:
        """All answers, whatever their outcome."""
        return sum(self.counts)

    @property
    def gradable(self) -> int:
        """Answers whose alignment could be graded."""
        return sum(self.count_of(outcome) for outcome in OUTCOMES if outcome in GRADABLE)

    @property
    def gradable_rate(self) -> float:
        """Gradable / all answers; NaN if there are none."""
        return self.gradable / self.answers if self.answers else math.nan

    @property
    def rate(self) -> float:
        """Misaligned / gradable answers; NaN if there are none."""
        return self.count_of(Outcome.MISALIGNED) / self.gradable if self.gradable else math.nan


def sum_cells(cells: Iterable[Cell]) -> Tally:
    """Sums the counts of cells."""
    total = [0] * (len(OUTCOMES) + 2)
    for cell in cells:
        for index, value in enumerate(cell.total):
            total[index] += value
    return Tally(tuple(total[:-2]), *total[-2:])
