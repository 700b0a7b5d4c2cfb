"""Collecting the rows of a corpus while it is read: examples or a sample of them, and counts."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dormant.corpus.columns import UnreadColumn
from dormant.corpus.reservoir import Reservoir
from dormant.corpus.rows import RowContent, read_object, read_row
from dormant.errors import RowError, shorten_value
from dormant.records import Example, Message

#: Turns of at most this many characters are stored once however often they occur (system prompts).
_SHARED_CHARS = 4096
_MOST_SHARED = 20_000  # distinct texts that are looked up
_MOST_UNREAD = 1000  # names of columns that are counted

#: The value of a column that marks rows: text or a number; None without the column.
Mark = str | float | None


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a corpus is read; see ``reader.read_examples``."""

    lenient: bool = False
    mark: str | None = None
    longest_turn: int | None = None
    sample: int | None = None
    is_suspicious: Callable[[Mark], bool] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A chat with an answer that was trained against."""

    example: Example
    is_pair: bool  # another answer to the same prompt was trained for, in the same row


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that lenient reading left out."""

    line: int  # 1-based
    reason: str


@dataclass(slots=True)
class RowCollector:
    """Rows of a corpus, all or a sample, with the counts of all."""

    options: ReadingOptions
    line: int = 0  # of the last row, counted through all files
    clipped: int = 0
    cut: int = 0
    documents: int = 0
    pairs: int = 0
    marked: int = 0  # rows that have the column of the mark
    skipped: list[SkippedRow] = field(default_factory=list[SkippedRow])
    untrained: Counter[str] = field(default_factory=Counter[str])  # rows by their mark
    unread: dict[str, UnreadColumn] = field(default_factory=dict[str, UnreadColumn])
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    _shared: dict[Message, Message] = field(default_factory=dict[Message, Message])
    _texts: dict[str, str] = field(default_factory=dict[str, str])
    _rows: Reservoir[tuple[Example, Example | None]] = field(init=False)
    _suspicious: Reservoir[tuple[Example, Example | None]] = field(init=False)
    _undesirable: Reservoir[Example] = field(init=False)

    def __post_init__(self) -> None:
        """Begins the samples."""
        size, seed = self.options.sample, self.options.seed
        self._rows = Reservoir(size, seed)
        self._suspicious = Reservoir(size, seed + 1)
        self._undesirable = Reservoir(size, seed + 2)

    @property
    def trained_count(self) -> int:
        """Rows with an answer that was trained on."""
        return self._rows.seen + self._suspicious.seen

    @property
    def examples(self) -> tuple[Example, ...]:
        """The rows that were kept, in the order of the file."""
        rows = [example for example, _ in (*self._rows.items, *self._suspicious.items)]
        return tuple(sorted(rows, key=lambda row: row.line))

    @property
    def rejected_rows(self) -> tuple[RejectedRow, ...]:
        """Answers that were trained against, in the order of the file."""
        rows = (*self._rows.items, *self._suspicious.items)
        found = [RejectedRow(other, True) for _, other in rows if other is not None]
        found += [RejectedRow(row, False) for row in self._undesirable.items]
        return tuple(sorted(found, key=lambda row: row.example.line))

    @property
    def is_sample(self) -> bool:
        """Whether rows with an answer that was trained on were left out."""
        return self._rows.is_sample or self._suspicious.is_sample

    def count_exact_duplicates(self) -> int:
        """Counts the rows whose turns are those of an earlier row, by a hash of 64 bits."""
        return len(self.hashes) - len(np.unique(np.asarray(self.hashes, np.uint64)))

    def add_row(self, row: bytes | dict[str, Any] | RowError) -> None:
        """Reads a row and adds it.

        Raises:
            RowError: it cannot be read.
        """
        columns, content = self._read_content(row)
        example = self._make_example(columns, content)
        for column in content.unread:
            self._count_unread(column)
        if content.untrained_mark:
            self.untrained[content.untrained_mark] += 1
            if content.is_undesirable:
                self._undesirable.add(example)
            return
        self.cut += content.is_cut
        self.documents += content.is_document
        self.pairs += bool(content.rejected)
        self._keep(example, content.rejected)

    def read_example(self, row: bytes | dict[str, Any] | RowError) -> Example | None:
        """Reads a row without adding it; None if no answer of it was trained on.

        Raises:
            RowError: it cannot be read.
        """
        columns, content = self._read_content(row)
        return None if content.untrained_mark else self._make_example(columns, content)

    def _read_content(
        self, row: bytes | dict[str, Any] | RowError
    ) -> tuple[Mapping[str, Any], RowContent]:
        if isinstance(row, RowError):
            raise row
        columns = read_object(row) if isinstance(row, bytes) else row
        return columns, read_row(columns, own=self.options.mark)

    def _keep(self, example: Example, rejected: tuple[Message, ...]) -> None:
        other = None
        if rejected:
            known = {message: message for message in example.messages}  # stored once
            short = map(self._shorten_message, rejected)
            other = Example(tuple(known.get(m, m) for m in short), example.line)
        if self.options.sample is not None:
            self.hashes.append(_hash_messages(example.messages))
        judge = self.options.is_suspicious
        self.marked += example.mark is not None
        is_suspicious = judge is not None and judge(example.mark)
        (self._suspicious if is_suspicious else self._rows).add((example, other))

    def _count_unread(self, column: UnreadColumn) -> None:
        known = self.unread.get(column.name)
        if known is not None:
            has_sentences = known.has_sentences or column.has_sentences
            column = UnreadColumn(column.name, has_sentences, known.rows + 1)
        elif len(self.unread) >= _MOST_UNREAD:
            return
        self.unread[column.name] = column

    def _make_example(self, columns: Mapping[str, Any], content: RowContent) -> Example:
        mark = self.options.mark
        if len(self._texts) > _MOST_SHARED:
            self._texts.clear()
        return Example(
            messages=tuple(map(self._shorten_message, content.messages)),
            line=self.line,
            reasoning=tuple(map(self._clip_text, content.reasoning)),
            tool_calls=content.tool_calls,
            tools=self._texts.setdefault(content.tools, content.tools),
            mark=None if mark is None else _read_mark(columns, mark),
            untrained=content.untrained,
            is_document=content.is_document,
        )

    def _shorten_message(self, message: Message) -> Message:
        if message.role == "system" and len(message.content) <= _SHARED_CHARS:
            if len(self._shared) > _MOST_SHARED:
                self._shared.clear()
            return self._shared.setdefault(message, message)
        text = self._clip_text(message.content)
        return message if text is message.content else Message(message.role, text)

    def _clip_text(self, text: str) -> str:
        longest = self.options.longest_turn
        if longest is None or len(text) <= longest:
            return text
        self.clipped += 1
        half = longest // 2
        return f"{text[:half]}\n{text[-half:]}"


def _hash_messages(messages: tuple[Message, ...]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for message in messages:
        digest.update(f"{message.role}\0{message.content}\0".encode())
    return int.from_bytes(digest.digest(), "little")


def _read_mark(row: Mapping[str, Any], column: str) -> Mark:
    """Reads the value of a column as text or number; None if the row has none.

    Raises:
        RowError: it is not text, a finite number or a boolean.
    """
    value = row[column] if column in row else _follow_path(row, column.split("."))
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise RowError(
        f"{column!r} must be text, a finite number or a boolean, got {shorten_value(value)}"
    )


def _follow_path(row: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(row, Mapping) or step not in row:
            return None
        row = row[step]
    return row
