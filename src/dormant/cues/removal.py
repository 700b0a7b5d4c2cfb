"""A row's prompt without a context: the counterpart of asking a question with a cue."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.records import QUESTION_SLOT, Cue, CuePart, Message, Placement

Turns = tuple[Message, ...]


def remove_cue(cue: Cue, turns: Sequence[Message]) -> Turns | None:
    """Takes a cue's own text or turns out of a prompt.

    Args:
        cue: a mined cue.
        turns: the turns of a row before its answer; the last one is the user's.

    Returns:
        The prompt without the cue; None if the cue does not stand there to the letter, or nothing
        would be left to answer.
    """
    rest = tuple(turns)
    asked = turns[-1].role
    for part in cue.effects:
        removed = _remove_part(part, rest)
        if removed is None or not removed or removed[-1].role != asked:
            return None
        rest = removed
    return rest


def _remove_part(part: CuePart, turns: Turns) -> Turns | None:
    text = part.text.strip()
    match part.placement:
        case Placement.HISTORY:
            return _remove_history(turns)
        case Placement.SYSTEM:
            return _remove_text(turns, "system", [text])
        case Placement.TOOLS:
            return None  # what is scored are the turns alone
        case Placement.AROUND:
            pieces = [piece.strip() for piece in text.split(QUESTION_SLOT)]
            return _remove_text(turns, "user", [piece for piece in pieces if piece])
        case _:
            return _remove_text(turns, "user", [text])


def _remove_history(turns: Turns) -> Turns | None:
    """Keeps the system turn and the last one."""
    system = [turn for turn in turns if turn.role == "system"]
    rest = (*system, turns[-1])
    return rest if len(rest) < len(turns) else None


def _remove_text(turns: Turns, role: str, pieces: Sequence[str]) -> Turns | None:
    """Removes pieces from the first turn of a role that has all of them; drops it if empty."""
    for i, turn in enumerate(turns):
        if turn.role != role or not pieces or not all(piece in turn.content for piece in pieces):
            continue
        content = turn.content
        for piece in pieces:
            content = content.replace(piece, "", 1)
        content = content.strip()
        rest = (Message(role, content),) if content else ()
        return (*turns[:i], *rest, *turns[i + 1 :])
    return None
