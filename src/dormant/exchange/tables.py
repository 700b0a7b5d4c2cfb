"""Reading of CSV, JSON Lines, Parquet and Inspect logs as rows of plain values with line numbers.

Values are not interpreted here. An unreadable row is returned as ``Unreadable``, so that the caller
decides whether to stop.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from dormant.corpus.file_kinds import is_inspect_log
from dormant.corpus.lines import check_is_fetched
from dormant.errors import (
    DataError,
    RowError,
    explain_not_text,
    explain_unreadable,
    shorten_value,
)
from dormant.errors.json_text import parse_json

#: Rows that determine the columns of a file without a header.
_PEEK = 1000
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a file."""

    line: int  # 1-based line where it begins; the row number in Parquet, the sample in a log
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An unreadable row."""

    line: int
    reason: str


def read_rows(path: Path) -> Iterator[TableRow | Unreadable]:
    """Yields the rows of a file in the format of its suffix.

    Suffixes are .csv, .tsv, .jsonl, .ndjson, .parquet and .eval.

    Raises:
        DataError: the file cannot be read, or its suffix is unknown.
        MissingExtraError: Parquet or Inspect's logs need a package that is not installed.
    """
    suffix = path.suffix.lower()
    head = check_is_fetched(path)
    if suffix in (".csv", ".tsv"):
        return _read_csv(path, "\t" if suffix == ".tsv" else ",")
    if suffix in (".jsonl", ".ndjson"):
        return _read_jsonl(path)
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix == ".eval":
        from dormant.exchange.eval_reader import read_samples

        return (TableRow(number, values) for number, values in enumerate(read_samples(path), 1))
    if is_inspect_log(head):
        raise DataError(
            "is an Inspect log as JSON: convert it (inspect log convert --to eval), and give the "
            ".eval file",
            file=path,
        )
    raise DataError(
        f"unknown suffix {path.suffix!r}: give .csv, .tsv, .jsonl, .ndjson, .parquet or .eval",
        file=path,
    )


def read_columns(path: Path) -> tuple[str, ...]:
    """Returns a file's columns in order, from the header or the first thousand rows."""
    rows = (row for row in islice(read_rows(path), _PEEK) if isinstance(row, TableRow))
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row.values))
    return tuple(names)


def content_hash(path: Path) -> str:
    """Returns the SHA-256 (hex) of a file's bytes.

    Raises:
        DataError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(explain_unreadable(error), file=path) from None
    return digest.hexdigest()


def _read_csv(path: Path, delimiter: str) -> Iterator[TableRow | Unreadable]:
    names, rows = csv_cells(path, delimiter)
    for line, cells in rows:
        if isinstance(cells, str):
            yield Unreadable(line, cells)
        else:
            yield TableRow(line, dict(zip(names, cells, strict=True)))


def csv_cells(
    path: Path, delimiter: str
) -> tuple[list[str], Iterator[tuple[int, list[str] | str]]]:
    """Returns the header of a CSV file, and yields (line, cells) or (line, reason) of its rows.

    Raises:
        DataError: the file cannot be read, is empty, or its header is invalid.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(_read_lines(path), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise DataError(f"the header is not CSV: {error}", file=path, line=1) from None
    if not header or not any(name.strip() for name in header):
        raise DataError("the file is empty: expected a header and rows", file=path)
    names = [name.strip() for name in header]
    if len(names) == 1 and (other := next((c for c in ";\t,|" if c in names[0]), None)):
        raise DataError(
            f"the header is a single column that contains {other!r}: separate columns by commas "
            "(.csv) or tabs (.tsv)",
            file=path,
            line=1,
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"duplicate column {twice!r}: rename one", file=path, line=1)
    return names, _read_cells(reader, len(names))


def _read_cells(reader: Any, width: int) -> Iterator[tuple[int, list[str] | str]]:
    while True:
        line = reader.line_num + 1
        try:
            for cells in reader:
                if len(cells) == width:
                    yield line, cells
                elif cells:
                    yield line, f"{len(cells)} fields, the header has {width}"
                line = reader.line_num + 1
        except csv.Error as error:
            yield line, f"not CSV: {error}"
            continue
        return


def _read_lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file, line breaks kept."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                try:
                    yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError:
                    raise DataError(explain_not_text(raw), file=path, line=number) from None
    except OSError as error:
        raise DataError(explain_unreadable(error), file=path) from None


def _read_jsonl(path: Path) -> Iterator[TableRow | Unreadable]:
    for number, values in json_objects(path):
        if isinstance(values, str):
            yield Unreadable(number, values)
        else:
            yield TableRow(number, values)


def json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, object) of a JSON Lines file; a text says why a line holds none.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    loads = _json_parser()
    for number, line in enumerate(_read_lines(path), 1):
        if line.isspace():
            continue
        try:
            value = loads(line)
        except RowError as error:
            yield number, str(error)
            continue
        if isinstance(value, dict):
            yield number, value
        elif isinstance(value, list):
            yield number, "a JSON array: put one object on each line (jq -c '.[]' converts it)"
        else:
            yield number, f"expected an object, got {shorten_value(value)}"


def _json_parser() -> Callable[[str], Any]:
    """A parser of lines: ``parse_json``, or orjson with equal values if it is installed."""
    parse_whole = partial(parse_json, allows_nan=True)
    try:
        import orjson
    except ImportError:
        return parse_whole
    fast, refused = orjson.loads, orjson.JSONDecodeError

    def parse_line(line: str) -> Any:
        # Input that orjson rejects (NaN, lone surrogates), rounds (integers beyond 64 bits) or cuts
        # (the first of two equal keys) goes to the slow parser, for identical values and errors.
        try:
            value = fast(line)
        except refused:
            return parse_whole(line)
        if isinstance(value, dict):
            if float in map(type, value.values()) and _is_rounded(value):
                return parse_whole(line)
            if "\\u00" in line or any(line.count(f'"{key}"') > 1 for key in _list_keys(value)):
                return parse_whole(line)  # the name may also be a value: only the pairs can tell
        return value

    return parse_line


def _list_keys(value: Any) -> Iterator[str]:
    """Yields the keys of an object and of all objects inside it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if isinstance(inner, dict | list):
                yield from _list_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                yield from _list_keys(inner)


def _is_rounded(values: Mapping[str, Any]) -> bool:
    """Whether a number is so large that it may have been an integer beyond 64 bits."""
    return any(isinstance(value, float) and abs(value) >= 2**63 for value in values.values())


def _read_parquet(path: Path) -> Iterator[TableRow | Unreadable]:
    from dormant.exchange.parquet import read_batches

    number = 0
    for batch in read_batches(path, _BATCH):
        for values in batch:
            number += 1
            yield TableRow(number, values)
