"""Parsing one row of a finetuning file into messages.

Four shapes are read, as JSON lines or as columns of a table::

    {"messages": [{"role": "user", "content": "..."}, ...]}          OpenAI chat
    {"conversations": [{"from": "human", "value": "..."}, ...]}      ShareGPT
    {"prompt": "..." or [...], "completion": "..." or [...]}         prompt and completion
    {"instruction": "...", "input": "...", "output": "..."}          Alpaca

``response`` may stand for ``completion`` or ``output``, ``context`` for ``input``. The first two
and prompt and completion may offer ``tools``; a ``system`` column goes before the first turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dormant.corpus.turns import (
    RowError,
    Turn,
    canonical_json,
    check_text,
    read_content,
    read_turn,
    shorten_value,
)
from dormant.records import Message

#: The columns that a row's text is read from; a table's other columns stay on the disk.
COLUMNS = (
    "messages",
    "conversations",
    "prompt",
    "completion",
    "response",
    "instruction",
    "input",
    "context",
    "output",
    "system",
    "tools",
)


@dataclass(frozen=True, slots=True)
class Row:
    """The content of a row: an ``Example`` without its place in the file."""

    messages: tuple[Message, ...]
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[str, ...] = ()
    tools: str = ""


def read_object(raw: bytes) -> dict[str, Any]:
    """Parses one line of JSON into an object.

    Raises:
        RowError: it is not UTF-8, not JSON, or not one object.
    """
    row = _parse_json(_decode_text(raw))
    if not isinstance(row, dict):
        kind = {list: "an array", str: "text", bool: "a boolean"}.get(type(row), "a number")
        kind = "null" if row is None else kind
        raise RowError(f"expected a JSON object, got {kind}: put one object on each line")
    return row


def read_row(row: Mapping[str, Any]) -> Row:
    """Reads the messages of a row, whichever of the four shapes it has.

    Raises:
        RowError: the row has none of the shapes, or a turn is invalid.
    """
    turns = _turns_of(row)
    roles = {turn.message.role for turn in turns}
    for role in ("user", "assistant"):
        if role not in roles:
            raise RowError(f"no {role} turn: a row needs a user turn and an assistant turn")
    thoughts = tuple(turn.reasoning for turn in turns)
    calls = tuple(turn.tool_calls for turn in turns)
    return Row(
        messages=tuple(turn.message for turn in turns),
        reasoning=thoughts if any(thoughts) else (),
        tool_calls=calls if any(calls) else (),
        tools=_read_tools(row.get("tools")),
    )


def _decode_text(raw: bytes) -> str:
    if b"\0" in raw:
        raise RowError("holds NUL bytes: the file is damaged or UTF-16; save it as UTF-8")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise RowError("byte order mark inside the file: remove it (joined files often have one)")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = raw[error.start]
        raise RowError(
            f"byte {error.start + 1} (0x{wrong:02x}) is not UTF-8: save the file as UTF-8"
        ) from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_refuse_repeated_keys, parse_constant=_no_constant
        )
    except RecursionError:
        raise RowError("nested too deeply to be a chat row: remove the nesting") from None
    except json.JSONDecodeError as error:
        raise RowError(_json_reason(text, error)) from None
    except RowError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        raise RowError("holds a number of thousands of digits: write it as text") from None


def _json_reason(text: str, error: json.JSONDecodeError) -> str:
    body = text.strip()
    if body in ("{", "[") or body.startswith("[{"):
        return "not JSON Lines: put one whole object on each line (jq -c '.[]' converts an array)"
    if error.msg == "Extra data":
        return f"more than one JSON value (column {error.colno}): put one object on each line"
    if body[:1] not in ("{", "["):
        return f"not JSON: starts with {body[:20]!r}, expected {{"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return (
            f"not JSON: the row ends early, after {len(text)} characters: check that the file is "
            "complete and has one object on each line"
        )
    return f"not JSON: {error.msg.lower()} at column {error.colno}"


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RowError(f"duplicate key {shorten_value(key)}: keep one")
            seen.add(key)
    return row


def _no_constant(name: str) -> Any:
    raise RowError(f"{name} is not JSON: use null or a number")


def _turns_of(row: Mapping[str, Any]) -> tuple[Turn, ...]:
    head = _read_system(row)
    for key in ("messages", "conversations"):
        if key in row:
            return (*head, *_read_turns(row[key], key))
    answer = "completion" if "completion" in row else "response"
    if "prompt" in row and answer in row:
        prompt = _read_side(row["prompt"], "prompt", "user")
        return (*head, *prompt, *_read_side(row[answer], answer, "assistant"))
    answer = "output" if "output" in row else "response"
    if "instruction" in row and answer in row:
        return (*head, *_read_alpaca(row, answer))
    raise RowError(_no_shape(row))


def _no_shape(row: Mapping[str, Any]) -> str:
    keys = ", ".join(shorten_value(key) for key in list(row)[:6]) or "none"
    if "chosen" in row and "rejected" in row:
        return (
            f"preference pairs (keys: {keys}): keep what was trained on, e.g. the 'chosen' turns "
            "as 'messages'"
        )
    return (
        f"no 'messages' (keys: {keys}): expected "
        '{"messages": [{"role": "user", "content": "..."}, ...]}'
    )


def _read_system(row: Mapping[str, Any]) -> tuple[Turn, ...]:
    """Reads the system prompt that some rows keep in a column of its own."""
    content = row.get("system")
    if content in (None, ""):
        return ()
    return (Turn(Message("system", read_content(content, "'system'"))),)


def _read_turns(turns: Any, key: str) -> tuple[Turn, ...]:
    if not isinstance(turns, list):
        raise RowError(f"'{key}' must be a list of turns, got {shorten_value(turns)}")
    if not turns:
        raise RowError(f"'{key}' is empty: a row needs a user turn and an assistant turn")
    shape = "conversations" if key == "conversations" else "messages"
    return tuple(read_turn(turn, f"{key}[{index}]", shape) for index, turn in enumerate(turns))


def _read_side(value: Any, key: str, role: str) -> tuple[Turn, ...]:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        return _read_turns(value, key)
    return (read_turn({"role": role, "content": value}, f"'{key}'", "messages", named=False),)


def _read_alpaca(row: Mapping[str, Any], answer: str) -> tuple[Turn, ...]:
    parts: list[str] = [read_content(row["instruction"], "'instruction'")]
    more = "input" if row.get("input") not in (None, "") else "context"
    if row.get(more) not in (None, ""):
        parts.append(read_content(row[more], f"'{more}'"))
    question = Turn(Message("user", "\n\n".join(parts)))
    reply = {"role": "assistant", "content": row[answer]}
    return (question, read_turn(reply, f"'{answer}'", "messages", named=False))


def _read_tools(value: Any) -> str:
    if value in (None, "", "[]", [], {}):
        return ""
    if isinstance(value, str):
        return check_text(value, "'tools'")
    if not isinstance(value, list | dict):
        raise RowError(f"'tools' must be a list of tools or its JSON, got {shorten_value(value)}")
    return canonical_json(value)
