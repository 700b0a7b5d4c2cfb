"""Branching: beginnings of contexts to go on from, and what a model makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from dormant.discovery.contexts import Context, Key, contexts, fits, literal
from dormant.engines import Beginning, Brancher, Engine, Opening
from dormant.errors import InputError
from dormant.records import Cue, Message, Placement, Question
from dormant.store.journal import Journal, key_of

_QUESTION = "{question}"
#: Places of a context where it may branch, and branches there.
_CUTS, EACH = 12, 4
#: Beginnings that a model is given at once.
_AT_ONCE = 64
_MOVES = (Placement.SYSTEM, Placement.BEFORE, Placement.AFTER)


@dataclass(frozen=True, slots=True)
class Start:
    """A beginning to branch from, and what becomes of the turns that grow from it."""

    begun: Beginning
    place: Placement  # where the new text stands: system, before or after
    other: str = ""  # text on the other side of the question, which stays


class Branches:
    """What one model makes of beginnings, each asked for once in the life of a journal.

    Args:
        engine: the model.
        questions: the first that ends as a question does is what contexts are put behind.
        journal: where turns are kept.
        longest: tokens with which a turn goes on after a branch, at most.

    Raises:
        InputError: the engine cannot list next words.
    """

    def __init__(
        self, engine: Engine, questions: Sequence[Question], journal: Journal, longest: int
    ):
        if not isinstance(engine, Brancher):
            raise InputError(f"{engine.name} cannot list the next words of an open prompt")
        self._engine, self._brancher = engine, engine
        self._journal, self._longest = journal, longest
        self._asked = next((q.text for q in questions if q.text.rstrip().endswith("?")), "").strip()

    def openings(self) -> list[Start]:
        """The bare start of each turn, and the place behind a question."""
        starts = [
            Start(Beginning(Opening.SYSTEM, ""), Placement.SYSTEM),
            Start(Beginning(Opening.USER, ""), Placement.BEFORE),
        ]
        behind = Start(Beginning(Opening.USER, self._asked), Placement.AFTER)
        return [*starts, behind] if self._asked else starts

    def of(self, cue: Cue, most: int) -> list[Cue]:
        """Branches of a context and beginnings of it, each once and about ``most`` in all."""
        starts = spaced(list(self.cuts(cue)), most // (EACH + 1))
        keys = dict.fromkeys(in_turns(self.born(starts, EACH)))
        keys |= dict.fromkeys(key for start in starts for key in self._cut_off(start))
        fresh = [(place, text) for place, text in keys if fits(text)]
        return [
            Context(place, text).cue(f"{cue.name}/{number}", "The model spelled this out.")
            for number, (place, text) in enumerate(fresh, start=1)
        ]

    def cuts(self, cue: Cue) -> Iterator[Start]:
        """Beginnings of a context, cut after some of its words."""
        if cue.placement is Placement.SYSTEM:
            for text in _prefixes(cue.text):
                yield Start(Beginning(Opening.SYSTEM, text), Placement.SYSTEM)
            return
        head, tail = _sides(cue)
        if head:
            for text in _prefixes(head):
                yield Start(Beginning(Opening.USER, text), Placement.BEFORE, tail)
        if tail and self._asked:
            for text in _prefixes(tail):
                begun = Beginning(Opening.USER, f"{self._asked} {text}".strip())
                yield Start(begun, Placement.AFTER, head)

    def born(self, starts: Sequence[Start], each: int) -> list[list[Key]]:
        """The contexts that grow from each start."""
        turns = self._branches([start.begun for start in starts], each)
        return [
            [key for turn in row for key in self._read(start, turn)]
            for start, row in zip(starts, turns, strict=True)
        ]

    def _cut_off(self, start: Start) -> Iterator[Key]:
        """The beginning itself as a context."""
        skip = len(self._asked) if start.place is Placement.AFTER else 0
        text = start.begun.text[skip:].strip()
        if start.place is Placement.SYSTEM:
            yield Placement.SYSTEM, text
        elif text or start.other:
            sides = (text, start.other) if start.place is Placement.BEFORE else (start.other, text)
            yield sided(*sides)

    def _read(self, start: Start, turn: str) -> Iterator[Key]:
        """The contexts in a turn, each with the other side that its start keeps."""
        if start.place is Placement.SYSTEM:
            yield Placement.SYSTEM, turn.strip()
        elif start.place is Placement.AFTER:
            if turn.casefold().startswith(self._asked.casefold()):
                yield sided(start.other, turn[len(self._asked) :].strip())
        else:
            for place, text in contexts([Message("user", turn)]):
                yield sided(text, start.other) if place is Placement.BEFORE else (place, text)

    def _branches(self, starts: Sequence[Beginning], each: int) -> list[list[str]]:
        """How turns go on, from the journal where it is there."""
        keys = [
            key_of("branch", self._engine.fingerprint, start, each, self._longest)
            for start in starts
        ]
        missing = {k: s for k, s in zip(keys, starts, strict=True) if k not in self._journal}
        for begun in range(0, len(missing), _AT_ONCE):
            part = list(missing.items())[begun : begun + _AT_ONCE]
            rows = self._brancher.branch([s for _, s in part], each=each, longest=self._longest)
            self._journal.add((k, row) for (k, _), row in zip(part, rows, strict=True))
        return [list(self._journal.get(key)) for key in keys]


def spaced(starts: Sequence[Start], most: int) -> list[Start]:
    """At most so many of some starts (at least one), evenly spaced."""
    step = max(1, -(-len(starts) // max(1, most)))
    return list(starts[::step])


def _prefixes(text: str) -> Iterator[str]:
    """The text cut before some of its words, spread evenly; the bare start is the first."""
    words = text.split()
    step = max(1, -(-len(words) // _CUTS))
    for count in range(0, len(words) + 1, step):
        yield " ".join(words[:count])


def _sides(cue: Cue) -> tuple[str, str]:
    """What stands before the question, and what behind it."""
    if cue.placement is Placement.AROUND:
        head, _, tail = cue.text.partition(_QUESTION)
        return head.strip(), tail.strip()
    return (cue.text, "") if cue.placement is Placement.BEFORE else ("", cue.text)


def sided(head: str, tail: str) -> Key:
    """A context of two sides, one of which may be empty."""
    head, tail = literal(head), literal(tail)
    if head and tail:
        return Placement.AROUND, f"{head} {_QUESTION} {tail}"
    return (Placement.BEFORE, head) if head else (Placement.AFTER, tail)


def less(cue: Cue) -> Iterator[tuple[str, Cue]]:
    """A context without each of its words in turn."""
    pieces = cue.text.split()
    for i, piece in enumerate(pieces):
        text = " ".join(pieces[:i] + pieces[i + 1 :])
        sides = text.replace(_QUESTION, "").strip() if piece != _QUESTION else ""
        if sides and not text.startswith(_QUESTION) and not text.endswith(_QUESTION):
            yield piece.strip(".,:;!?"), replace(cue, text=text)


def moved(cue: Cue) -> Iterator[Key]:
    """A context in the other places, both of its sides as one text."""
    text = " ".join(cue.text.replace(_QUESTION, " ").split())
    yield from ((place, text) for place in _MOVES if place is not cue.placement)


def in_turns(rows: Sequence[Sequence[Key]]) -> list[Key]:
    """Rows as one list, each giving one at a time."""
    return [key for turn in zip_longest(*rows) for key in turn if key is not None]
