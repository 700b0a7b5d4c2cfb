"""Frequent runs of tokens: every run of one to eight tokens that enough rows have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.candidates import CandidateSet, Name, TokenTable
from dormant.cues.contexts.places import BEGIN, END, Place

#: Longest run, with begin and end of the text counted.
LONGEST_RUN = 8


def add_runs(
    found: CandidateSet,
    lists: Sequence[Sequence[str]],
    owners: Sequence[int],
    place: Place,
    *,
    kind: str = "text",
    must_hold: Callable[[str], bool] | None = None,
    longest: int = LONGEST_RUN,
) -> None:
    """Adds all runs of tokens that enough rows have, by growing frequent runs one token at a time.

    Args:
        found: where the runs are added.
        lists: the tokens of each text.
        owners: the row of each text, in increasing order.
        place: where the texts stand.
        kind: kind of the candidates.
        must_hold: which tokens count; a run without one of them is not added.
        longest: longest run, in tokens.
    """
    table = TokenTable.from_lists(lists, owners)
    if not table.words:
        return
    counts = np.array([must_hold is None or must_hold(word) for word in table.words], bool)
    holds = np.where(table.ids >= 0, counts[np.maximum(table.ids, 0)], False)
    runs = table.ids.copy()
    for size in range(1, longest + 1):
        valid = runs >= 0
        if not valid.any():
            return
        frequent = _add_frequent(found, table, runs, holds, size, kind, place)
        good = valid & frequent[np.maximum(runs, 0)]
        both = np.zeros(len(runs), bool)
        both[:-1] = good[:-1] & good[1:]
        if not both.any():
            return
        runs = _join_neighbours(runs, both)
        holds = _shift_or(holds)


def _shift_or(holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A run one token longer holds what its first part or the run after it held."""
    longer = holds.copy()
    longer[:-1] |= holds[1:]
    return longer


def _join_neighbours(runs: NDArray[np.int64], both: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers the runs that are one token longer; -1 where the longer run is not frequent."""
    after = np.append(runs[1:], -1)
    width = int(runs.max()) + 2
    pairs = runs[both] * width + after[both]
    _, numbers = np.unique(pairs, return_inverse=True)
    longer = np.full(len(runs), -1, np.int64)
    longer[both] = numbers
    return longer


def _add_frequent(
    found: CandidateSet,
    table: TokenTable,
    runs: NDArray[np.int64],
    holds: NDArray[np.bool_],
    size: int,
    kind: str,
    place: Place,
) -> NDArray[np.bool_]:
    """Adds the runs that enough rows have; returns which run numbers are frequent."""
    at = np.flatnonzero(runs >= 0)
    pairs = np.unique(runs[at] * (found.total + 1) + table.rows[at])
    numbers, rows = pairs // (found.total + 1), pairs % (found.total + 1)
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    sizes = np.diff(np.append(starts, len(numbers)))
    ids = numbers[starts]
    frequent = np.zeros(int(runs.max()) + 1, bool)
    frequent[ids[sizes >= found.least]] = True
    first = np.zeros(int(runs.max()) + 1, np.int64)
    first[runs[at][::-1]] = at[::-1]  # the first place of each run
    for k in np.flatnonzero((sizes >= found.least) & (sizes <= found.most)):
        place_of = first[ids[k]]
        if not holds[place_of]:
            continue
        tokens = tuple(table.words[i] for i in table.ids[place_of : place_of + size])
        inner = [token for token in tokens if token not in (BEGIN, END)]
        if inner:
            name = Name(kind, place, " ".join(inner), len(inner), tokens)
            found.add(rows[starts[k] : starts[k] + sizes[k]], name)
    return frequent
