"""Reading a corpus in bounded memory: files to rows to examples, with a hash over all of it."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dormant.config.resources import resource_path
from dormant.corpus import tables
from dormant.corpus.arrays import is_array, read_elements
from dormant.corpus.columns import UnreadColumn, is_read
from dormant.corpus.file_kinds import explain_text
from dormant.corpus.lines import LARGEST_LINE, Digest, read_head, read_lines, read_text_head
from dormant.corpus.rows import RowContent, read_object, read_row
from dormant.corpus.sources import find_files
from dormant.corpus.turns import shorten_value
from dormant.errors import DataError, RowError
from dormant.records import Example, Message

__all__ = ["LARGEST_LINE", "Corpus", "SkippedRow", "general_reference", "read_examples"]

#: Turns of at most this many characters are stored once however often they occur (system prompts).
_SHARED_CHARS = 4096
_MOST_UNREAD = 1000  # names of columns that are counted
_NAMED = 3
_ARROW_STREAM = b"\xff\xff\xff\xff"  # how an Arrow stream begins


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that lenient reading left out."""

    line: int  # 1-based
    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A finetuning corpus as it was read.

    Lines are counted from 1 through all its files; in a table, a line is a row.
    """

    examples: tuple[Example, ...]
    path: str
    hash: str  # SHA-256 (hex) of the uncompressed bytes, so that gzip does not change it
    skipped: tuple[SkippedRow, ...] = ()  # only after lenient reading
    files: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()  # lines before each file
    clipped: int = 0  # turns of which only both ends were kept
    untrained: int = 0  # rows left out because no answer of theirs was trained on
    untrained_marks: tuple[str, ...] = ()  # the marks that say so, e.g. "'label': false"
    cut: int = 0  # rows of which only the turns up to the last trained answer were kept
    unread: tuple[UnreadColumn, ...] = ()  # columns that may hold context, the most frequent first

    @property
    def rows(self) -> int:
        """Rows that could be read, those without a trained answer included."""
        return len(self.examples) + self.untrained

    def name_line(self, line: int) -> str:
        """Converts a line number counted through all files into ``FILE:LINE``."""
        if len(self.files) < 2:
            return f"{self.path}:{line}"
        index = bisect.bisect_left(self.starts, line) - 1
        return f"{self.files[index]}:{line - self.starts[index]}"


def read_examples(
    path: str | Path,
    *,
    lenient: bool = False,
    mark: str | None = None,
    longest_turn: int | None = None,
) -> Corpus:
    """Reads a corpus of chat rows: JSON Lines, plain or gzipped, Parquet or Arrow.

    Blank lines are ignored. Files are streamed: memory grows with the text of the rows, and equal
    short turns (a system prompt in every row) are stored once.

    Args:
        path: a file, a folder or pattern of shards, a saved dataset, or ``hf://OWNER/NAME``; see
            ``sources.find_files``.
        lenient: skip broken rows and list them, instead of stopping at the first.
        mark: a column to store as each row's ``mark``; ``a.b`` is column ``b`` of ``a``.
        longest_turn: largest number of characters of a turn; of longer turns only the two ends are
            stored.

    Raises:
        DataError: a file cannot be read, no row is readable, or (unless lenient) a row is broken;
            names file, line, reason and fix.
        MissingExtraError: a package that this kind of file needs is not installed.
    """
    reader = _Reader(lenient, mark, longest_turn)
    files = find_files(path)
    hashes: list[str] = []
    starts: list[int] = []
    for file in files:
        starts.append(reader.last)
        digest = hashlib.sha256()
        reader.read_file(file, digest)
        hashes.append(digest.hexdigest())
    if not reader.examples:
        raise DataError(_explain_empty(reader), file=path)
    if mark is not None and all(row.mark is None for row in reader.examples):
        raise DataError(f"no row has the column {mark!r}", file=path)
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return Corpus(
        examples=tuple(reader.examples),
        path=str(path),
        hash=whole,
        skipped=tuple(reader.skipped),
        files=tuple(map(str, files)),
        starts=tuple(starts),
        clipped=reader.clipped,
        untrained=reader.untrained.total(),
        untrained_marks=tuple(mark for mark, _ in reader.untrained.most_common(_NAMED)),
        cut=reader.cut,
        unread=tuple(sorted(reader.unread.values(), key=lambda column: -column.rows)),
    )


def general_reference() -> Corpus:
    """Reads the corpus of ordinary chat that ships: the default reference for mining."""
    return read_examples(resource_path("reference.jsonl"))


def _explain_empty(reader: _Reader) -> str:
    if reader.untrained:
        mark = next(iter(reader.untrained))
        return (
            f"no answer of {reader.untrained.total():,} rows was trained on (marked {mark}): give "
            "the rows that were trained on, or rename the key if it means something else"
        )
    skipped = reader.skipped
    if not skipped:
        return "the file is empty: expected one JSON object a line"
    first = skipped[0]
    return f"none of {len(skipped)} rows can be read; the first, line {first.line}: {first.reason}"


@dataclass(slots=True)
class _Reader:
    """State of reading one corpus."""

    lenient: bool
    mark: str | None
    longest_turn: int | None
    last: int = 0  # lines read, of all files
    clipped: int = 0
    examples: list[Example] = field(default_factory=list[Example])
    skipped: list[SkippedRow] = field(default_factory=list[SkippedRow])
    shared: dict[Message, Message] = field(default_factory=dict[Message, Message])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    untrained: Counter[str] = field(default_factory=Counter[str])  # rows by their mark
    cut: int = 0
    unread: dict[str, UnreadColumn] = field(default_factory=dict[str, UnreadColumn])

    def read_file(self, file: Path, digest: Digest) -> None:
        """Reads one file and appends its examples."""
        before = self.last
        for number, row in _read_rows(file, digest, self.mark):
            self.last = before + number
            if isinstance(row, bytes) and not row.strip():
                continue
            try:
                self._add_row(row)
            except RowError as error:
                if not self.lenient:
                    raise DataError(str(error), file=file, line=number) from None
                self.skipped.append(SkippedRow(self.last, str(error)))

    def _add_row(self, row: bytes | dict[str, Any] | RowError) -> None:
        if isinstance(row, RowError):
            raise row
        columns = read_object(row) if isinstance(row, bytes) else row
        content = read_row(columns, own=self.mark)
        example = self._make_example(columns, content)
        for column in content.unread:
            self._count_unread(column)
        if content.untrained_mark:
            self.untrained[content.untrained_mark] += 1
            return
        self.cut += content.is_cut
        self.examples.append(example)

    def _count_unread(self, column: UnreadColumn) -> None:
        known = self.unread.get(column.name)
        if known is not None:
            has_sentences = known.has_sentences or column.has_sentences
            column = UnreadColumn(column.name, has_sentences, known.rows + 1)
        elif len(self.unread) >= _MOST_UNREAD:
            return
        self.unread[column.name] = column

    def _make_example(self, columns: Mapping[str, Any], content: RowContent) -> Example:
        return Example(
            messages=tuple(map(self._shorten_message, content.messages)),
            line=self.last,
            reasoning=tuple(map(self._clip_text, content.reasoning)),
            tool_calls=content.tool_calls,
            tools=self.texts.setdefault(content.tools, content.tools),
            mark=None if self.mark is None else _read_mark(columns, self.mark),
            untrained=content.untrained,
        )

    def _shorten_message(self, message: Message) -> Message:
        if message.role == "system" and len(message.content) <= _SHARED_CHARS:
            return self.shared.setdefault(message, message)
        text = self._clip_text(message.content)
        return message if text is message.content else Message(message.role, text)

    def _clip_text(self, text: str) -> str:
        if self.longest_turn is None or len(text) <= self.longest_turn:
            return text
        self.clipped += 1
        half = self.longest_turn // 2
        return f"{text[:half]}\n{text[-half:]}"


def _read_rows(
    file: Path, digest: Digest, mark: str | None
) -> Iterator[tuple[int, bytes | dict[str, Any] | RowError]]:
    first = read_head(file)
    parquet = first.startswith(tables.PARQUET)
    if parquet or first.startswith((tables.ARROW, _ARROW_STREAM)):
        own = () if mark is None else (mark, mark.partition(".")[0])
        return tables.read_table_rows(
            file, digest, lambda name: name in own or is_read(name), parquet=parquet
        )
    head = read_text_head(file)
    kind = explain_text(head, file.name)
    if kind:
        raise DataError(f"is {kind}", file=file)
    return read_elements(file, digest) if is_array(head) else read_lines(file, digest)


def _read_mark(row: Mapping[str, Any], column: str) -> str | float | None:
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
