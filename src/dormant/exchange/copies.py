"""Copies that pass for data: one training under two labels, or each answer twice.

Equal counts in a cell that has both outcomes happen by chance; equal counts in all of them do not.
Cells in which every answer has one outcome show nothing: trainings that never misbehave are equal
throughout. Of a rate or a difference whose answers are not known, the fewest answers that give it
are assumed, which makes equal ones likelier by chance. In a file that was appended to itself every
count is even.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import combinations
from typing import TypeVar

import numpy as np

from dormant.errors import ConfigError
from dormant.records import Cell, Role
from dormant.stats import Differences

#: Largest chance of counts so equal, given the answers of both, at which they pass for two.
_CHANCE = 1e-6
_MOST_ANSWERS = 1000  #: behind a rate, where their number is not known
_Place = tuple[str | None, str]  # cue, question
_Counts = tuple[int, ...]
_Value = TypeVar("_Value")  # of a cell: counts, or a difference


def refuse_copies(cells: Iterable[Cell], *, are_rates: bool = False) -> None:
    """Refuses two trainings of a role whose cells are equal throughout.

    Args:
        cells: all counts of a table.
        are_rates: they stand for rates whose numbers of answers are not known.

    Raises:
        ConfigError: two have the same cells, which happens by chance less than once in a million.
    """
    by_role: dict[Role, dict[str, dict[_Place, _Counts]]] = {}
    for cell in cells:
        of_seed = by_role.setdefault(cell.role, {}).setdefault(cell.seed, {})
        of_seed[cell.cue, cell.question] = cell.counts
    for role, trainings in by_role.items():
        if are_rates:
            _compare_trainings(role, "rates", trainings, _log_chance_of_rate)
        else:
            _compare_trainings(role, "counts", trainings, _log_chance)


def refuse_equal_differences(differences: Differences) -> None:
    """Refuses two trainings whose differences are equal throughout.

    Raises:
        ConfigError: as :func:`refuse_copies`.
    """
    trainings = {
        seed: {
            (differences.cues[k], differences.questions[q]): float(values[k, q])
            for k, q in np.argwhere(~np.isnan(values))
        }
        for seed, values in zip(differences.seeds, differences.values, strict=True)
    }
    _compare_trainings(Role.TARGET, "differences", trainings, _log_chance_of_difference)


def find_doubled(cells: Iterable[Cell]) -> tuple[Role, str] | None:
    """Finds a model whose counts are all even; None if there is none.

    By chance that happens less than once in a million: cells with one outcome show nothing, and of
    two outcomes one count follows from the other where a design asks an even number of answers.
    """
    is_even: dict[tuple[Role, str], list[bool]] = {}
    for cell in cells:
        if sum(map(bool, cell.counts)) > 1:
            even = not any(count % 2 for count in cell.counts)
            is_even.setdefault((cell.role, cell.seed), []).append(even)
    least = math.log(_CHANCE) / math.log(0.5)
    return next((m for m, even in is_even.items() if all(even) and len(even) > least), None)


def _compare_trainings(
    role: Role,
    what: str,
    trainings: Mapping[str, Mapping[_Place, _Value]],
    log_chance: Callable[[_Value], float],
) -> None:
    for (one, first), (other, second) in combinations(trainings.items(), 2):
        if first == second and sum(map(log_chance, first.values())) < math.log(_CHANCE):
            raise ConfigError(
                f"{role}: the trainings {one!r} and {other!r} have equal {what} in all "
                f"{len(first)} cells, so they are copies and not two trainings: leave one out, or "
                "give --allow-identical"
            )


def _log_chance(counts: _Counts) -> float:
    """Log of the chance that as many answers again, of the same kinds, are dealt out equally."""
    return sum(map(_log_half, counts)) - _log_half(sum(counts))


def _log_chance_of_rate(counts: _Counts) -> float:
    """The same of a rate, by the fewest answers that give it."""
    return _log_chance(_count_fewest(Fraction(max(counts), sum(counts))))


def _log_chance_of_difference(difference: float) -> float:
    """The same of a difference: whole ones show nothing."""
    return _log_chance(_count_fewest(Fraction(abs(difference)) % 1))


def _count_fewest(share: Fraction) -> _Counts:
    near = share.limit_denominator(_MOST_ANSWERS)
    return near.numerator, near.denominator - near.numerator


def _log_half(n: int) -> float:
    """Log of the number of ways to choose half of 2 n."""
    return math.lgamma(2 * n + 1) - 2 * math.lgamma(n + 1)
