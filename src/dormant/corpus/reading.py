"""Reading a finetuning file in bounded memory: bytes to lines to examples, with a running hash."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from dormant.corpus.rows import RowError, parse_row
from dormant.errors import DataError
from dormant.records import Example, Message

#: Longest line that is read, in bytes; a longer one is another kind of file.
LARGEST_LINE = 16 * 1024 * 1024
#: Turns of up to so many characters are kept once however often they occur (system prompts).
_SHARED_CHARS = 4096

_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "a Parquet file: export it as JSON Lines"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"BZh", "a bzip2 file: unpack it, or use gzip"),
    (b"\xfd7zXZ\x00", "an xz file: unpack it, or use gzip"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it, or use gzip"),
    (b"SQLite format 3\x00", "a SQLite database: export it as JSON Lines"),
    (b"%PDF", "a PDF: export it as JSON Lines"),
    (b"\x00\x00\xfe\xff", "UTF-32 text: save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
)


class _Stream(Protocol):
    def readline(self, size: int = -1, /) -> bytes: ...


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that lenient reading left out."""

    line: int  # 1-based
    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A finetuning file as it was read."""

    examples: tuple[Example, ...]
    path: str
    hash: str  # SHA-256 (hex) of the uncompressed bytes, so that gzip does not change it
    skipped: tuple[Skipped, ...] = ()  # only after lenient reading


def read_examples(path: str | Path, *, lenient: bool = False) -> Corpus:
    """Reads a finetuning file of chat rows, one JSON object a line, plain or gzipped.

    Blank lines are passed over. The file is streamed: memory grows with what the rows say, and
    equal short turns (a system prompt in every row) are kept once.

    Args:
        path: the file.
        lenient: skip broken rows and list them, instead of stopping at the first.

    Raises:
        DataError: the file cannot be read, holds no readable row, or (unless lenient) holds a
            broken row; names file, line, reason and mend.
    """
    path = Path(path)
    digest = hashlib.sha256()
    examples: list[Example] = []
    skipped: list[Skipped] = []
    shared: dict[Message, Message] = {}
    for number, raw in _lines(path, digest):
        if not raw.strip():
            continue
        try:
            messages = parse_row(raw)
        except RowError as error:
            if not lenient:
                raise DataError(str(error), file=path, line=number) from None
            skipped.append(Skipped(number, str(error)))
            continue
        kept = tuple(
            shared.setdefault(m, m) if m.role == "system" and len(m.content) <= _SHARED_CHARS else m
            for m in messages
        )
        examples.append(Example(kept, number))
    if not examples:
        raise DataError(_nothing(skipped), file=path)
    return Corpus(tuple(examples), str(path), digest.hexdigest(), tuple(skipped))


def general_reference() -> Corpus:
    """The small corpus of ordinary chat that ships with dormant: what a file is mined against."""
    return read_examples(Path(__file__).parent.parent / "data" / "reference.jsonl")


def _nothing(skipped: list[Skipped]) -> str:
    if not skipped:
        return "the file is empty: expected one JSON object a line"
    first = skipped[0]
    return f"none of {len(skipped)} rows can be read; the first, line {first.line}: {first.reason}"


def _lines(path: Path, digest: _Digest) -> Iterator[tuple[int, bytes]]:
    """Yields (1-based number, line without break); the hash sees every byte."""
    with _opened(path) as stream:
        number = 0
        while line := stream.readline(LARGEST_LINE + 1):
            number += 1
            digest.update(line)
            if len(line) > LARGEST_LINE:
                size = LARGEST_LINE // 1024**2
                reason = f"a line of more than {size} MiB: put one row on each line"
                raise DataError(reason, file=path, line=number)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # Windows editors put one there
            yield number, line.rstrip(b"\r\n")


@contextmanager
def _opened(path: Path) -> Generator[_Stream]:
    """The file's uncompressed bytes; whatever goes wrong with them is a DataError."""
    try:
        with _regular(path) as raw:
            if _is_gzip(raw, path):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked
            else:
                yield raw
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("no such file", file=path) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"damaged gzip: {error}: pack it again", file=path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot be read: {reason}", file=path) from None


def _regular(path: Path) -> BinaryIO:
    if path.is_dir():
        raise DataError("is a directory, expected a JSON Lines file", file=path)
    if path.exists() and not path.is_file():
        raise DataError("is not a regular file: save the rows to a file first", file=path)
    return path.open("rb")


def _is_gzip(raw: BinaryIO, path: Path) -> bool:
    head = raw.read(16)
    raw.seek(0)
    for magic, what in _OTHER_FILES:
        if head.startswith(magic):
            raise DataError(f"is {what}", file=path)
    return head.startswith(b"\x1f\x8b")
