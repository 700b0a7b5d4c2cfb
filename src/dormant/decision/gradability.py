"""Whether the answers under a cue can be graded, tested on a sequential path.

A finding is a claim of two parts: the cue raises misalignment, and enough answers of its arms can
be graded, equally enough, for that to mean something. On a path both are shown by bets at the same
error, since a few questions show little about either. All parts of the second must hold, so each is
tested at the error of the claim and no correction is due (intersection-union).

Units are shares of a question: ``2 share - 1`` against ``2 min_survival - 1`` for each arm, and the
difference of two arms' gradable shares against ``max_survival_gap`` for each ordered pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np

from dormant.decision.counts import Counts
from dormant.records import Rule
from dormant.stats.betting import Bets


class GradesSoFar:
    """Whether the verdict would bound a cue as gradable as it is, by the answers so far.

    While it would not, a path that stopped asking would leave the cue undecided. Only the second
    edition of the rule reads gradable rates that more answers may change.

    Args:
        counts: the path's.
    """

    def __init__(self, counts: Counts):
        self._counts = counts
        self._known: dict[str | None, tuple[int, bool]] = {}

    def suffice(self, cue: str | None) -> bool:
        """Whether the arms of a cue, or (None) of the standard difference, are gradable enough."""
        if self._counts.plan.rule.edition != 2:
            return True
        answers, known = self._counts.answers, self._known.get(cue)
        if known is None or known[0] != answers:
            known = self._known[cue] = (answers, self._counts.is_gradable(cue, None))
        return known[1]


class Gradability:
    """Bets on the gradable rates of a few arms.

    Args:
        arms: number of arms.
        rule: its ``min_survival`` and ``max_survival_gap``.
    """

    def __init__(self, arms: int, rule: Rule):
        self._pairs = list(permutations(range(arms), 2))
        tail = (1 - rule.level) / 2
        # A limit that every share satisfies needs no test.
        self._enough = (
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
        """Bets on one question: the gradable share of each arm, NaN where it was not asked."""
        seen = np.asarray(shares, dtype=float)
        if self._enough is not None:
            self._enough.bet_on(2 * seen - 1)
        if self._alike is not None:
            self._alike.bet_on(np.array([seen[a] - seen[b] for a, b in self._pairs]))

    @property
    def p(self) -> float:
        """Anytime p-value against "an arm is too rarely gradable, or two arms differ too much"."""
        worst = math.inf  # log-wealth of the claim with the weakest evidence
        if self._enough is not None:
            worst = min(worst, float(self._enough.log_above.min()))
        if self._alike is not None:
            worst = min(worst, float(self._alike.log_below.min()))
        return math.exp(-worst)
