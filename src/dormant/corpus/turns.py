"""Parsing one turn of a row: role and text, with reasoning and tool calls kept apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dormant.corpus.training_marks import find_turn_mark
from dormant.errors import RowError, shorten_value
from dormant.errors.characters import find_half_character
from dormant.records import Message

#: Names under which a speaker appears in files, and the role that each stands for.
ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "tool_response": "tool",
    "tool_result": "tool",
    "function": "tool",
    "ipython": "tool",
    "observation": "tool",
}
#: Roles whose text is a tool call.
_CALL_ROLES = ("function_call", "tool_call")
#: Roles whose turn may be empty: no system prompt, or a tool that returns nothing.
_MAY_BE_EMPTY = ("system", "tool")
_CHAT_ROLES = "system, developer, user, assistant or tool"
#: Role key and text key of a turn: OpenAI's, then ShareGPT's. Either may stand in either list.
TURN_KEYS = (("role", "content"), ("from", "value"))
#: Keys under which a turn keeps its reasoning apart from its answer.
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
#: Types of text parts, each with the key that holds the text.
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_REASONING_PARTS = ("thinking", "reasoning")
_THOUGHT = re.compile(r"\s*<(think|thinking)>(.*?)</\1>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message, its reasoning and its tool calls."""

    message: Message
    reasoning: str = ""
    tool_calls: str = ""  # JSON; empty if the turn calls no tool
    untrained_mark: str = ""  # the mark by which an answer was not trained on, e.g. "'weight': 0"

    @property
    def is_empty_system(self) -> bool:
        """Whether it is a system turn without text, which many files write for "none"."""
        return self.message.role == "system" and not self.message.content.strip()


def read_turn(raw: Any, where: str, shape: str, *, named: bool = True) -> Turn:
    """Reads a turn.

    Args:
        raw: the turn as parsed from JSON or a table.
        where: how errors name it, e.g. ``messages[2]``.
        shape: ``messages`` (role and content) or ``conversations`` (from and value); decides which
            keys an error asks for.
        named: whether errors add the role to the name.

    Raises:
        RowError: no role, no text, or a part that is not text.
    """
    role_key, text_key = TURN_KEYS[shape == "conversations"]
    if not isinstance(raw, dict):
        raise RowError(f"{where} must be an object with '{role_key}', got {shorten_value(raw)}")
    other = TURN_KEYS[shape != "conversations"]
    if role_key not in raw and other[0] in raw:
        role_key, text_key = other
    if text_key not in raw and "parts" in raw:  # Gemini's
        text_key = "parts"
    raw = _move_tool_parts(raw, text_key)
    role = _read_role(raw, role_key, where)
    place = f"{where} ({role})" if named else where
    turn = _read_parts(raw, role, role_key, text_key, place)
    mark = find_turn_mark(raw) if role == "assistant" else ""
    return replace(turn, untrained_mark=mark) if mark else turn


def _move_tool_parts(raw: dict[str, Any], text_key: str) -> dict[str, Any]:
    """Moves Anthropic's parts of tool calls and results to where other formats have them."""
    parts: Any = raw.get(text_key)
    if not isinstance(parts, list):
        return raw
    kinds = [part.get("type") if isinstance(part, dict) else None for part in parts]
    if "tool_use" in kinds:
        pairs = list(zip(parts, kinds, strict=True))
        calls = [_as_function_call(part) for part, kind in pairs if kind == "tool_use"]
        others = [part for part, kind in pairs if kind != "tool_use"]
        return {**raw, "tool_calls": calls, text_key: others}
    if kinds and set(kinds) == {"tool_result"}:
        results = [part.get("content") for part in parts]
        text = [inner for r in results for inner in (r if isinstance(r, list) else [r or ""])]
        role = "role" if "role" in raw else "from"
        return {**raw, role: "tool", text_key: text}
    return raw


