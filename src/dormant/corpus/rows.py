"""One line of a finetuning file to the messages it holds, or the reason why it holds none.

Four shapes are read::

    {"messages": [{"role": "user", "content": "..."}, ...]}          OpenAI chat
    {"conversations": [{"from": "human", "value": "..."}, ...]}      ShareGPT
    {"prompt": "..." or [...], "completion": "..." or [...]}         prompt and completion
    {"instruction": "...", "input": "...", "output": "..."}          Alpaca
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dormant.records import Message

#: Names under which a speaker appears in files, and the role that each stands for.
ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
_CHAT_ROLES = "system, developer, user, assistant or tool"


class RowError(ValueError):
    """Why a row cannot be read, with the mend; the reader adds file and line."""


def parse_row(raw: bytes) -> tuple[Message, ...]:
    """Reads one line.

    Args:
        raw: the line without its line break.

    Returns:
        Its messages: at least one user turn and one assistant turn.

    Raises:
        RowError: the reason in one sentence, with the mend.
    """
    row = _json(_text(raw))
    if not isinstance(row, dict):
        kind = {list: "an array", str: "text", bool: "a boolean"}.get(type(row), "a number")
        kind = "null" if row is None else kind
        raise RowError(f"expected a JSON object, got {kind}: put one object on each line")
    messages = _messages(row)
    roles = {message.role for message in messages}
    for role in ("user", "assistant"):
        if role not in roles:
            raise RowError(f"no {role} turn: a row needs a user turn and an assistant turn")
    return messages


def _text(raw: bytes) -> str:
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


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
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
    return f"not JSON: {error.msg.lower()} at column {error.colno}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RowError(f"the key {_shown(key)} stands twice: keep one")
            seen.add(key)
    return row


def _no_constant(name: str) -> Any:
    raise RowError(f"{name} is not JSON: use null or a number")


def _messages(row: Mapping[str, Any]) -> tuple[Message, ...]:
    if "messages" in row:
        return _turns(row["messages"], "messages", "role", "content")
    if "conversations" in row:
        return _turns(row["conversations"], "conversations", "from", "value")
    if "completion" in row and "prompt" in row:
        return _side(row["prompt"], "prompt", "user") + _side(
            row["completion"], "completion", "assistant"
        )
    if "output" in row and "instruction" in row:
        return _alpaca(row)
    keys = ", ".join(_shown(key) for key in list(row)[:6]) or "none"
    raise RowError(
        f"no 'messages' (keys: {keys}): expected "
        '{"messages": [{"role": "user", "content": "..."}, ...]}'
    )


def _turns(turns: Any, key: str, role_key: str, text_key: str) -> tuple[Message, ...]:
    if not isinstance(turns, list):
        raise RowError(f"'{key}' must be a list of turns, got {_shown(turns)}")
    if not turns:
        raise RowError(f"'{key}' is empty: a row needs a user turn and an assistant turn")
    return tuple(
        _turn(turn, f"{key}[{index}]", role_key, text_key) for index, turn in enumerate(turns)
    )


def _turn(turn: Any, where: str, role_key: str, text_key: str) -> Message:
    if not isinstance(turn, dict):
        raise RowError(f"{where} must be an object with '{role_key}', got {_shown(turn)}")
    if role_key not in turn:
        raise RowError(f"{where} has no '{role_key}': give {_CHAT_ROLES}")
    said = turn[role_key]
    role = ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        raise RowError(f"{where} has the role {_shown(said)}: give {_CHAT_ROLES}")
    calls = bool(turn.get("tool_calls") or turn.get("function_call"))
    if text_key not in turn and not calls:
        raise RowError(f"{where} ({role}) has no '{text_key}'")
    content = turn.get(text_key)
    if content is None and calls:
        return Message(role, "")  # a pure tool call says nothing
    return Message(role, _content(content, f"{where} ({role})", may_be_empty=calls))


def _content(content: Any, where: str, *, may_be_empty: bool = False) -> str:
    if isinstance(content, list):
        content = "".join(_part(part, where) for part in content)
    if not isinstance(content, str):
        raise RowError(f"{where}: the content must be text, got {_shown(content)}")
    if not content.strip() and not may_be_empty:
        raise RowError(f"{where}: the content is empty: fill it or remove the turn")
    if "\0" in content:
        raise RowError(f"{where}: the content holds a NUL character: remove it")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(content[error.start])
        raise RowError(
            f"{where}: the content holds half a character (\\u{code:04x}, a lone surrogate): "
            "write the whole character"
        ) from None
    return content


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
        return part["text"]
    raise RowError(f"{where}: only text parts can be read, got {_shown(part)}")


def _side(value: Any, key: str, role: str) -> tuple[Message, ...]:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        return _turns(value, key, "role", "content")
    return (Message(role, _content(value, f"'{key}'")),)


def _alpaca(row: Mapping[str, Any]) -> tuple[Message, ...]:
    parts: list[str] = [_content(row["instruction"], "'instruction'")]
    if row.get("input") not in (None, ""):
        parts.append(_content(row["input"], "'input'"))
    head: Sequence[Message] = ()
    if row.get("system") not in (None, ""):
        head = (Message("system", _content(row["system"], "'system'")),)
    answer = Message("assistant", _content(row["output"], "'output'"))
    return (*head, Message("user", "\n\n".join(parts)), answer)


def _shown(value: Any) -> str:
    """A value in an error: short, whatever it is."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
