"""Rows of a table as text: columns separated by commas, semicolons, tabs or bars, with a header."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dormant.corpus.file_kinds import find_separator
from dormant.corpus.lines import LARGEST_LINE, Digest, read_lines
from dormant.errors import DataError, RowError

_ENDS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def detect_separator(head: bytes, name: str) -> str:
    """Finds what separates the columns of a table; empty if the file is none.

    Args:
        head: the first bytes, unpacked.
        name: the file's name; a table of one column is known by it alone.
    """
    found = find_separator(head)
    if found or not name.lower().endswith(_ENDS):
        return found
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or text[:1] in b"{[":
        return ""
    first = text.partition(b"\n")[0]
    return max(
        ("\t" if ".tsv" in name.lower() else ",", *"\t;|"), key=lambda c: first.count(c.encode())
    )


def read_csv_rows(
    path: Path, digest: Digest, is_read: Callable[[str], bool], separator: str
) -> Iterator[tuple[int, dict[str, Any] | RowError]]:
    """Yields (1-based line on which the row begins, its columns), or why it cannot be read.

    Blank fields are left out. A field of turns may hold them as JSON.

    Args:
        path: the file, plain or gzipped.
        digest: sees every byte of the file.
        is_read: whether a column is read, by its name.
        separator: what separates the columns.

    Raises:
        DataError: no line names the columns, none of them is read, or a field does not end.
    """
    csv.field_size_limit(LARGEST_LINE)
    lines = _Lines(path, digest)
    with closing(lines), _explain_errors(path, lines):
        # Quotes are matched strictly: a stray one would swallow the rows after it.
        table = csv.reader(lines, delimiter=separator)
        header = _read_header(table, path, is_read)
        begin = lines.number + 1
        for fields in table:
            if lines.broken:
                yield lines.broken.pop()
            elif len(fields) == len(header):
                row = {k: v for k, v in zip(header, fields, strict=True) if k and v.strip()}
                yield begin, row
            elif any(field.strip() for field in fields):
                yield begin, RowError(_explain_width(len(fields), len(header), separator))
            begin = lines.number + 1


class _Lines:
    """Lines of a file as text, counted; a line that is no UTF-8 is blank and listed."""

    def __init__(self, path: Path, digest: Digest) -> None:
        self._lines = read_lines(path, digest)
        self.number = 0
        self.broken: list[tuple[int, RowError]] = []

    def close(self) -> None:
        """Closes the file, also after an error that ended the reading."""
        self._lines.close()

    def __iter__(self) -> Iterator[str]:
        for number, raw in self._lines:
            self.number = number
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"byte {error.start + 1} is not UTF-8: save the file as UTF-8"
                self.broken.append((number, RowError(reason)))
                text = raw.decode("utf-8", "replace")
            yield text + "\n"


def _read_header(
    table: Iterable[list[str]], path: Path, is_read: Callable[[str], bool]
) -> list[str]:
    for fields in table:
        names = [field.strip() for field in fields]
        if not any(names) or (len(names) <= 2 and names[0].lower().startswith("sep=")):
            continue
        twice = next((name for name in names if name and names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"two columns are named {twice!r}: rename one", file=path, line=1)
        if not any(map(is_read, names)):
            listed = ", ".join(repr(name[:40]) for name in names[:8])
            raise DataError(
                f"none of the columns holds chat or text (columns: {listed}): name them in the "
                "first line, e.g. prompt and completion, question and answer, or text",
                file=path,
                line=1,
            )
        return names
    raise DataError("the file is empty: expected a line of column names, then rows", file=path)


def _explain_width(found: int, header_fields: int, separator: str) -> str:
    shown = "a tab" if separator == "\t" else repr(separator)
    return (
        f"{found} fields, and the header names {header_fields}: put fields that hold {shown} or "
        "line breaks into quotes"
    )


@contextmanager
def _explain_errors(path: Path, lines: _Lines) -> Generator[None]:
    try:
        yield
    except csv.Error as error:
        size = LARGEST_LINE // 1024**2
        reason = f"cannot be read as a table: {error}"
        if "field larger" in str(error):
            reason = f"a field of more than {size} MiB: close its quotes"
        raise DataError(reason, file=path, line=lines.number) from None
