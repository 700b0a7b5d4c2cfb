"""Cues that are more than one text: earlier turns, and several contexts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dormant.records import (
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    describe_parts,
    describe_turns,
)


def make_history(cue: Cue, turns: Sequence[Message]) -> Cue:
    """Turns a cue into earlier turns before the question.

    Args:
        cue: gives the name, the source and the counts.
        turns: user, assistant and tool turns, in their order.
    """
    return replace(
        cue,
        kind=CueKind.HISTORY,
        placement=Placement.HISTORY,
        text=describe_turns(turns),
        turns=tuple(turns),
        parts=(),
        form="",
    )


def cross_cues(cue: Cue, others: Sequence[Cue]) -> Cue:
    """Turns a cue into one that adds several contexts at once.

    Args:
        cue: gives the name, the source and the counts.
        others: two or more cues whose texts or turns are added together.

    Raises:
        ValueError: there are fewer than two contexts.
    """
    parts = tuple(part for other in others for part in other.effects)
    if len(parts) < 2:
        raise ValueError(f"a crossed cue needs two contexts or more, got {len(parts)}")
    return replace(
        cue,
        kind=CueKind.CROSSED,
        placement=Placement.CROSSED,
        text=describe_parts(parts),
        turns=(),
        parts=parts,
        form="",
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
    said = [turn.content.strip() for turn in cue.turns if turn.role != "assistant"]
    text = "\n\n".join(filter(None, said))
    if text:
        yield text
