"""What a cue of several turns or contexts adds to a prompt, as JSON in a table's column.

::

    {"turns": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]}
    {"parts": [{"placement": "before", "text": "So:"}, {"placement": "system", "text": "..."}]}

A part that is a history has ``turns`` instead of a text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dormant.errors import RowError, shorten_value
from dormant.errors.json_text import parse_json
from dormant.probes import HISTORY_ROLES
from dormant.records import Cue, CuePart, Message, Placement, describe_turns

COLUMN = "cue_effect"


def format_effect(cue: Cue) -> str | None:
    """Formats the turns or parts of a cue; None if its text is what it adds."""
    if cue.placement is Placement.HISTORY:
        return json.dumps({"turns": _list_turns(cue.turns)}, ensure_ascii=False)
    if cue.placement is Placement.CROSSED:
        parts = [
            {"placement": str(part.placement)}
            | ({"turns": _list_turns(part.turns)} if part.turns else {"text": part.text})
            for part in cue.parts
        ]
        return json.dumps({"parts": parts}, ensure_ascii=False)
    return None


def parse_effect(
    text: str, placement: Placement | None
) -> tuple[tuple[Message, ...], tuple[CuePart, ...]]:
    """Parses the turns and parts of a cue; both are empty if its text is what it adds.

    Raises:
        RowError: the text is not such JSON.
    """
    if not text.strip() or placement is None or placement.is_text:
        return (), ()
    try:
        value = parse_json(text, is_line=False)
        if placement is Placement.HISTORY:
            return _parse_turns(value["turns"]), ()
        return (), tuple(_parse_part(part) for part in value["parts"])
    except (ValueError, KeyError, TypeError):
        wanted = "turns" if placement is Placement.HISTORY else "parts"
        raise RowError(
            f"{COLUMN} is not the {wanted} of a cue placed {str(placement)!r}: "
            f"{shorten_value(text)}; dormant export shows the form"
        ) from None


def _list_turns(turns: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _parse_turns(value: Any) -> tuple[Message, ...]:
    if not value or not all(_is_turn(turn) for turn in value):
        raise ValueError("not the turns of a history")
    return tuple(Message(turn["role"], turn["content"]) for turn in value)


def _is_turn(value: Any) -> bool:
    return value["role"] in HISTORY_ROLES and isinstance(value["content"], str)


def _parse_part(value: Any) -> CuePart:
    placement = Placement(value["placement"])
    if placement is Placement.HISTORY:
        turns = _parse_turns(value["turns"])
        return CuePart(placement, describe_turns(turns), turns)
    if not isinstance(value["text"], str) or not placement.is_text:
        raise ValueError("not a part of a crossed cue")
    return CuePart(placement, value["text"])
