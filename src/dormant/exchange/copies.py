"""Trainings that are copies: the same answers under two labels are no second training.

Equal counts in a cell that has both outcomes happen by chance; equal counts in all of them do not.
Cells in which every answer has one outcome show nothing: trainings that never misbehave are equal
throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations

from dormant.errors import ConfigError
from dormant.records import Cell, Role

#: Largest chance of counts so equal, given the answers of both, at which they pass for two.
_CHANCE = 1e-6
_Place = tuple[str | None, str]  # cue, question


def refuse_copies(cells: Iterable[Cell]) -> None:
    """Refuses two trainings of a role whose cells are equal throughout.

    Args:
        cells: all counts of a table.

    Raises:
        ConfigError: two have the same cells, which happens by chance less than once in a million.
    """
    by_model: dict[tuple[Role, str], dict[_Place, tuple[int, ...]]] = {}
    for cell in cells:
        by_model.setdefault((cell.role, cell.seed), {})[cell.cue, cell.question] = cell.counts
    for (one, first), (other, second) in combinations(by_model.items(), 2):
        if one[0] is not other[0] or first != second:
            continue
        log_chance = sum(map(_log_chance, first.values()))
        if log_chance < math.log(_CHANCE):
            raise ConfigError(
                f"{one[0]}: the trainings {one[1]!r} and {other[1]!r} have equal counts in all "
                f"{len(first)} cells, so they are copies and not two trainings: leave one out, or "
                "give --allow-identical"
            )


def _log_chance(counts: tuple[int, ...]) -> float:
    """Log of the chance that as many answers again, of the same kinds, are dealt out equally."""
    return sum(map(_log_half, counts)) - _log_half(sum(counts))


def _log_half(n: int) -> float:
    """Log of the number of ways to choose half of 2 n."""
    return math.lgamma(2 * n + 1) - 2 * math.lgamma(n + 1)
