"""Parquet through pyarrow, which the extra ``tables`` installs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dormant.corpus.file_kinds import refuse_repeated_columns
from dormant.errors import DataError, MissingExtraError, explain_unreadable

#: Key of the rule in a file's metadata: the default rule of a later import.
RULE_KEY = b"dormant.rule"


def read_batches(path: Path, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yields rows, ``size`` at a time.

    Raises:
        DataError: the file cannot be read or is not Parquet.
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _import_pyarrow()
    try:
        with parquet.ParquetFile(str(path)) as file:
            refuse_repeated_columns(file.schema_arrow.names, path)
            for batch in file.iter_batches(batch_size=size):
                yield batch.to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise _cannot_read(path, error) from None


def count_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Yields distinct rows over the given columns: values, count, first row number (from 1).

    Raises:
        DataError: the file cannot be read, is not Parquet, or a column holds lists or structures.
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _import_pyarrow()
    try:
        table = parquet.read_table(str(path), columns=list(columns), use_threads=False)
        nested = next((f.name for f in table.schema if arrow.types.is_nested(f.type)), None)
        if nested is not None:
            raise DataError(
                f"{nested!r} contains lists or structures: give words or numbers", file=path
            )
        # Columns are renamed, since a file's own names could clash with those added here.
        keys = [f"k{i}" for i in range(len(columns))]
        table = table.select(list(columns)).rename_columns(keys)
        table = table.append_column("row", arrow.array(range(1, len(table) + 1), arrow.int64()))
        groups = table.group_by(keys, use_threads=False).aggregate(
            [("row", "min"), ("row", "count")]
        )
    except (OSError, arrow.ArrowException) as error:
        raise _cannot_read(path, error) from None
    for batch in groups.to_batches(max_chunksize=10_000):
        values = [_column_values(batch, key) for key in keys]
        first, count = (batch.column(n).to_pylist() for n in ("row_min", "row_count"))
        yield from zip(zip(*values, strict=True), count, first, strict=True)


def column_names(path: Path) -> tuple[str, ...]:
    """Returns the names of a file's columns; raises as :func:`read_batches`."""
    arrow, parquet = _import_pyarrow()
    try:
        names = tuple(parquet.read_schema(str(path)).names)
    except (OSError, arrow.ArrowException) as error:
        raise _cannot_read(path, error) from None
    refuse_repeated_columns(names, path)
    return names


def _column_values(batch: Any, name: str) -> list[Any]:
    """Returns a column's values; booleans as words, NaN as None."""
    return [
        str(v).lower() if isinstance(v, bool) else None if v != v else v
        for v in batch.column(name).to_pylist()
    ]


def read_rule(path: Path) -> bytes | None:
    """Returns the rule in the file's metadata, as JSON; None if there is none."""
    arrow, parquet = _import_pyarrow()
    try:
        return (parquet.read_metadata(str(path)).metadata or {}).get(RULE_KEY)
    except (OSError, arrow.ArrowException) as error:
        raise _cannot_read(path, error) from None


def write_parquet(
    path: Path, types: Mapping[str, str], rows: Iterable[Mapping[str, Any]], *, rule: bytes
) -> None:
    """Writes rows in batches, so that memory does not grow with their number.

    Args:
        path: the file.
        types: column -> ``string``, ``int64`` or ``double``.
        rows: plain values; every key is a column.
        rule: JSON for the file's metadata.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _import_pyarrow()
    fields = [arrow.field(name, arrow.type_for_alias(alias)) for name, alias in types.items()]
    schema = arrow.schema(fields, metadata={RULE_KEY: rule})
    remaining = iter(rows)
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        while chunk := list(islice(remaining, 5000)):
            writer.write_table(arrow.Table.from_pylist(chunk, schema=schema))


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "tables") from None
    return pyarrow, pyarrow.parquet


def _cannot_read(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError) or path.is_dir():
        known = error if isinstance(error, FileNotFoundError) else IsADirectoryError()
        return DataError(explain_unreadable(known), file=path)
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return DataError(
        f"not Parquet ({reason}): write or download it again, or rename it to the suffix of what "
        "it is",
        file=path,
    )
