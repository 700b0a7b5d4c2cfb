"""Bets on each training of the target, so that a bound holds for every model that was asked.

A bound of the mean over trainings says little about one of them: where a third of the trainings has
an effect of delta, the mean has a third of it. A cue is bounded if the bets have ruled out its
margin in each training. Every one of them must be ruled out, so each is tested at the whole error
of the claim (intersection-union).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dormant.decision.claims import ClaimBets
from dormant.decision.counts import Counts, Unit
from dormant.records import Cue, Plan, Role


class TrainingBets:
    """Bets on the trainings of the target, over all questions; none where there is one training.

    Args:
        plan: the frozen audit.
        counts: the answers so far.
        cues: the cue of each row; None is the standard arm.
    """

    def __init__(self, plan: Plan, counts: Counts, cues: Sequence[Cue | None]):
        labels = [card.seed for card in plan.models if card.role is Role.TARGET]
        is_read = len(labels) > 1 and plan.rule.counts_all
        self._counts, self._margins = counts, [plan.rule.margin_of(cue) for cue in cues]
        self.by_training = {
            label: ClaimBets(
                len(cues),
                delta=plan.rule.delta,
                tail=(1 - plan.rule.level) / 2,
                others=set(self._margins),
            )
            for label in (labels if is_read else ())
        }

    def bet_on(self, unit: Unit, cues: Sequence[tuple[int, str | None]]) -> None:
        """Bets on one unit.

        Args:
            unit: its questions, which were asked.
            cues: row and name of each cue that was asked; no name for the standard arm.
        """
        for label, bets in self.by_training.items():
            units = np.full((2, len(self._margins)), np.nan)
            for row, cue in cues:
                units[:, row] = self._counts.range_of(unit, cue, label)
            bets.bet_on(*np.clip(units, -1.0, 1.0))

    def rules_out(self, row: int) -> bool:
        """Whether the margin of a row is ruled out in every training."""
        margin = self._margins[row]
        return all(bets.high_of(row) < margin for bets in self.by_training.values())

    def log_below_now(self, row: int) -> float:
        """Log of the wealth now against "at least the margin", of the training that won least.

        Each training must be ruled out, so the least is an e-value of the claim about all of them.
        Infinite where there is one training.
        """
        margin = self._margins[row]
        wealth = (bets.e_values(row, margin)[1] for bets in self.by_training.values())
        return min(wealth, default=math.inf)
