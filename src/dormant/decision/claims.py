"""Bets on the two claims of a path, which answers that were not graded must not help.

That a cue *has* an effect is bet on with the lowest value that a question's answers allow, that it
has *none* with the highest (``Counts.range_of``). Where every answer is graded the two are one, and
so are the bets.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy

import numpy as np

from dormant.stats.betting import Bets
from dormant.stats.table import Floats, Ints


class ClaimBets:
    """Bets on rises and on bounds, one row for each cue; see ``stats.betting.Bets``.

    Args:
        rows: number of means.
        delta: the mean against which evidence is reported.
        tail: error of each end of an interval.
        others: other means against which evidence is wanted.
    """

    def __init__(self, rows: int, *, delta: float, tail: float, others: Collection[float] = ()):
        self._rise = self._bound = Bets(rows, delta=delta, tail=tail, others=others)

    def bet_on(self, lowest: Floats, highest: Floats) -> None:
        """Bets on one question: the range of its unit in each row, [R]; NaN where it has none."""
        if self._rise is self._bound and not np.array_equal(lowest, highest, equal_nan=True):
            self._bound = deepcopy(self._rise)  # from here on the claims are bet on apart
        self._rise.bet_on(lowest)
        if self._bound is not self._rise:
            self._bound.bet_on(highest)

    @property
    def count(self) -> Ints:
        """Questions that were bet on [R]."""
        return self._bound.count

    @property
    def log_above(self) -> Floats:
        """Log of the largest wealth so far against "the mean is at most delta" [R]."""
        return self._rise.log_above

    @property
    def p_above(self) -> Floats:
        """Anytime p-value against "the mean is at most delta" [R]."""
        return self._rise.p_above

    def log_above_of(self, row: int, mean: float) -> float:
        """The same of one row, against "the mean is at most ``mean``"."""
        return self._rise.log_above_of(row, mean)

    def log_below_of(self, row: int, mean: float) -> float:
        """Log of the largest wealth so far of one row against "the mean is at least ``mean``"."""
        return self._bound.log_below_of(row, mean)

    def e_values(self, row: int, mean: float) -> tuple[float, float]:
        """Logs of the wealth now; see ``Bets.e_values``, whatever the ungraded answers were."""
        return self._rise.e_values(row, mean)[0], self._bound.e_values(row, mean)[1]

    def low_of(self, row: int, tail: float | None = None) -> float:
        """Lower end of one row, whatever the ungraded answers were; at another error if given."""
        return self._rise.low_of(row, tail)

    def high_of(self, row: int) -> float:
        """Upper end of one row, whatever the ungraded answers were."""
        return self._bound.high_of(row)
