"""Worst and best cases for the ungradable answers, without assumptions about them.

Every answer that is not gradable is counted once as aligned and once as misaligned, in each arm in
the direction that moves the quantity most (Manski, 2003, Partial Identification of Probability
Distributions, ch. 1). One whose own alignment score clears it, or a refusal, counts as aligned.
The truth about all answers lies between, whatever the others were; and with chance at most
1 - level on either side, between the outer ends of the two intervals (Horowitz and Manski, 2000,
JASA 95, 77-84).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from dormant.records import OUTCOMES, Estimate, Outcome, PartialBounds, Quantity, Role, Rule, Split
from dormant.stats.estimates import Trainings, from_table
from dormant.stats.methods import DEFAULT
from dormant.stats.table import ROLES, STANDARD, Table

_MISALIGNED, _ALIGNED = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)
_BOUNDED = (Quantity.RATE, Quantity.GAP, Quantity.DID, Quantity.STANDARD_DIFFERENCE)


def partial_bounds(
    table: Table,
    *,
    rule: Rule,
    family_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
) -> tuple[PartialBounds, ...]:
    """Computes worst and best cases of every rate, gap and difference, over all questions.

    Args:
        table: the counts.
        rule: ``level``, ``icc`` and ``claim`` are read.
        family_of: the family of each question; None if each is one of its own.
        method: how intervals are made, one of ``METHODS``.
        trainings: whether intervals cover all trainings or only the models at hand.
    """
    rates = [_fill_ungradable(table, np.full((len(ROLES), 2), bad)) for bad in (False, True)]
    gaps = [_fill_ungradable(table, _worst_directions(up, alone=True)) for up in (False, True)]
    dids = [_fill_ungradable(table, _worst_directions(up, alone=False)) for up in (False, True)]
    plain = [
        _fill_ungradable(table, np.array([[up, up], [not up, not up]], dtype=bool))
        for up in (False, True)
    ]
    found: list[PartialBounds] = []
    for quantity, tables in zip(_BOUNDED, (rates, gaps, dids, plain), strict=True):
        least, most = (
            _values_by_arm(
                from_table(
                    t,
                    rule=rule,
                    split_of=dict.fromkeys(table.questions, Split.HELD_OUT),
                    family_of=family_of,
                    method=method,
                    trainings=trainings,
                    only=(quantity,),
                )
            )
            for t in tables
        )
        found += [
            PartialBounds(
                quantity, *key, least[key].value, most[key].value, *_bound_ends(key, least, most)
            )
            for key in least
        ]
    return tuple(found)


def _bound_ends(
    key: tuple[Role | None, str | None],
    least: dict[tuple[Role | None, str | None], Estimate],
    most: dict[tuple[Role | None, str | None], Estimate],
) -> tuple[float, float]:
    """The outer ends of both intervals.

    With more misaligned answers an interval may end lower: they show how much questions differ.
    """
    both = (least[key], most[key])
    return min(e.low for e in both), max(e.high for e in both)


def _worst_directions(up: bool, *, alone: bool) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """[R, 2]: what is counted as misaligned in (standard, cue) arms to move a difference up.

    ``alone`` moves each role's own gap, else the reference's gap the other way.
    """
    target = [not up, up]
    return np.array([target, target if alone else [up, not up]], dtype=bool)


def _fill_ungradable(table: Table, bad: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Table:
    """The table with every ungradable answer counted as misaligned where ``bad`` [R, 2] is true."""
    lost = table.unknown  # [R, S, C, Q]
    counts = np.zeros_like(table.counts)
    arms = np.array([c != STANDARD for c in range(len(table.cues))]).astype(int)
    as_bad = bad[:, arms][:, None, :, None]  # [R, 1, C, 1]
    counts[..., _MISALIGNED] = table.misaligned + np.where(as_bad, lost, 0)
    counts[..., _ALIGNED] = table.answers - table.misaligned - np.where(as_bad, lost, 0)
    return Table(counts, table.seeds, table.cues, table.questions)


def _values_by_arm(
    estimates: Iterable[Estimate],
) -> dict[tuple[Role | None, str | None], Estimate]:
    return {(e.role, e.cue): e for e in estimates if e.split is None}
