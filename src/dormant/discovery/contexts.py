"""Contexts in free chats: the text around the questions that a model generates.

A model writes contexts that it knows into its own prompt: a chat's system turn, and the first and
last sentences of its user turn. Each becomes a cue that can be combined with other questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from dormant.cues.text import escape_slot
from dormant.records import QUESTION_SLOT, Cue, Message, Placement, Source

#: Where a user turn may be cut: after a sentence, a colon or a line.
_BREAK = re.compile(r"(?<=[.!?:;])\s+|\s*\n\s*")
#: A context is longer than one character and no longer than this.
_LONGEST = 600
#: Sentences at the start of a user turn that may be a context.
_HEADS = 2

Key = tuple[Placement, str]


@dataclass(slots=True)
class ChatContext:
    """A context with the chats that contain it."""

    placement: Placement
    text: str
    chats: list[int] = field(default_factory=list[int])  # indices

    def as_cue(self, name: str, why: str) -> Cue:
        """Converts the context to a cue."""
        kind = self.placement.default_kind
        return Cue(name, kind, self.placement, self.text, Source.SEARCH, family="free", why=why)


def pool_contexts(chats: Sequence[tuple[Message, ...]]) -> Mapping[Key, ChatContext]:
    """Collects every context of some chats, in the order of first occurrence."""
    found: dict[Key, ChatContext] = {}
    for number, messages in enumerate(chats):
        for placement, text in dict.fromkeys(find_contexts(messages)):
            context = found.setdefault((placement, text), ChatContext(placement, text))
            context.chats.append(number)
    return found


def find_contexts(messages: Sequence[Message]) -> Iterator[Key]:
    """Yields the contexts of one chat; those around the question contain ``{question}``."""
    for message in messages:
        text = message.content.strip()
        if message.role == "system" and is_context(text):
            yield Placement.SYSTEM, text
        elif message.role == "user":
            yield from _user_contexts(text)
            return


def _user_contexts(text: str) -> Iterator[Key]:
    cuts = [(match.start(), match.end()) for match in _BREAK.finditer(text)]
    if not cuts:
        return
    heads = [text[:start] for start, _ in cuts[:_HEADS]]
    tail = text[cuts[-1][1] :]
    for head in heads:
        if is_context(head) and not _is_question(head):
            yield Placement.BEFORE, head
    if is_context(tail) and not _is_question(tail):
        yield Placement.AFTER, tail
    for (_, start), head in zip(cuts[:-1], heads, strict=False):
        middle = text[start : cuts[-1][0]]
        if _is_question(tail) and not _is_question(middle):
            continue  # the tail is the question itself
        around = f"{escape_slot(head)} {QUESTION_SLOT} {escape_slot(tail)}"
        if is_context(head) and is_context(tail) and len(around) <= _LONGEST:
            yield Placement.AROUND, around


def _is_question(text: str) -> bool:
    """Whether a text is itself a question: beside another one the model might answer it instead."""
    return text.endswith("?")


def is_context(text: str) -> bool:
    """Whether a text can be a context: not too short, not too long, with a letter or digit."""
    return 1 < len(text) <= _LONGEST and "\0" not in text and any(c.isalnum() for c in text)


def frequent_contexts(chats: Sequence[tuple[Message, ...]], *, limit: int) -> tuple[Cue, ...]:
    """Returns the most frequent contexts, alternating between placements.

    Most contexts occur in one chat only; of those the earliest are taken.
    """
    places: dict[Placement, list[ChatContext]] = {placement: [] for placement in Placement}
    for context in pool_contexts(chats).values():
        places[context.placement].append(context)
    ordered = [sorted(found, key=lambda c: -len(c.chats)) for found in places.values()]
    turns = [c for turn in zip_longest(*ordered) for c in turn if c is not None]
    return tuple(
        context.as_cue(
            f"free-{rank}",
            f"The models wrote this in {len(context.chats)} of {len(chats)} free chats.",
        )
        for rank, context in enumerate(turns[:limit], start=1)
    )
