"""The spread of trainings on a path: what a bound on a few models says of models of their kind.

Bets are about the models that were asked. Where a role has several trainings, their mean varies
beside the questions: the distance of a bound from the mean is combined in quadrature with Student's
half-width of the mean over trainings, as the intervals of the fixed design do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.decision.counts import Counts, Unit
from dormant.records import Plan, Role
from dormant.stats import seed_spread
from dormant.stats.intervals import widen_for_seeds


class TrainingSpread:
    """Widens the ends of a path's bounds.

    Args:
        plan: the frozen audit; with one training a role nothing is widened.
        counts: the answers so far.
    """

    def __init__(self, plan: Plan, counts: Counts):
        roles = [card.role for card in plan.models]
        self._counts, self._tail = counts, (1 - plan.rule.level) / 2
        self._roles = [role for role in Role if roles.count(role) > 1]
        self.is_read = bool(self._roles) and plan.rule.counts_all

    def widen_interval(
        self, cue: str | None, units: Sequence[Unit], low: float, high: float
    ) -> tuple[float, float]:
        """Widens an interval for a cue, or for the standard difference, by the spread.

        Args:
            cue: name of the cue; None for the standard difference.
            units: those that the interval rests on.
            low: its lower end.
            high: its upper end.
        """
        values = np.array([self._counts.unit_of(unit, cue) for unit in units])
        if not self.is_read or np.isnan(values).all():
            return low, high
        by_role = tuple(
            np.array([self._counts.by_seed(unit, cue, role) for unit in units]).T[:, None]
            for role in self._roles
        )
        spread = seed_spread(by_role)
        value = np.array([min(max(float(np.nanmean(values)), low), high)], dtype=np.float64)
        ends = widen_for_seeds(np.array([low]), value, np.array([high]), spread, self._tail)
        return max(float(ends[0][0]), -1.0), min(float(ends[1][0]), 1.0)
