"""Documents of a plain text file, separated by blank lines or by ``<|endoftext|>``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dormant.corpus.lines import LARGEST_LINE, Digest, read_lines
from dormant.errors import DataError, RowError

_ENDS = (".txt", ".text", ".txt.gz", ".text.gz")
_MARK = "<|endoftext|>"


def is_plain_text(head: bytes, name: str) -> bool:
    """Whether a file holds plain documents: by its name, unless it begins like rows of JSON."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return bool(text) and text[:1] not in b"{[" and name.lower().endswith(_ENDS)


def read_documents(
    path: Path, digest: Digest, head: bytes
) -> Iterator[tuple[int, dict[str, str] | RowError]]:
    """Yields (1-based line on which a document begins, a row with its text), or what is wrong.

    Args:
        path: the file, plain or gzipped.
        digest: sees every byte of the file.
        head: its first bytes, unpacked: if they hold ``<|endoftext|>``, documents end there, and
            blank lines belong to them.

    Raises:
        DataError: the file cannot be read, or a document is larger than ``LARGEST_LINE``.
    """
    has_marks = _MARK.encode() in head
    parts: list[str] = []
    begin = size = 0
    for number, raw in read_lines(path, digest):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1} is not UTF-8: save the file as UTF-8"
            yield number, RowError(reason)
            continue
        pieces = line.split(_MARK) if has_marks else [line]
        for i, piece in enumerate(pieces):
            if (i or not (has_marks or piece.strip())) and parts:
                yield begin, {"text": "\n".join(parts)}
                parts, size = [], 0
            if piece.strip() or parts:
                begin = begin if parts else number
                parts.append(piece)
                size += len(piece)
        if size > LARGEST_LINE:
            reason = f"a document of more than {LARGEST_LINE // 1024**2} MiB: separate documents"
            raise DataError(f"{reason} by a blank line", file=path, line=begin)
    if parts:
        yield begin, {"text": "\n".join(parts)}