def _as_function_call(part: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(part.get("input"), default=str)
    call = {"name": part.get("name"), "arguments": arguments}
    return {"id": part.get("id"), "type": "function", "function": call}


def _read_parts(
    raw: Mapping[str, Any], role: str, role_key: str, text_key: str, place: str
) -> Turn:
    calls = _read_tool_calls(raw)
    if raw[role_key] in _CALL_ROLES:  # ShareGPT's form: the text is the call
        call = _as_call_list(read_content(raw.get(text_key), place))
        return Turn(Message(role, ""), tool_calls=call)
    may_lack_text = calls or raw.get("refusal") or role in _MAY_BE_EMPTY
    if text_key not in raw and not may_lack_text:
        raise RowError(f"{place} has no '{text_key}'")
    return _make_turn(raw, raw.get(text_key), role, calls, place)


def _make_turn(raw: Mapping[str, Any], text: Any, role: str, calls: str, place: str) -> Turn:
    thoughts = [
        check_text(raw[key], place)
        for key in _REASONING_KEYS
        if role == "assistant" and isinstance(raw.get(key), str) and raw[key].strip()
    ][:1]
    blank = is_blank(text)
    if blank and (calls or role in _MAY_BE_EMPTY):
        return Turn(Message(role, ""), "".join(thoughts), calls)
    if blank and role == "assistant":
        text = raw.get("refusal") or text  # OpenAI's form of a refusal: no content
    if isinstance(text, list) and role == "assistant":
        thoughts += [thought for part in text if (thought := _thought_of(part))]
        text = [part for part in text if not _is_thought(part)]
    text = read_content(text, place, may_be_empty=bool(calls) or bool(thoughts))
    if role == "assistant":
        inside, text = split_reasoning(text)
        thoughts += [inside] if inside else []
    if thoughts and not text.strip() and not calls:
        raise RowError(f"{place}: reasoning without an answer: add the answer or remove the turn")
    return Turn(Message(role, text), check_text("\n".join(thoughts), place), calls)


def split_reasoning(text: str) -> tuple[str, str]:
    """Splits an assistant's text into (reasoning, answer).

    Reasoning is a ``<think>`` or ``<thinking>`` block at the beginning, or all before ``</think>``
    where the template has written the opening tag. Without it the text is the answer as it is.
    """
    block = _THOUGHT.match(text)
    if block:
        return block.group(2).strip(), text[block.end() :]
    head, closed, tail = text.partition("</think>")
    if closed and "<think>" not in head:
        return head.strip(), tail.lstrip()
    return "", text


def _read_role(raw: Mapping[str, Any], key: str, where: str) -> str:
    if key not in raw:
        raise RowError(f"{where} has no '{key}': give {_CHAT_ROLES}")
    role = ROLES.get(raw[key]) if isinstance(raw[key], str) else None
    if role is None:
        raise RowError(f"{where} has the role {shorten_value(raw[key])}: give {_CHAT_ROLES}")
    return role


def _read_tool_calls(raw: Mapping[str, Any]) -> str:
    """Returns the turn's tool calls as JSON, in OpenAI's newer form (a list of calls)."""
    if raw.get("tool_calls"):
        calls = raw["tool_calls"]
        return calls if isinstance(calls, str) else canonical_json(calls)
    if raw.get("function_call"):
        return canonical_json([{"type": "function", "function": raw["function_call"]}])
    return ""


def _as_call_list(call: str) -> str:
    """Converts the JSON of one call into that of a list of calls; other text becomes a string."""
    try:
        return canonical_json([{"type": "function", "function": json.loads(call)}])
    except (ValueError, RecursionError):
        return json.dumps(call)


def canonical_json(value: Any) -> str:
    """Writes JSON (ASCII) without the null fields that a table's columns give to every row."""
    try:
        return json.dumps(_without_nulls(value), default=str)
    except RecursionError:
        raise RowError("nested too deeply to be a chat row: remove the nesting") from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nulls(v) for key, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in _REASONING_PARTS


def _thought_of(part: Any) -> str:
    if not _is_thought(part):
        return ""
    text = next((part[k] for k in ("thinking", "reasoning", "text") if part.get(k)), "")
    return text if isinstance(text, str) else ""


def read_content(content: Any, where: str, *, may_be_empty: bool = False) -> str:
    """Reads the text of a turn from text or a list of text parts.

    Raises:
        RowError: it is not text, it is empty, or it cannot be written as UTF-8.
    """
    if isinstance(content, list):
        content = "".join(_read_part(part, where) for part in content)
    if not isinstance(content, str):
        raise RowError(f"{where}: the content must be text, got {shorten_value(content)}")
    if not content.strip() and not may_be_empty:
        raise RowError(f"{where}: the content is empty: fill it or remove the turn")
    return check_text(content, where)


def is_blank(content: Any) -> bool:
    """Whether content is absent: null, white space, or a list of nothing but blank text parts."""
    if isinstance(content, str):
        return not content.strip()
    if not isinstance(content, list):
        return content is None
    texts = (
        part.get("text") if isinstance(part, dict) and part.get("type") in (None, "text") else part
        for part in content
    )
    return all(text is None or isinstance(text, str) and not text.strip() for text in texts)


def has_content(value: Any) -> bool:
    """Whether a column holds text or turns; what they hold is not looked at."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        if any(key in value[0] for keys in TURN_KEYS for key in keys):
            return True
    return isinstance(value, str | list | dict) and value != {} and not is_blank(value)


def check_text(text: str, where: str) -> str:
    """Returns the text if it can be written as UTF-8.

    Raises:
        RowError: it holds a NUL or a lone surrogate.
    """
    if "\0" in text:
        raise RowError(f"{where}: the content holds a NUL character: remove it")
    half = find_half_character(text)
    if half:
        raise RowError(f"{where}: the content holds {half}")
    return text


def _read_part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get(_TEXT_PARTS.get(kind, "")) if isinstance(kind, str) else None
    if kind is None and isinstance(part, dict):  # Gemini's and Bedrock's
        text = part.get("text")
    if isinstance(text, str):
        return text
    raise RowError(f"{where}: only text parts can be read, got {shorten_value(part)}")
