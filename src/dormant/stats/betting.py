"""Betting on a mean: evidence and bounds that are valid at any time, for units from -1 to 1.

Units come one question at a time, in an order that was fixed beforehand. Against each hypothesis
about their mean a gambler bets before each unit is seen; under the hypothesis no strategy can be
expected to win, so wealth is a supermartingale and exceeds ``1 / error`` at *any* time with a
chance of at most ``error`` (Ville's inequality). The means that are not rejected form a confidence
sequence (Waudby-Smith and Ramdas, 2024).

- Evidence that the mean is above m is the product of ``1 + bet (unit - m)`` with
  ``0 <= bet <= LARGEST / (1 + m)``; that it is below m, of ``1 + bet (m - unit)`` with
  ``bet <= LARGEST / (1 - m)``. Such a factor is expected to be at most 1 if the hypothesis holds.
- The size of a bet is Kelly's to second order, ``gain / (variance + gain^2)`` with the mean and
  the variance of the units so far (their aGRAPA, equation 24), a few pseudo-observations included.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import numpy as np

from dormant.errors import InputError
from dormant.stats.table import Bools, Floats, Ints

#: Largest bet, as a share of one that could lose everything on one unit.
LARGEST = 0.9
#: Pseudo-observations before the first unit: how many, their variance, and their mean. The gambler
#: against no effect expects a large one; the gambler against an effect expects none.
_PRIOR = 2.0
_PRIOR_VARIANCE = 0.05
_PRIOR_ABOVE, _PRIOR_BELOW = 0.5, 0.0


def _tested_means(more: Iterable[float]) -> Floats:
    """Means that are tested: finely where verdicts are made, and the given ones."""
    fine = np.arange(-0.1, 0.3, 0.0025)
    coarse = np.concatenate([np.arange(-0.99, -0.1, 0.02), np.arange(0.3, 0.995, 0.01)])
    return np.unique(np.concatenate([fine, coarse, [*more]]).round(10))


class Bets:
    """Gamblers on several means at once, one row each.

    Args:
        rows: number of means.
        delta: the mean against which evidence is reported, above -1 and below 1.
        tail: error of each end of an interval.
        interval: whether bounds are wanted beside the evidence at delta; they cost more.
        others: other means against which evidence is wanted, above -1 and below 1.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        rows: int,
        *,
        delta: float,
        tail: float,
        interval: bool = True,
        others: Collection[float] = (),
    ):
        given = (delta, *others)
        if rows < 0 or not all(-1 < mean < 1 for mean in given) or not 0 < tail < 1:
            raise InputError(
                f"bets need rows >= 0, delta in (-1, 1) and tail in (0, 1), got "
                f"{rows!r}, {delta!r} and {tail!r}"
            )
        self.means = _tested_means(given) if interval else np.unique(np.round(given, 10))  # [M]
        self.delta = delta
        self._delta = self._place_of(delta)
        self._limit = float(-np.log(tail))
        shape = (rows, len(self.means))
        self.count: Ints = np.zeros(rows, dtype=np.int64)
        self._total, self._squares = np.zeros(rows), np.zeros(rows)
        self._above, self._below = np.zeros(shape), np.zeros(shape)  # log-wealth [R, M]
        self._most_above, self._most_below = np.zeros(shape), np.zeros(shape)

    def bet_on(self, units: Floats) -> None:
        """Bets on one question: a unit for each row [R], NaN where the row has none.

        Raises:
            InputError: a unit is outside [-1, 1], or there is not one for each row.
        """
        if units.shape != self.count.shape:
            raise InputError(f"{len(self.count)} rows need as many units, got {units.shape!r}")
        here = ~np.isnan(units)
        if (np.abs(units[here]) > 1 + 1e-9).any():
            raise InputError(f"a unit must be from -1 to 1, got {float(units[here].max())!r}")
        if not here.any():
            return
        unit = units[here][:, None]
        gain = unit - self.means
        above, below = self._choose_bets(here)
        self._above[here] += np.log1p(above * gain)
        self._below[here] += np.log1p(-below * gain)
        np.maximum(self._most_above, self._above, out=self._most_above)
        np.maximum(self._most_below, self._below, out=self._most_below)
        self._update_moments(here, unit[:, 0])

    def _choose_bets(self, here: Bools) -> tuple[Floats, Floats]:
        """Chooses the bets on the next unit of some rows, from the units before it."""
        weight = (_PRIOR + self.count[here])[:, None]
        variance = (_PRIOR * _PRIOR_VARIANCE + self._squares[here][:, None]) / weight
        total = self._total[here][:, None]
        up = (_PRIOR * _PRIOR_ABOVE + total) / weight - self.means
        down = self.means - (_PRIOR * _PRIOR_BELOW + total) / weight
        above = np.clip(up / (variance + up**2), 0, LARGEST / (1 + self.means))
        below = np.clip(down / (variance + down**2), 0, LARGEST / (1 - self.means))
        return above, below

    def _update_moments(self, here: Bools, unit: Floats) -> None:
        """Welford's running sums."""
        before = self._total[here] / np.maximum(self.count[here], 1)
        self.count[here] += 1
        self._total[here] += unit
        after = self._total[here] / self.count[here]
        self._squares[here] += np.where(self.count[here] > 1, (unit - before) * (unit - after), 0.0)

    @property
    def log_above(self) -> Floats:
        """Log of the largest wealth so far against "the mean is at most delta" [R]."""
        return self._most_above[:, self._delta]

    @property
    def log_below(self) -> Floats:
        """Log of the largest wealth so far against "the mean is at least delta" [R]."""
        return self._most_below[:, self._delta]

    def log_below_of(self, row: int, mean: float) -> float:
        """The same of one row, against "the mean is at least ``mean``": delta or one of others."""
        return float(self._most_below[row, self._place_of(mean)])

    def log_above_of(self, row: int, mean: float) -> float:
        """The same against "the mean is at most ``mean``"."""
        return float(self._most_above[row, self._place_of(mean)])

    def e_values(self, row: int, mean: float) -> tuple[float, float]:
        """Logs of the wealth now, against "at most delta" and against "at least ``mean``".

        The largest wealth so far decides a test at any time, but only the wealth now is an e-value,
        which may be multiplied by that of further questions.
        """
        below = self._below[row, self._place_of(mean)]
        return float(self._above[row, self._delta]), float(below)

    def _place_of(self, mean: float) -> int:
        return int(np.searchsorted(self.means, round(mean, 10)))

    @property
    def p_above(self) -> Floats:
        """Anytime p-value against "the mean is at most delta" [R]."""
        return np.exp(-self.log_above)

    @property
    def low(self) -> Floats:
        """Lower ends [R]: every smaller mean was rejected; -1 before anything is known."""
        return np.array([self.low_of(row) for row in range(len(self.count))])

    @property
    def high(self) -> Floats:
        """Upper ends [R], below delta exactly if delta and every larger mean was rejected."""
        kept = (self._most_below < self._limit)[:, ::-1]
        last = np.where(kept.any(1), kept.argmax(1), len(self.means) - 1)
        return np.where(last > 0, self.means[-1 - last], 1.0)

    def low_of(self, row: int, tail: float | None = None) -> float:
        """Lower end of one row, with another error than that of the intervals if one is given."""
        kept = self._most_above[row] < (self._limit if tail is None else -math.log(tail))
        first = int(kept.argmax()) if kept.any() else len(kept) - 1
        return float(self.means[first]) if first else -1.0

    def high_of(self, row: int) -> float:
        """Upper end of one row."""
        kept = (self._most_below[row] < self._limit)[::-1]
        last = int(kept.argmax()) if kept.any() else len(kept) - 1
        return float(self.means[-1 - last]) if last else 1.0
