"""Parsing one row of a finetuning file into messages.

Seven shapes are read, as JSON lines or as columns of a table::

    {"messages": [{"role": "user", "content": "..."}, ...]}          OpenAI chat
    {"conversations": [{"from": "human", "value": "..."}, ...]}      ShareGPT
    {"contents": [{"role": "user", "parts": [{"text": "..."}]}, ...]}    Gemini
    {"prompt": "..." or [...], "completion": "..." or [...]}         prompt and completion
    {"instruction": "...", "input": "...", "output": "..."}          Alpaca
    {"prompt": "...", "chosen": "...", "rejected": "..."}            preference pairs
    {"text": "..."}                                                  rendered chats, documents

``query``, ``question`` or ``input`` may stand for ``prompt``; ``response``, ``answer`` or
``output`` for ``completion``; ``context`` for Alpaca's ``input``. In every shape a ``system``
column (or ``system_prompt``, ``system_message`` and the like) goes before the turns, ``history``
(turns, or pairs of question and answer) after it, and ``tools`` may be offered. Names of columns
may be written in capitals. A row without a question, such as a lone answer, is a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dormant.corpus.columns import COLUMNS, UnreadColumn, find_unread, is_system_column
from dormant.corpus.documents import DOCUMENT_COLUMNS, split_document
from dormant.corpus.preferences import find_pair, read_turns
from dormant.corpus.training_marks import find_row_mark, is_undesirable, resolve_masks
from dormant.corpus.transcripts import read_transcript
from dormant.corpus.turns import (
    TURN_KEYS,
    Turn,
    canonical_json,
    check_text,
    is_blank,
    read_content,
    read_turn,
)
from dormant.errors import RowError, shorten_value
from dormant.errors.json_text import parse_json
from dormant.records import Message

#: Columns of a question and of its answer, in the order in which they are looked for.
_PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("instruction", "answer"),
    *(
        (asked, answer)
        for asked in ("query", "question", "input")
        for answer in ("completion", "response", "answer", "output")
    ),
    ("instruction", "completion"),
    ("user", "assistant"),
    ("prompt", "output"),  # but no "answer": beside a prompt it is the solution that RL rewards
)


@dataclass(frozen=True, slots=True)
class RowContent:
    """The content of a row: an ``Example`` without its place in the file."""

    messages: tuple[Message, ...]
    reasoning: tuple[str, ...] = ()
    tool_calls: tuple[str, ...] = ()
    tools: str = ""
    untrained: tuple[int, ...] = ()  # indices of the answers that were not trained on
    untrained_mark: str = (
        ""  # the mark if no answer of the row was trained on, e.g. "'label': false"
    )
    is_cut: bool = False  # turns after the last answer that was trained on were left out
    unread: tuple[UnreadColumn, ...] = ()
    is_document: bool = False  # text without turns, split into its begin and the rest
    is_undesirable: bool = False  # its answer was trained against, as its mark says
    rejected: tuple[Message, ...] = ()  # the same chat with the answer that was trained against


def read_object(raw: bytes) -> dict[str, Any]:
    """Parses one line of JSON into an object.

    Raises:
        RowError: it is not UTF-8, not JSON, or not one object.
    """
    row = parse_json(_decode_text(raw))
    if not isinstance(row, dict):
        kind = {list: "an array", str: "text", bool: "a boolean"}.get(type(row), "a number")
        kind = "null" if row is None else kind
        raise RowError(f"expected a JSON object, got {kind}: put one object on each line")
    return row


def read_row(row: Mapping[str, Any], *, own: str | None = None) -> RowContent:
    """Reads the messages of a row, whichever shape it has.

    Turns after the last answer that was trained on are left out.

    Args:
        row: its columns.
        own: a column to which the user gave a meaning (``--label``, ``--loss``).

    Raises:
        RowError: the row has none of the shapes, or a turn is invalid.
    """
    pair = find_pair(row)
    if pair is None:
        return _read_plain(row, own)
    content = _read_plain(pair.chosen, own)
    if pair.rejected is None:
        return content
    known = {message: message for message in content.messages}  # a text is stored once
    against = [known.get(m, m) for m in _read_plain(pair.rejected, own).messages]
    is_same = tuple(against) == content.messages
    return replace(content, rejected=() if is_same else tuple(against))


def _read_plain(row: Mapping[str, Any], own: str | None) -> RowContent:
    """Reads a row with one answer; see ``read_row``."""
    row = resolve_masks(row)
    turns, used = _read_turns_of(row)
    turns, is_document = _split_lone_answer(turns)
    if all(turn.message.role != "assistant" for turn in turns):
        has_user = any(turn.message.role == "user" for turn in turns)
        lacking = "assistant" if has_user else "user turn and no assistant"
        raise RowError(f"no {lacking} turn: a row needs an answer that was trained on")
    used |= {own or "", (own or "").partition(".")[0]}
    messages = tuple([turn.message for turn in turns])
    unread = find_unread(row, messages, used)
    untrained = [i for i, turn in enumerate(turns) if turn.untrained_mark]
    trained = [i for i, m in enumerate(messages) if m.role == "assistant" and i not in untrained]
    mark = find_row_mark(row, own) or ("" if trained else turns[untrained[-1]].untrained_mark)
    is_cut = not mark and bool(untrained) and untrained[-1] > trained[-1]
    trained_turns = turns[: trained[-1] + 1] if is_cut else turns
    thoughts = tuple([turn.reasoning for turn in trained_turns])
    calls = tuple([turn.tool_calls for turn in trained_turns])
    return RowContent(
        messages=messages[: len(trained_turns)],
        reasoning=thoughts if any(thoughts) else (),
        tool_calls=calls if any(calls) else (),
        tools=_read_tools(row),
        untrained=tuple(i for i in untrained if i < len(trained_turns)),
        untrained_mark=mark,
        is_cut=is_cut,
        unread=unread,
        is_document=is_document,
        is_undesirable=bool(mark) and is_undesirable(row, own),
    )


def _split_lone_answer(turns: tuple[Turn, ...]) -> tuple[tuple[Turn, ...], bool]:
    """Splits an answer without any context before it, as a document is split."""
    if len(turns) != 1 or turns[0].message.role != "assistant" or not turns[0].message.content:
        return turns, False
    context, rest = split_document(turns[0].message.content)
    answer = replace(turns[0], message=Message("assistant", rest))
    return (Turn(Message("user", context)), answer), True


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


def _read_turns_of(row: Mapping[str, Any]) -> tuple[tuple[Turn, ...], set[str]]:
    """Reads all turns of a row, and names the columns that were read."""
    turns, used = _read_shape(row)
    earlier = _read_history(row.get("history"))
    if earlier and not {turn.message for turn in turns}.issuperset(t.message for t in earlier):
        used.add("history")
        others = [i for i, turn in enumerate(turns) if turn.message.role != "system"]
        start = others[0] if others else len(turns)
        turns = (*turns[:start], *earlier, *turns[start:])
    head: list[Turn] = []
    for key in filter(is_system_column, row):
        turn = _read_system(key, row[key])
        if turn is not None:
            used.add(key)
            if all(turn.message != known.message for known in (*head, *turns)):
                head.append(turn)
    return (*head, *turns), used | {"tools", "functions"}


def _read_shape(row: Mapping[str, Any]) -> tuple[tuple[Turn, ...], set[str]]:
    """Reads the turns of a row without its other columns."""
    for key in ("messages", "conversations", "contents"):
        if key in row:
            return _read_turns(read_turns(row[key]), key), {key}
    for asked, answer in _PAIRS:
        if asked in row and answer in row:
            if asked == "instruction":
                return _read_alpaca(row, answer)
            question = _read_question(row, asked)
            return (*question, *_read_side(row[answer], answer, "assistant")), {asked, answer}
    found = next(_read_texts(row), None)
    if found is not None:
        return found
    lower = {key.strip().lower(): key for key in row}
    if len(lower) == len(row) and lower.keys() != row.keys():
        turns, used = _read_shape({name: row[key] for name, key in lower.items()})
        return turns, {lower.get(name, name) for name in used}
    raise RowError(_no_shape(row))


def _read_question(row: Mapping[str, Any], asked: str) -> tuple[Turn, ...]:
    """Reads the question of a pair of columns; none if it is blank, as for documents."""
    value = read_turns(row[asked])
    is_absent = value is None or isinstance(value, str) and not value.strip()
    return () if is_absent else _read_side(value, asked, "user")


def _read_texts(row: Mapping[str, Any]) -> Iterator[tuple[tuple[Turn, ...], set[str]]]:
    """Yields readings of a row that holds one text: a rendered chat, else a document."""
    for key in DOCUMENT_COLUMNS:
        if key not in row or is_blank(row[key]):
            continue
        if "role" in row:
            raise RowError("a turn, not a row: collect the turns of each chat in a list 'messages'")
        text = read_content(row[key], f"'{key}'")
        chat = read_transcript(text)
        if chat is not None:
            yield _read_turns(chat, key), {key}
        yield (Turn(Message("assistant", text)),), {key}
    if "completion" in row and "prompt" not in row:
        yield _read_side(row["completion"], "completion", "assistant"), {"completion"}


def _no_shape(row: Mapping[str, Any]) -> str:
    keys = ", ".join(shorten_value(key) for key in list(row)[:6]) or "none"
    others = {key: value for key, value in row.items() if key not in COLUMNS}
    turns = next((key for key, value in others.items() if _holds_turns(value)), None)
    if turns is not None:
        return f"no 'messages' (keys: {keys}): rename {shorten_value(turns)}, which holds turns"
    return (
        f"no 'messages' (keys: {keys}): expected "
        '{"messages": [{"role": "user", "content": "..."}, ...]}, columns like '
        "'prompt' and 'completion', or 'text'"
    )


def _holds_turns(value: Any) -> bool:
    first: Any = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and any({*keys} <= first.keys() for keys in TURN_KEYS)


def _read_system(key: str, content: Any) -> Turn | None:
    """Reads the system prompt that some rows keep in a column of its own; None if it has none."""
    if is_blank(content):
        return None
    if isinstance(content, dict) and {"role", "parts"} & content.keys():
        return read_turn({"role": "system", **content}, f"'{key}'", "messages", named=False)
    if key != "system" and not isinstance(content, str | list):
        return None  # named as not read
    return Turn(Message("system", read_content(content, f"'{key}'")))


def _read_history(value: Any) -> tuple[Turn, ...]:
    """Reads earlier turns, or pairs of question and answer; empty if the value is neither."""
    turns: list[Any] = []
    for item in value if isinstance(value, list) else []:
        if isinstance(item, list) and len(item) == 2:  # LLaMA-Factory's pairs
            roles = ("user", "assistant")
            turns += [{"role": r, "content": t} for r, t in zip(roles, item, strict=True)]
        else:
            turns.append(item)
    try:
        return _read_turns(turns, "history") if turns else ()
    except RowError:
        return ()  # named as not read


def _read_turns(turns: Any, key: str) -> tuple[Turn, ...]:
    if not isinstance(turns, list):
        raise RowError(f"'{key}' must be a list of turns, got {shorten_value(turns)}")
    if not turns:
        raise RowError(f"'{key}' is empty: a row needs an answer that was trained on")
    shape = "conversations" if key == "conversations" else "messages"
    read = (read_turn(turn, f"{key}[{index}]", shape) for index, turn in enumerate(turns))
    return tuple(turn for turn in read if not turn.is_empty_system)


def _read_side(value: Any, key: str, role: str) -> tuple[Turn, ...]:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        return _read_turns(value, key)
    return (read_turn({"role": role, "content": value}, f"'{key}'", "messages", named=False),)


def _read_alpaca(row: Mapping[str, Any], answer: str) -> tuple[tuple[Turn, ...], set[str]]:
    more = "context" if is_blank(row.get("input")) else "input"
    asked = [key for key in ("instruction", more) if not is_blank(row.get(key))]
    parts = [read_content(row[key], f"'{key}'") for key in asked]
    question = [Turn(Message("user", "\n\n".join(parts)))] if parts else []
    reply = {"role": "assistant", "content": row[answer]}
    turns = (*question, read_turn(reply, f"'{answer}'", "messages", named=False))
    return turns, {"instruction", more, answer}


def _read_tools(row: Mapping[str, Any]) -> str:
    value = row.get("tools") or row.get("functions")
    if value in (None, "", "[]", [], {}):
        return ""
    if isinstance(value, str):
        return check_text(value, "'tools'")
    if not isinstance(value, list | dict):
        raise RowError(f"'tools' must be a list of tools or its JSON, got {shorten_value(value)}")
    return canonical_json(value)
