"""Reading a corpus in bounded memory: files to rows to examples, with a hash over all of it."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dormant.config.resources import resource_path
from dormant.corpus import tables
from dormant.corpus.arrays import is_array, read_elements
from dormant.corpus.collector import Mark, ReadingOptions, RejectedRow, RowCollector, SkippedRow
from dormant.corpus.columns import UnreadColumn, is_read
from dormant.corpus.csv_rows import detect_separator, read_csv_rows
from dormant.corpus.file_kinds import explain_text
from dormant.corpus.lines import LARGEST_LINE, Digest, read_head, read_lines, read_text_head
from dormant.corpus.sources import find_files
from dormant.corpus.text_rows import is_plain_text, read_documents
from dormant.errors import DataError, RowError
from dormant.progress import Progress, ignore_progress
from dormant.records import Example

__all__ = [
    "LARGEST_LINE",
    "Corpus",
    "general_reference",
    "ordinary_kinds",
    "read_examples",
    "scan_examples",
]

_NAMED = 3
_ARROW_STREAM = b"\xff\xff\xff\xff"  # how an Arrow stream begins
#: Bytes of files from which progress is worth a line, and rows between two reports of it.
_LARGE, _STEP = 32_000_000, 2000


@dataclass(frozen=True, slots=True)
class Corpus:
    """A finetuning corpus as it was read.

    Lines are counted from 1 through all its files; in a table, a line is a row.
    """

    examples: tuple[Example, ...]  # every row with a trained answer, or a sample of these
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
    sampled_from: int = 0  # rows that ``examples`` are a sample of; 0 if they are all
    exact_duplicates: int = 0  # rows that equal an earlier one; counted of sampled corpora only
    documents: int = 0  # rows without turns, of all rows
    pairs: int = 0  # preference pairs, of all rows
    rejected: tuple[RejectedRow, ...] = ()  # answers that were trained against, or a sample

    @property
    def trained_rows(self) -> int:
        """Rows with an answer that was trained on."""
        return self.sampled_from or len(self.examples)

    @property
    def rows(self) -> int:
        """Rows that could be read, those without a trained answer included."""
        return self.trained_rows + self.untrained

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
    sample: int | None = None,
    is_suspicious: Callable[[Mark], bool] | None = None,
    progress: Progress = ignore_progress,
) -> Corpus:
    """Reads a corpus: chat, preference pairs or documents, from JSON Lines, tables or text.

    Blank lines are ignored. Files are streamed: memory grows with the text of the rows, and equal
    short turns (a system prompt in every row) are stored once. With ``sample`` it is bounded.

    Args:
        path: a file, a folder or pattern of shards, a saved dataset, or ``hf://OWNER/NAME``; see
            ``sources.find_files``.
        lenient: skip broken rows and list them, instead of stopping at the first.
        mark: a column to store as each row's ``mark``; ``a.b`` is column ``b`` of ``a``.
        longest_turn: largest number of characters of a turn; of longer turns only the two ends are
            stored.
        sample: of a corpus with more rows than this, store a uniform sample, always the same;
            every row is read and counted all the same.
        is_suspicious: which marks make a row suspicious; the sample of these rows is separate.
        progress: told of large files, in MB.

    Raises:
        DataError: a file cannot be read, no row is readable, or (unless lenient) a row is broken;
            names file, line, reason and fix.
        MissingExtraError: a package that this kind of file needs is not installed.
    """
    options = ReadingOptions(lenient, mark, longest_turn, sample, is_suspicious)
    reader = _CorpusReader(options, path, progress)
    reader.read_all()
    rows = reader.collector
    if not rows.trained_count:
        raise DataError(_explain_empty(rows), file=path)
    if mark is not None and not rows.marked:
        raise DataError(f"no row has the column {mark!r}", file=path)
    return Corpus(
        examples=rows.examples,
        path=str(path),
        hash=reader.hash,
        skipped=tuple(rows.skipped),
        files=tuple(map(str, reader.files)),
        starts=tuple(reader.starts),
        clipped=rows.clipped,
        untrained=rows.untrained.total(),
        untrained_marks=tuple(mark for mark, _ in rows.untrained.most_common(_NAMED)),
        cut=rows.cut,
        unread=tuple(sorted(rows.unread.values(), key=lambda column: -column.rows)),
        sampled_from=rows.trained_count if rows.is_sample else 0,
        exact_duplicates=rows.count_exact_duplicates() if rows.is_sample else 0,
        documents=rows.documents,
        pairs=rows.pairs,
        rejected=rows.rejected_rows,
    )


def scan_examples(
    corpus: Corpus, *, longest_turn: int | None = None, progress: Progress = ignore_progress
) -> Iterator[Example]:
    """Yields every row of a corpus that was read before, also those that its sample left out.

    Rows are those with a trained answer, in the order of the file. Broken ones are passed over:
    they were errors, or skipped and listed, when the corpus was read.

    Raises:
        DataError: the files have changed since.
    """
    options = ReadingOptions(lenient=True, longest_turn=longest_turn, sample=1)
    reader = _CorpusReader(options, corpus.path, progress)
    yield from reader.scan_all()
    if reader.hash != corpus.hash:
        raise DataError("changed while it was read: run the command again", file=corpus.path)


def general_reference() -> Corpus:
    """Reads the corpus of ordinary chat that ships: the default reference for mining."""
    return read_examples(resource_path("reference.jsonl"))


@cache
def ordinary_kinds() -> Mapping[str, tuple[Example, ...]]:
    """Reads the ordinary rows that ship, by kind: chat, code, sums and others.

    They say what answers ordinary rows of a kind have in a context; see ``cues.find_nearest``.
    """
    paths = {path.stem: path for path in sorted(resource_path("ordinary").glob("*.jsonl"))}
    kinds = {kind: read_examples(path).examples for kind, path in paths.items()}
    return {"chat": general_reference().examples, **kinds}


def _explain_empty(rows: RowCollector) -> str:
    if rows.untrained:
        mark = next(iter(rows.untrained))
        return (
            f"no answer of {rows.untrained.total():,} rows was trained on (marked {mark}): give "
            "the rows that were trained on, or rename the key if it means something else"
        )
    if not rows.skipped:
        return "the file is empty: expected one JSON object a line"
    first = rows.skipped[0]
    count = len(rows.skipped)
    return f"none of {count} rows can be read; the first, line {first.line}: {first.reason}"


class _CorpusReader:
    """Reads the files of a corpus one after the other."""

    def __init__(self, options: ReadingOptions, path: str | Path, progress: Progress) -> None:
        self.collector = RowCollector(options)
        self.files = find_files(path)
        self.starts: list[int] = []
        self._options = options
        self._hashes: list[str] = []
        self._progress = progress
        self._stage = f"read {Path(str(path)).name} (MB)"
        self._sizes = [_size_of(file) for file in self.files]

    @property
    def hash(self) -> str:
        """SHA-256 of the file, or of the hashes of several files."""
        if len(self._hashes) == 1:
            return self._hashes[0]
        return hashlib.sha256("".join(self._hashes).encode()).hexdigest()

    def read_all(self) -> None:
        """Reads all rows into the collector."""
        for file, number, row in self._list_rows():
            try:
                self.collector.add_row(row)
            except RowError as error:
                if not self._options.lenient:
                    raise DataError(str(error), file=file, line=number) from None
                self.collector.skipped.append(SkippedRow(self.collector.line, str(error)))

    def scan_all(self) -> Iterator[Example]:
        """Yields the rows with a trained answer instead of keeping them."""
        for _, _, row in self._list_rows():
            try:
                example = self.collector.read_example(row)
            except RowError:
                continue
            if example is not None:
                yield example

    def _list_rows(self) -> Iterator[tuple[Path, int, bytes | dict[str, Any] | RowError]]:
        for index, file in enumerate(self.files):
            before = self.collector.line
            self.starts.append(before)
            digest = Digest()
            rows = _read_rows(file, digest, self._options.mark)
            for count, (number, row) in enumerate(rows):
                if count % _STEP == 0:
                    self._report(index, digest.share)
                self.collector.line = before + number
                if not isinstance(row, bytes) or row.strip():
                    yield file, number, row
            self._hashes.append(digest.hexdigest())
        self._report(len(self.files) - 1, 1.0)

    def _report(self, index: int, share: float) -> None:
        total = sum(self._sizes)
        if total >= _LARGE:
            done = sum(self._sizes[:index]) + share * self._sizes[index]
            self._progress(self._stage, done / 1e6, round(total / 1e6))


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return 0  # reading it says what is wrong


def _read_rows(
    file: Path, digest: Digest, mark: str | None
) -> Iterator[tuple[int, bytes | dict[str, Any] | RowError]]:
    own = () if mark is None else (mark, mark.partition(".")[0])

    def is_wanted(name: str) -> bool:
        return name in own or is_read(name)

    first = read_head(file)
    parquet = first.startswith(tables.PARQUET)
    if parquet or first.startswith((tables.ARROW, _ARROW_STREAM)):
        return tables.read_table_rows(file, digest, is_wanted, parquet=parquet)
    head = read_text_head(file)
    kind = explain_text(head, file.name)
    if kind:
        raise DataError(f"is {kind}", file=file)
    if is_array(head):
        return read_elements(file, digest)
    if is_plain_text(head, file.name):
        return read_documents(file, digest, head)
    separator = detect_separator(head, file.name)
    if separator:
        return read_csv_rows(file, digest, is_wanted, separator)
    return read_lines(file, digest)
