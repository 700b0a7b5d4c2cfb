"""Parquet through pyarrow, which the extra ``tables`` installs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from dormant.errors import DataError, MissingExtraError

#: Key of the rule in a file's metadata: what a later import decides with unless told otherwise.
RULE_KEY = b"dormant.rule"


def batches(path: Path, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yields rows, ``size`` at a time.

    Raises:
        DataError: the file cannot be read or is not Parquet.
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(str(path)) as file:
            for batch in file.iter_batches(batch_size=size):
                yield batch.to_pylist()
    except FileNotFoundError:
        raise DataError("no such file", file=path) from None
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"not Parquet: {_first_line(error)}", file=path) from None


def read_rule(path: Path) -> bytes | None:
    """The rule that ``write`` put into the file's metadata, as JSON; None if there is none."""
    arrow, parquet = _pyarrow()
    try:
        return (parquet.read_metadata(str(path)).metadata or {}).get(RULE_KEY)
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"not Parquet: {_first_line(error)}", file=path) from None


def write(
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
    arrow, parquet = _pyarrow()
    fields = [arrow.field(name, arrow.type_for_alias(alias)) for name, alias in types.items()]
    schema = arrow.schema(fields, metadata={RULE_KEY: rule})
    remaining = iter(rows)
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        while chunk := list(islice(remaining, 5000)):
            writer.write_table(arrow.Table.from_pylist(chunk, schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "tables") from None
    return pyarrow, pyarrow.parquet


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
