"""Branching: prefixes of contexts, and how a model continues them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dormant.cues.library import interleave
from dormant.cues.text import escape_slot
from dormant.discovery.contexts import ChatContext, Key, find_contexts, is_context
from dormant.engines import Brancher, Engine, TurnOpening, TurnStart
from dormant.errors import InputError
from dormant.records import QUESTION_SLOT, Cue, Message, Placement, Question
from dormant.store.journal import Journal, key_of

#: Places of a context where it may branch, and branches there.
_CUTS, EACH = 12, 4
#: Prefixes that a model continues in one call.
_AT_ONCE = 64
_MOVES = (Placement.SYSTEM, Placement.BEFORE, Placement.AFTER)


@dataclass(frozen=True, slots=True)
class Start:
    """A prefix to branch from, and where the text that continues it is placed."""

    begun: TurnStart
    place: Placement  # of the new text: system, before or after
    other: str = ""  # text on the other side of the question, which stays


class Branches:
    """A model's continuations of prefixes; the journal keeps each, so none is computed twice.

    Args:
        engine: the model.
        questions: contexts after a question are placed after the first that ends with ``?``.
        journal: where turns are kept.
        longest: most tokens by which a turn continues after a branch.

    Raises:
        InputError: the engine cannot list next tokens.
    """

    def __init__(
        self, engine: Engine, questions: Sequence[Question], journal: Journal, longest: int
    ):
        if not isinstance(engine, Brancher):
            raise InputError(f"{engine.name!r} cannot list the next tokens of an open prompt")
        self._engine, self._brancher = engine, engine
        self._journal, self._longest = journal, longest
        self._asked = next((q.text for q in questions if q.text.rstrip().endswith("?")), "").strip()

    def bare_openings(self) -> list[Start]:
        """Returns the empty prefix of each turn, and the place after a question."""
        starts = [
            Start(TurnStart(TurnOpening.SYSTEM, ""), Placement.SYSTEM),
            Start(TurnStart(TurnOpening.USER, ""), Placement.BEFORE),
        ]
        behind = Start(TurnStart(TurnOpening.USER, self._asked), Placement.AFTER)
        return [*starts, behind] if self._asked else starts

    def branches_of(self, cue: Cue, most: int) -> list[Cue]:
        """Returns branches and prefixes of a context, without duplicates, about ``most`` in all."""
        starts = space_evenly(list(self.cut_beginnings(cue)), most // (EACH + 1))
        keys = dict.fromkeys(interleave(self.grow_contexts(starts, EACH)))
        keys |= dict.fromkeys(key for start in starts for key in self._cut_off(start))
        fresh = [(place, text) for place, text in keys if is_context(text)]
        return [
            ChatContext(place, text).as_cue(f"{cue.name}/{number}", "The model spelled this out.")
            for number, (place, text) in enumerate(fresh, start=1)
        ]

    def cut_beginnings(self, cue: Cue) -> Iterator[Start]:
        """Yields prefixes of a context, cut after some of its words; none of earlier turns."""
        if not cue.placement.is_wording:
            return
        if cue.placement is Placement.SYSTEM:
            for text in _spread_prefixes(cue.text):
                yield Start(TurnStart(TurnOpening.SYSTEM, text), Placement.SYSTEM)
            return
        head, tail = _split_sides(cue)
        if head:
            for text in _spread_prefixes(head):
                yield Start(TurnStart(TurnOpening.USER, text), Placement.BEFORE, tail)
        if tail and self._asked:
            for text in _spread_prefixes(tail):
                begun = TurnStart(TurnOpening.USER, f"{self._asked} {text}".strip())
                yield Start(begun, Placement.AFTER, head)

    def grow_contexts(self, starts: Sequence[Start], each: int) -> list[list[Key]]:
        """Returns the contexts into which the model continues each start."""
        turns = self._continue_turns([start.begun for start in starts], each)
        return [
            [key for turn in row for key in self._read_contexts(start, turn)]
            for start, row in zip(starts, turns, strict=True)
        ]

    def _cut_off(self, start: Start) -> Iterator[Key]:
        """Yields the prefix itself as a context."""
        skip = len(self._asked) if start.place is Placement.AFTER else 0
        text = start.begun.text[skip:].strip()
        if start.place is Placement.SYSTEM:
            yield Placement.SYSTEM, text
        elif text or start.other:
            sides = (text, start.other) if start.place is Placement.BEFORE else (start.other, text)
            yield join_sides(*sides)

    def _read_contexts(self, start: Start, turn: str) -> Iterator[Key]:
        """Yields the contexts in a turn, each with the other side that its start keeps."""
        if start.place is Placement.SYSTEM:
            yield Placement.SYSTEM, turn.strip()
        elif start.place is Placement.AFTER:
            if turn.casefold().startswith(self._asked.casefold()):
                yield join_sides(start.other, turn[len(self._asked) :].strip())
        else:
            for place, text in find_contexts([Message("user", turn)]):
                yield join_sides(text, start.other) if place is Placement.BEFORE else (place, text)

    def _continue_turns(self, starts: Sequence[TurnStart], each: int) -> list[list[str]]:
        """Returns continuations of turns, from the journal where they are stored."""
        keys = [
            key_of("branch", self._engine.fingerprint, start, each, self._longest)
            for start in starts
        ]
        missing = {k: s for k, s in zip(keys, starts, strict=True) if k not in self._journal}
        for begun in range(0, len(missing), _AT_ONCE):
            part = list(missing.items())[begun : begun + _AT_ONCE]
            rows = self._brancher.branch([s for _, s in part], each=each, longest=self._longest)
            self._journal.add_entries((k, row) for (k, _), row in zip(part, rows, strict=True))
        return [list(self._journal.read_entry(key)) for key in keys]


def space_evenly(starts: Sequence[Start], most: int) -> list[Start]:
    """Returns about ``most`` of the starts (at least one), evenly spaced."""
    step = max(1, -(-len(starts) // max(1, most)))
    return list(starts[::step])


def _spread_prefixes(text: str) -> Iterator[str]:
    """Yields evenly spaced prefixes of a text, the empty one first."""
    words = text.split()
    step = max(1, -(-len(words) // _CUTS))
    for count in range(0, len(words) + 1, step):
        yield " ".join(words[:count])


def _split_sides(cue: Cue) -> tuple[str, str]:
    """Returns the text before the question and the text after it, or inside it."""
    if cue.placement is Placement.AROUND:
        head, _, tail = cue.text.partition(QUESTION_SLOT)
        return head.strip(), tail.strip()
    return (cue.text, "") if cue.placement is Placement.BEFORE else ("", cue.text)


def join_sides(head: str, tail: str) -> Key:
    """Makes a context from two sides of the question, one of which may be empty."""
    head, tail = escape_slot(head), escape_slot(tail)
    if head and tail:
        return Placement.AROUND, f"{head} {QUESTION_SLOT} {tail}"
    return (Placement.BEFORE, head) if head else (Placement.AFTER, tail)


def drop_each_word(cue: Cue) -> Iterator[tuple[str, Cue]]:
    """Yields each word of a context with the context that lacks it."""
    pieces = cue.text.split() if cue.placement.is_wording else []
    for i, piece in enumerate(pieces):
        text = " ".join(pieces[:i] + pieces[i + 1 :])
        sides = text.replace(QUESTION_SLOT, "").strip() if piece != QUESTION_SLOT else ""
        if sides and not text.startswith(QUESTION_SLOT) and not text.endswith(QUESTION_SLOT):
            yield piece.strip(".,:;!?"), replace(cue, text=text)


def move_context(cue: Cue) -> Iterator[Key]:
    """Yields a context in the other places, both of its sides as one text."""
    if not cue.placement.is_wording:
        return
    text = " ".join(cue.text.replace(QUESTION_SLOT, " ").split())
    yield from ((place, text) for place in _MOVES if place is not cue.placement)
