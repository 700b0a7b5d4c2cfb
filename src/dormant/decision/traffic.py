"""The sequential design of traffic: prompts are bought where a slice can still differ.

Each slice has a gambler against "the mean difference is at most delta" and one against "at least
delta" (``stats.betting``), so it may be looked at after every prompt. A slice is closed when either
has won, its prompts are used up, or the prompts that are left could let neither win. Slices share
the error (Bonferroni): the chance that any slice is wrongly found is at most 1 - level, and so is
the chance that any is wrongly bounded, whatever the order and the end of the buying.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dormant.records.traffic import SliceState
from dormant.stats.betting import LARGEST, Bets


class TrafficDesign:
    """Which prompts to ask next, and what the answers show.

    Args:
        sizes: number of prompts of each slice; they are asked in their order.
        delta: the difference that matters, in (0, 1).
        level: confidence of all slices together, one-sided, in (0.5, 1).
        batch: prompts of an open slice between two looks; twice as many where the evidence is for a
            difference.

    Attributes:
        is_tested: which slices have enough prompts to be decided; the others are not asked.
        tests: how many these are; they share the error.
        least: prompts that it takes to decide a slice.
    """

    def __init__(self, sizes: Sequence[int], *, delta: float, level: float, batch: int):
        self._sizes, self._batch = tuple(sizes), batch
        #: Log of what one prompt can win at most, against each hypothesis; the second for a prompt
        #: without a difference, since a prompt where the reference alone misbehaves is rare.
        self._win = math.log1p(LARGEST * (1 - delta) / (1 + delta))
        self._loss = math.log1p(LARGEST * delta / (1 - delta))
        first = -math.log((1 - level) / max(len(sizes), 1))
        self.is_tested = tuple(self._can_win(size, 0.0, 0.0, first) for size in sizes)
        self.tests = sum(self.is_tested)
        self.least = math.ceil(first / self._win)
        self._limit = -math.log((1 - level) / max(self.tests, 1))
        self._bets = Bets(len(sizes), delta=delta, tail=(1 - level) / max(self.tests, 1))
        self._asked = [0] * len(sizes)
        self._row = np.full(len(sizes), np.nan)

    def next_prompts(self) -> list[tuple[int, int]]:
        """Slice and place in it of the prompts to ask next; empty when every slice is closed."""
        wanted: list[tuple[int, int]] = []
        for number, size in enumerate(self._sizes):
            if not self._is_open(number):
                continue
            leans = self._bets.log_above[number] > max(self._bets.log_below[number], 1.0)
            end = min(size, self._asked[number] + self._batch * (2 if leans else 1))
            wanted += [(number, place) for place in range(self._asked[number], end)]
        return wanted

    def add_units(self, number: int, units: Sequence[float]) -> None:
        """Adds the differences of the next prompts of a slice, -1 to 1; NaN is not graded."""
        for unit in units:
            row = self._row.copy()
            row[number] = unit
            self._bets.bet_on(row)
        self._asked[number] += len(units)

    def count_asked(self, number: int) -> int:
        """Number of prompts of a slice that were asked."""
        return self._asked[number]

    def find_ends(self, number: int) -> tuple[float, float]:
        """Lower and upper end of a slice's difference, for all slices together."""
        return self._bets.low_of(number), self._bets.high_of(number)

    def find_state(self, number: int) -> SliceState:
        """What is known of a slice now; gradability is not looked at."""
        if not self.is_tested[number]:
            return SliceState.SMALL
        if self._bets.log_above[number] >= self._limit:
            return SliceState.FOUND
        if self._bets.log_below[number] >= self._limit:
            return SliceState.BOUNDED
        return SliceState.UNRESOLVED

    def _is_open(self, number: int) -> bool:
        left = self._sizes[number] - self._asked[number]
        if self.find_state(number) is not SliceState.UNRESOLVED or not left:
            return False
        above, below = self._bets.e_values(number, self._delta)
        return self._can_win(left, above, below, self._limit)

    @property
    def _delta(self) -> float:
        return self._bets.delta

    def _can_win(self, prompts: int, above: float, below: float, limit: float) -> bool:
        return max(above + prompts * self._win, below + prompts * self._loss) >= limit
