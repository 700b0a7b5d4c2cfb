"""Cues that are more than one text: earlier turns, and several contexts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dormant.records import (
    Cue,
    CuePart,
)


def separate_part(cue: Cue, part: CuePart) -> Cue:
    """The cue that adds one part of a crossed cue alone; everything else as in the crossed one."""
    return replace(
        cue,
        kind=part.placement.default_kind,
        placement=part.placement,
        text=part.text,
        turns=part.turns,
        parts=(),
        form="",
        values=(),
    )


def iterate_texts(cue: Cue) -> Iterator[str]:
    """Yields the texts that a cue adds to a prompt, without the roles that describe its turns."""
    for part in cue.effects:
        yield from (turn.content for turn in part.turns) if part.turns else (part.text,)


def flatten_history(cue: Cue) -> Iterator[str]:
    """Yields what the user and tools said in a history as one text, as it stood in one turn."""
    texts = [turn.content.strip() for turn in cue.turns if turn.role != "assistant"]
    text = "\n\n".join(filter(None, texts))
    if text:
        yield text
