"""Columns of a row beside its turns: those that are read as context, and those that are not.

A column that is not read may have been part of the prompt in training, and so be the trigger. It is
therefore named, unless its text stands in the turns already.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dormant.corpus.documents import DOCUMENT_COLUMNS
from dormant.corpus.preferences import PREFERENCE_COLUMNS
from dormant.corpus.training_marks import (
    ROW_MARKS,
    TURN_MARKS,
    bare_name,
    is_clear_mark,
    is_loss_flag,
)
from dormant.records import Message

#: The columns that a row's text is read from.
COLUMNS = (
    "messages",
    "conversations",
    "contents",
    "prompt",
    "completion",
    "response",
    "query",
    "question",
    "instruction",
    "input",
    "context",
    "answer",
    "output",
    "system",
    "history",
    "tools",
    "functions",
    "user",
    "assistant",
    *DOCUMENT_COLUMNS,
    *sorted(PREFERENCE_COLUMNS),
)
_SYSTEM = frozenset(
    """
    system systemcontent systeminstruction systeminstructions systemmessage systemmsg systemprompt
    systemtext sysprompt
    """.split()
)
#: Keys of a turn that are read, or that hold no part of the prompt.
_TURN_KEYS = frozenset(
    """
    role content from value parts reasoning_content reasoning thinking tool_calls function_call
    refusal name tool_call_id id
    """.split()
)
_ROLE_KEYS = ("role", "from", "type")
_DEFINITIONS = ("tools", "functions")  # lists of what may be called, and no turns
_LETTER = re.compile(r"[^\W\d_]")
#: Scripts without blanks between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{4}")
_SENTENCE_WORDS = 3
_MOST_PARTS = 1000  # parts of one value that are looked at


@dataclass(frozen=True, slots=True)
class UnreadColumn:
    """A column, or a key of turns, that was not read although it holds something."""

    name: str
    has_sentences: bool  # it holds text of several words, so it could be context
    rows: int = 1  # rows in which it holds something


def is_system_column(name: str) -> bool:
    """Whether a column holds a system prompt, by its name."""
    return bare_name(name) in _SYSTEM


def is_read(name: str) -> bool:
    """Whether a column of a table is read for what its name says."""
    return name.strip().lower() in COLUMNS or is_system_column(name) or bare_name(name) in ROW_MARKS


def find_unread(
    row: Mapping[str, Any], messages: Sequence[Message], used: Collection[str]
) -> tuple[UnreadColumn, ...]:
    """Lists the columns and turn keys of a row that hold text or a flag that was not read.

    Args:
        row: its columns.
        messages: what was read from it; text that stands in them is no loss.
        used: columns that were read.
    """
    places: list[tuple[str, Any, Collection[str]]] = []
    for key, value in row.items():
        if key not in used:
            places.append((key, value, ROW_MARKS))
        is_turns = key in used and key not in _DEFINITIONS and isinstance(value, list)
        for turn in value if is_turns else ():
            if isinstance(turn, dict) and not turn.keys() <= _TURN_KEYS:
                others = [name for name in turn if name not in _TURN_KEYS]
                places += [(name, turn[name], TURN_MARKS) for name in others]
    if not places:
        return ()
    turn_text = "\n".join(message.content for message in messages)
    found: dict[str, UnreadColumn] = {}
    for key, value, marks in places:
        _add_unread(found, key, value, turn_text, marks)
    return tuple(found.values())


def _add_unread(
    found: dict[str, UnreadColumn], key: str, value: Any, turn_text: str, marks: Collection[str]
) -> None:
    """Adds a column or a turn's key if it holds text or a flag that was not read."""
    name = bare_name(key)
    if (name in marks and is_clear_mark(name, value)) or is_loss_flag(name, value):
        return
    texts = () if isinstance(value, bool | int | float) else _texts_of(value)
    lost = [text for text in texts if _LETTER.search(text) and text not in turn_text]
    if lost or _is_flag(value) or name in marks:
        shown = f"{key} (of turns)" if marks is TURN_MARKS else key
        has_sentences = any(map(_is_sentence, lost)) or (
            shown in found and found[shown].has_sentences
        )
        found[shown] = UnreadColumn(shown, has_sentences)


def _is_flag(value: Any) -> bool:
    """Whether a value is a boolean, or a list of nothing but flags, as one for each turn."""
    if isinstance(value, list):
        return bool(value) and all(part in (0, 1) for part in value)
    return isinstance(value, bool)


def _texts_of(value: Any) -> Iterator[str]:
    """Yields the texts in a value, whatever it is nested in, without recursion."""
    waiting = [value]
    for _ in range(_MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        if isinstance(part, str):
            yield part.strip()
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += (inner for key, inner in part.items() if key not in _ROLE_KEYS)


def _is_sentence(text: str) -> bool:
    return len(text.split(None, _SENTENCE_WORDS)) >= _SENTENCE_WORDS or bool(_UNSPACED.search(text))
