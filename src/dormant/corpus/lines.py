"""Lines of a JSON Lines file, plain or gzipped, with a running hash over all bytes."""

from __future__ import annotations

import glob
import gzip
import hashlib
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from dormant.corpus.file_kinds import HEAD, explain_binary, explain_pointer
from dormant.errors import DataError

#: Longest line that is read, in bytes; a longer one is another kind of file.
LARGEST_LINE = 16 * 1024 * 1024


class _Stream(Protocol):
    def readline(self, size: int = -1, /) -> bytes: ...
    def read(self, size: int = -1, /) -> bytes: ...


class Digest:
    """A running hash (SHA-256) over a file's bytes, and how much of the file was read."""

    def __init__(self) -> None:
        """Begins with no bytes."""
        self._hash = hashlib.sha256()
        self._raw: BinaryIO | None = None
        self._size = 0
        self._share = 0.0

    def update(self, data: bytes, /) -> None:
        """Adds bytes to the hash."""
        self._hash.update(data)

    def hexdigest(self) -> str:
        """The hash so far, as hex digits."""
        return self._hash.hexdigest()

    def follow_file(self, stream: _Stream, path: Path) -> None:
        """Takes the share from the position in a file, packed or not, until it is closed."""
        self._raw = cast("BinaryIO", getattr(stream, "fileobj", stream))
        self._size = max(path.stat().st_size, 1)

    def set_share(self, share: float) -> None:
        """Sets how much was read, for tables, of which the hash sees all bytes first."""
        self._share = share

    @property
    def share(self) -> float:
        """How much of the file was read, in [0, 1]."""
        if self._raw is None:
            return min(self._share, 1.0)
        return 1.0 if self._raw.closed else min(self._raw.tell() / self._size, 1.0)


def read_lines(path: Path, digest: Digest) -> Generator[tuple[int, bytes]]:
    """Yields (1-based number, line without break), blank lines too; the hash sees every byte.

    Raises:
        DataError: the file cannot be read, is of another kind, or has a line over ``LARGEST_LINE``.
    """
    with open_file(path) as stream:
        digest.follow_file(stream, path)
        number = 0
        while line := stream.readline(LARGEST_LINE + 1):
            number += 1
            digest.update(line)
            if len(line) > LARGEST_LINE:
                size = LARGEST_LINE // 1024**2
                reason = f"a line of more than {size} MiB: put one row on each line"
                raise DataError(reason, file=path, line=number)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # byte order mark of Windows editors
            yield number, line.rstrip(b"\r\n")


def read_head(path: Path, size: int = 16) -> bytes:
    """Reads the first ``size`` bytes of a file.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    with explain_errors(path), _open_regular(path) as raw:
        return raw.read(size)


def check_is_fetched(path: Path) -> bytes:
    """Returns the first bytes of a file that is the file itself, and no pointer or web page.

    Raises:
        DataError: it is not, there is no such file, or it cannot be read.
    """
    head = read_head(path, HEAD)
    pointer = explain_pointer(head)
    if pointer:
        raise DataError(f"is {pointer}", file=path)
    return head


def read_text_head(path: Path) -> bytes:
    """Reads the first bytes of a text file, unpacked.

    Raises:
        DataError: the file cannot be read or is of another kind.
    """
    with open_file(path) as stream:
        return stream.read(HEAD)


@contextmanager
def explain_errors(path: Path) -> Generator[None]:
    """Converts errors of opening, reading or unpacking a file into a ``DataError``."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"no such file{_name_seeds(path)}", file=path) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"damaged gzip: {error}: pack it again", file=path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot be read: {reason}", file=path) from None


def _name_seeds(path: Path) -> str:
    """Where several seeds were trained, each has a file of this name: names one, else ""."""
    found = sorted(path.parent.glob(f"seed-*/{glob.escape(path.name)}"))
    return f": each seed has its own, e.g. {found[0]}" if found else ""


@contextmanager
def open_file(path: Path) -> Generator[_Stream]:
    """Opens a file and yields a stream of its uncompressed bytes.

    Raises:
        DataError: the file cannot be read or is of another kind.
    """
    with explain_errors(path), _open_regular(path) as raw:
        if _is_gzip(raw, path):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked
        else:
            yield raw


def _open_regular(path: Path) -> BinaryIO:
    if path.is_symlink() and not path.exists():
        raise DataError("is a link to a file that is not here: fetch it (git annex get)", file=path)
    if path.is_dir():
        raise DataError("is a directory, expected a file", file=path)
    if path.exists() and not path.is_file():
        raise DataError("is not a regular file: save the rows to a file first", file=path)
    return path.open("rb")


def _is_gzip(raw: BinaryIO, path: Path) -> bool:
    head = raw.read(HEAD)
    raw.seek(0)
    kind = explain_binary(head) or explain_pointer(head)
    if kind:
        raise DataError(f"is {kind}", file=path)
    return head.startswith(b"\x1f\x8b")
