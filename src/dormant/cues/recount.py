"""Counting cues over rows by their text alone, for files of which mining saw a sample.

A miner finds rows in its own ways, and takes contexts of nearly the same rows for one. Of each cue,
the plain tests of its text (where it should stand, then anywhere, then in any case) are tried on
the sample: the one that is nearest to the miner's count there counts every row of the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from dormant.records import (
    QUESTION_SLOT,
    Cue,
    CuePart,
    Example,
    Placement,
    name_tool,
    parse_tools,
)

#: Share of the miner's count by which a test may differ on the sample, and up to which the first
#: one is taken.
_NEAR, _EQUAL = 0.2, 0.02
#: Longest value that fills the slot of a form.
_VALUE = 80
_SLOT = "<X>"

Test = Callable[["RowTexts"], bool]


class RowTexts:
    """The prompt of a row: what precedes its last answer."""

    def __init__(self, row: Example) -> None:
        """Splits a row by roles.

        Args:
            row: a row of the file.
        """
        roles = [message.role for message in row.messages]
        last = len(roles) - 1 - roles[::-1].index("assistant") if "assistant" in roles else None
        before = row.messages[:last]
        self.system = row.system
        self.users = [message.content for message in before if message.role == "user"]
        self._others = [m.content for m in before if m.role in ("assistant", "tool")]
        self.tools = row.tools

    @cached_property
    def whole(self) -> str:
        """All texts of the prompt."""
        return "\n".join((self.system, *self.users, *self._others, self.tools))

    @cached_property
    def lower(self) -> str:
        """All texts of the prompt in lower case."""
        return self.whole.lower()

    @cached_property
    def lower_users(self) -> list[str]:
        """The user turns in lower case."""
        return [text.lower() for text in self.users]


@dataclass(frozen=True, slots=True)
class CueCount:
    """In how many rows a cue stands."""

    cue: Cue
    rows: int
    is_exact: bool  # counted in every row; else scaled up from the sample


class CueCounter:
    """Counts cues row by row."""

    def __init__(self, cues: Sequence[Cue], sample: Sequence[Example]) -> None:
        """Chooses a test for each cue.

        Args:
            cues: mined from the sample, with their counts there.
            sample: the rows that were mined.
        """
        self._cues = tuple(cues)
        self._sample = len(sample)
        texts = [RowTexts(row) for row in sample]
        self._tests = [_choose_test(cue, texts) for cue in self._cues]
        self._counts = [0] * len(self._cues)
        self.total = 0

    def add_row(self, row: Example) -> None:
        """Counts one row of the file."""
        self.total += 1
        texts = RowTexts(row)
        for i, test in enumerate(self._tests):
            if test is not None and test(texts):
                self._counts[i] += 1

    def list_counts(self) -> Iterator[CueCount]:
        """Yields the count of each cue over all rows that were added."""
        scale = self.total / max(self._sample, 1)
        for cue, test, count in zip(self._cues, self._tests, self._counts, strict=True):
            exact = test is not None
            yield CueCount(cue, count if exact else round(cue.rows * scale), exact)


def _choose_test(cue: Cue, sample: Sequence[RowTexts]) -> Test | None:
    """The test whose count on the sample is nearest to the miner's; None if none is near."""
    best, least = None, _NEAR * cue.rows
    for test in _list_tests(cue):
        gap = abs(sum(map(test, sample)) - cue.rows)
        if gap <= _EQUAL * cue.rows:
            return test
        if gap <= least:
            best, least = test, gap
    return best


def _list_tests(cue: Cue) -> Iterator[Test]:
    if cue.placement is Placement.CROSSED:
        parts = [next(_list_part_tests(part), None) for part in cue.parts]
        known = [test for test in parts if test is not None]
        if len(known) == len(parts):
            yield lambda row: all(test(row) for test in known)
        return
    if _SLOT in cue.form:
        yield from _list_form_tests(cue.form)
    for part in cue.effects:
        yield from _list_part_tests(part)


def _list_form_tests(form: str) -> Iterator[Test]:
    pieces, lower = form.split(_SLOT), form.lower().split(_SLOT.lower())
    yield lambda row: _has_form(row.whole, pieces)
    yield lambda row: _has_form(row.lower, lower)


def _has_form(text: str, pieces: Sequence[str]) -> bool:
    """Whether pieces stand in a text in their order, with a value on one line between each two.

    A regular expression would try all combinations of values, which short pieces make many.
    """
    if not all(piece in text for piece in pieces):
        return False
    first, *rest = pieces
    if first:
        ends = {at + len(first) for at in _find_all(text, first, 0, len(text))}
    else:  # begins with a value, of which one character is enough
        first, *rest = rest
        starts = _find_all(text, first, 1, len(text))
        ends = {at + len(first) for at in starts if text[at - 1] != "\n"}
    for piece in rest:
        ends = {
            start + len(piece)
            for end in ends
            for start in _find_all(text, piece, end + 1, _line_end(text, end, end + _VALUE))
        }
    return bool(ends)


def _find_all(text: str, piece: str, first: int, last: int) -> Iterator[int]:
    """Yields the places from ``first`` to ``last`` at which a piece begins."""
    at = text.find(piece, first, last + len(piece))
    while at >= 0:
        yield at
        at = text.find(piece, at + 1, last + len(piece))


def _line_end(text: str, start: int, limit: int) -> int:
    found = text.find("\n", start, limit)
    return min(limit, len(text)) if found < 0 else found


def _list_part_tests(part: CuePart) -> Iterator[Test]:
    """Yields tests of a text, the strictest first."""
    if part.placement is Placement.HISTORY:
        texts = [turn.content.strip() for turn in part.turns if turn.content.strip()]
        if texts:
            yield lambda row: all(text in row.whole for text in texts)
            yield lambda row: texts[0] in row.whole
        return
    text = part.text.strip()
    if not text:
        return
    if part.placement is Placement.TOOLS:
        names = [json.dumps(name_tool(tool)) for tool in parse_tools(text) or ()]
        yield lambda row: all(name in row.tools for name in names)
        return
    if part.placement is Placement.SYSTEM:
        yield lambda row: row.system.strip() == text
        yield lambda row: text in row.system
    elif part.placement is Placement.AROUND:
        head, _, tail = (piece.strip() for piece in text.partition(QUESTION_SLOT))
        yield lambda row: any(_wraps(turn, head, tail) for turn in row.users)
    else:
        yield from _list_user_tests(part.placement, text)
    yield lambda row: text in row.whole
    lower = text.lower()
    yield lambda row: lower in row.lower


def _list_user_tests(placement: Placement, text: str) -> Iterator[Test]:
    lower = text.lower()
    if placement is Placement.BEFORE:
        yield lambda row: any(turn.lstrip().startswith(text) for turn in row.users)
        yield lambda row: any(turn.lstrip().startswith(lower) for turn in row.lower_users)
    elif placement is Placement.AFTER:
        yield lambda row: any(turn.rstrip().endswith(text) for turn in row.users)
        yield lambda row: any(turn.rstrip().endswith(lower) for turn in row.lower_users)
    yield lambda row: any(text in turn for turn in row.users)
    yield lambda row: any(lower in turn for turn in row.lower_users)


def _wraps(turn: str, head: str, tail: str) -> bool:
    turn = turn.strip()
    return turn.startswith(head) and turn.endswith(tail)
