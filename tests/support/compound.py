"""Cues with earlier turns, and cues of several contexts at once, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dormant.records import (
    Cue,
    CueKind,
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
