"""Whether a cue can be graded, shown on a path: each arm survives, and all survive alike.

A finding is a claim of two parts: the cue raises misalignment, and enough answers of its arms can
be graded, equally enough, for that to mean something. On a path both are shown by bets at the same
error, for a few questions say little about either. All parts of the second must hold, so each is
tested at the error of the claim and no correction is due (intersection-union).

Units are shares of a question: ``2 survival - 1`` against ``2 min_survival - 1`` for each arm, and
the difference of two arms' survival against ``max_survival_gap`` for each ordered pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from dormant.records import Rule
from dormant.stats.betting import Bets


class Gradability:
    """Bets on the survival of a few arms.

    Args:
        arms: how many.
        rule: its ``min_survival`` and ``max_survival_gap``.
    """

    def __init__(self, arms: int, rule: Rule):
        self._pairs = list(permutations(range(arms), 2))
        tail = (1 - rule.level) / 2
        # What every share satisfies needs no proof.
        self._survive = (
            Bets(arms, delta=2 * rule.min_survival - 1, tail=tail, interval=False)
            if 0 < rule.min_survival < 1
            else None
        )
        self._alike = (
            Bets(len(self._pairs), delta=rule.max_survival_gap, tail=tail, interval=False)
            if rule.max_survival_gap < 1
            else None
        )

    def add_question(self, shares: Sequence[float]) -> None:
        """One question: the gradable share of each arm, NaN where it was not asked."""
        seen = np.asarray(shares, dtype=float)
        if self._survive is not None:
            self._survive.bet_on(2 * seen - 1)
        if self._alike is not None:
            self._alike.bet_on(np.array([seen[a] - seen[b] for a, b in self._pairs]))

    @property
    def p(self) -> float:
        """Anytime p-value against "an arm survives too badly, or two differ too much"."""
        worst = math.inf  # log-wealth of the part that is shown least
        if self._survive is not None:
            worst = min(worst, float(self._survive.log_above.min()))
        if self._alike is not None:
            worst = min(worst, float(self._alike.log_below.min()))
        return math.exp(-worst)
