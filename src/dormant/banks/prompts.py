"""A user's own prompts: one row each, with any number of turns, and no answers.

::

    {"prompt": "How do I ...?"}                        a text; also ``question``, ``text``
    {"system": "You are ...", "prompt": "..."}         with a system prompt
    {"messages": [{"role": "user", ...}, ...]}         a conversation up to its last user turn
    "How do I ...?"                                    a bare string of JSON, or a line of .txt

Answers after the last user turn are left out: the models give their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dormant.corpus.csv_rows import detect_separator, read_csv_rows
from dormant.corpus.lines import Digest, read_lines, read_text_head
from dormant.corpus.turns import read_turn
from dormant.errors import DataError, RowError, explain_not_text, shorten_value
from dormant.errors.characters import find_half_character
from dormant.errors.json_text import JsonError, parse_json
from dormant.records import Message

_TEXTS = ("prompt", "question", "text", "query", "instruction", "input", "user", "content")
_TURNS = ("messages", "conversations", "conversation")
_SYSTEMS = ("system", "system_prompt")


@dataclass(frozen=True, slots=True)
class TrafficPrompt:
    """One distinct prompt, of its slice where a column names the slices."""

    messages: tuple[Message, ...]  # ends with a user turn
    line: int  # 1-based, of its first row
    label: str = ""  # of the column that names slices; empty if none was asked for

    @property
    def text(self) -> str:
        """All turns as one text, for clustering."""
        return "\n".join(message.content for message in self.messages)

    @property
    def last_turn(self) -> str:
        """The last user turn."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class Traffic:
    """The prompts of a file."""

    prompts: tuple[TrafficPrompt, ...]  # distinct, in the file's order
    copies: int  # rows that repeat an earlier prompt (of their slice)
    hash: str  # SHA-256 (hex) of the file's bytes
    skipped: int = 0  # rows that could not be read; only where that is allowed


def read_prompts(
    path: str | Path,
    *,
    system: str = "",
    column: str | None = None,
    lenient: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Traffic:
    """Reads prompts.

    Args:
        path: .jsonl, .json (a list), .csv, .tsv or .txt, also gzipped.
        system: system prompt of rows that have none.
        column: key that labels each row's slice.
        lenient: skip and count rows that cannot be read.
        limit: draw at most so many distinct prompts.
        seed: of that draw.

    Raises:
        DataError: the file or a row cannot be read; names file, line and fix.
    """
    path, digest = Path(path), Digest()
    found: dict[tuple[str, tuple[Message, ...]], TrafficPrompt] = {}
    rows = skipped = 0
    for line, row in _read_rows(path, digest):
        try:
            if isinstance(row, RowError):
                raise row
            prompt = _read_prompt(row, line, system, column)
        except RowError as error:
            if not lenient:
                raise DataError(str(error), file=path, line=line) from None
            skipped += 1
            continue
        rows += 1
        found.setdefault((prompt.label, prompt.messages), prompt)
    if not found:
        raise DataError("holds no prompt: give one a line", file=path)
    prompts = tuple(found.values())
    copies = rows - len(prompts)
    if limit is not None and limit < len(prompts):
        chosen = np.random.default_rng(seed).permutation(len(prompts))[:limit]
        prompts = tuple(prompts[i] for i in sorted(chosen.tolist()))
    return Traffic(prompts, copies, digest.hexdigest(), skipped)


def _read_rows(path: Path, digest: Digest) -> Iterator[tuple[int, Any]]:
    """Yields the line and the value of each row, or the error of a row."""
    name = path.name.lower().removesuffix(".gz")
    head = read_text_head(path)
    if name.endswith((".csv", ".tsv")):
        separator = detect_separator(head, name) or ("\t" if name.endswith(".tsv") else ",")
        yield from read_csv_rows(path, digest, lambda column: True, separator)
        return
    if name.endswith(".json") and head.lstrip().startswith(b"["):
        yield from _read_list(path, digest)
        return
    is_text = name.endswith(".txt")
    for number, raw in read_lines(path, digest):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield number, RowError("not UTF-8 text: save it as UTF-8")
            continue
        if not text.strip() or (is_text and text.lstrip().startswith("#")):
            continue
        yield number, text.strip() if is_text else _parse_json(text)


def _parse_json(text: str) -> Any:
    try:
        return parse_json(text)
    except RowError as error:
        return error


def _read_list(path: Path, digest: Digest) -> Iterator[tuple[int, Any]]:
    whole = b"\n".join(raw for _, raw in read_lines(path, digest))
    try:
        values = parse_json(whole.decode("utf-8-sig"), is_line=False)
    except UnicodeDecodeError:
        raise DataError(explain_not_text(whole), file=path) from None
    except JsonError as error:
        raise DataError(str(error), file=path, line=error.line) from None
    yield from enumerate(values, start=1)


def _read_prompt(row: Any, line: int, system: str, column: str | None) -> TrafficPrompt:
    if isinstance(row, str):
        row = {"prompt": row}
    if not isinstance(row, Mapping):
        raise RowError(f"must be a text or an object, got {shorten_value(row)}")
    label = ""
    if column is not None:
        if row.get(column) in (None, ""):
            raise RowError(f"has no {column!r}, which names its slice: add it to every row")
        label = " ".join(str(row[column]).split())[:200]
    messages = _read_messages(row)
    own = next((str(row[key]) for key in _SYSTEMS if row.get(key)), system)
    if own and messages[0].role != "system":
        messages = (Message("system", own), *messages)
    if not messages[-1].content.strip():
        raise RowError("its last user turn is empty: give it a text")
    broken = next(filter(None, (find_half_character(m.content) for m in messages)), "")
    if broken:
        raise RowError(broken)
    return TrafficPrompt(messages, line, label)


def _read_messages(row: Mapping[str, Any]) -> tuple[Message, ...]:
    shape = next((key for key in _TURNS if row.get(key)), None)
    if shape is not None:
        turns: Any = row[shape]
        if isinstance(turns, str):  # of a table
            turns = _parse_json(turns)
        if isinstance(turns, RowError) or not isinstance(turns, list):
            raise RowError(f"{shape} must be a list of turns, got {shorten_value(row[shape])}")
        listed: list[Any] = turns
        kind = "messages" if shape == "messages" else "conversations"
        messages = [read_turn(turn, f"{shape}[{i}]", kind).message for i, turn in enumerate(listed)]
        while messages and messages[-1].role != "user":
            messages.pop()
        if not messages:
            raise RowError(f"{shape} has no user turn: a prompt needs one")
        return tuple(messages)
    key = next((key for key in _TEXTS if row.get(key)), None)
    if key is None:
        keys = ", ".join(map(str, row)) or "none"
        raise RowError(f"has no prompt: name its key prompt or messages; the keys are {keys:.200}")
    text = row[key]
    if not isinstance(text, str):
        raise RowError(f"{key} must be a text, got {shorten_value(text)}")
    return (Message("user", text.strip()),)
