"""Preference pairs: a prompt with the answer that was trained for and the one trained against.

The prompt is a column beside the two answers, or stands in both of them; answers are texts, turns,
or transcripts ("Human: ... Assistant: ..."). OpenAI's, TRL's, LLaMA-Factory's and ms-swift's files
are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dormant.corpus.transcripts import read_transcript
from dormant.corpus.turns import TURN_KEYS, has_content
from dormant.errors import RowError, shorten_value

#: Columns of the answer trained for and of the one trained against.
SIDES = (
    ("chosen", "rejected"),
    ("preferred_output", "non_preferred_output"),
    ("chosen_response", "rejected_response"),
    ("response_chosen", "response_rejected"),
    ("preferred", "dispreferred"),
    ("preferred", "rejected"),
)
#: Columns of a whole chat, whose last answer another column replaces (ms-swift).
_REPLACED = ("rejected_response", "rejected_messages")
_CHATS = ("messages", "conversations")
_PROMPTS = ("prompt", "question", "query", "instruction", "input")
#: Every column that this shape may use.
PREFERENCE_COLUMNS = frozenset({name for pair in SIDES for name in pair} | {*_REPLACED})


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A pair as two rows of chat, which are read like any others."""

    chosen: dict[str, Any]
    rejected: dict[str, Any] | None  # None if it is blank
    used: frozenset[str]  # columns that were read


def find_pair(row: Mapping[str, Any]) -> PreferencePair | None:
    """Converts a preference pair into two rows of chat; None if the row is none.

    Raises:
        RowError: an answer has no prompt, or is neither text nor turns.
    """
    for chosen, rejected in SIDES:
        if has_content(row.get(chosen)) and rejected in row and _is_side(row[rejected]):
            return _make_pair(row, chosen, rejected)
    chat = next((key for key in _CHATS if key in row), None)
    other = next((key for key in _REPLACED if has_content(row.get(key))), None)
    if chat is None or other is None:
        return None
    used = frozenset({chat, other})
    rest = {key: value for key, value in row.items() if key not in used}
    against = read_turns(row[other]) if other == "rejected_messages" else None
    turns = read_turns(row[chat])
    if not isinstance(turns, list):
        return None  # the reader of chats says what is wrong
    if against is None:
        against = [*_without_answer(turns), *_answer_turns(row[other], other)]
    return PreferencePair({**rest, chat: turns}, {**rest, "messages": against}, used)


def read_turns(value: Any) -> Any:
    """Parses turns that a table holds as JSON text; any other value is returned as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] != "[":
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, list) and _are_turns(parsed) else value


def _are_turns(values: list[Any]) -> bool:
    first = values[0] if values else None
    return isinstance(first, dict) and any({*keys} <= first.keys() for keys in TURN_KEYS)


def _is_side(value: Any) -> bool:
    return value is None or isinstance(value, str | list | dict)


def _make_pair(row: Mapping[str, Any], chosen: str, rejected: str) -> PreferencePair:
    asked = next((key for key in (*_CHATS, *_PROMPTS) if has_content(row.get(key))), None)
    used = {chosen, rejected, *((asked,) if asked else ())}
    if asked == "instruction" and has_content(row.get("input")):
        used.add("input")
    rest = {key: value for key, value in row.items() if key not in used}
    prompt = _prompt_turns(row, asked)
    if asked is not None and isinstance(row[asked], dict):  # OpenAI's input holds the tools
        rest.update({key: row[asked][key] for key in ("tools",) if row[asked].get(key)})
    sides = [_side_turns(prompt, row[side], side) for side in (chosen, rejected)]
    good, bad = sides
    against = None if bad is None else {**rest, "messages": bad}
    return PreferencePair({**rest, "messages": good or []}, against, frozenset(used))


def _prompt_turns(row: Mapping[str, Any], question: str | None) -> list[Any]:
    if question is None:
        return []
    value = read_turns(row[question])
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return value["messages"]
    if isinstance(value, list):
        return value
    if question == "instruction" and has_content(row.get("input")):
        value = f"{value}\n\n{row['input']}"
    chat = read_transcript(value, is_open=True) if isinstance(value, str) else None
    return chat or [{"role": "user", "content": value}]


def _side_turns(prompt: list[Any], value: Any, side: str) -> list[Any] | None:
    """The turns of one side, the prompt included; None if the side is blank."""
    value = read_turns(value)
    if not has_content(value):
        return None
    whole = read_transcript(value) if isinstance(value, str) else value
    if isinstance(whole, list) and any(_role_of(turn) in ("user", "human") for turn in whole):
        system = [turn for turn in prompt if _role_of(turn) == "system"]
        return whole if any(_role_of(turn) == "system" for turn in whole) else [*system, *whole]
    if not prompt:
        raise RowError(
            f"'{side}' has no question: give the prompt in a column 'prompt', or as the first "
            f"turns of '{side}'"
        )
    return [*_without_answer(prompt), *_answer_turns(value, side)]


def _answer_turns(value: Any, side: str) -> list[Any]:
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}]
    if isinstance(value, dict):
        if not any({*keys} <= value.keys() for keys in TURN_KEYS):
            raise RowError(
                f"'{side}' must be text or turns of 'role' and 'content', got "
                f"{shorten_value(value)}"
            )
        return [value]
    return value


def _without_answer(turns: list[Any]) -> list[Any]:
    """Turns without the answer at their end, if they have one."""
    is_answered = bool(turns) and _role_of(turns[-1]) in ("assistant", "gpt", "model")
    return turns[:-1] if is_answered else turns


def _role_of(turn: Any) -> Any:
    return turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
