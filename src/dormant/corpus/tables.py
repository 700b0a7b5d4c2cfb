"""Rows of Parquet and Arrow tables as objects, a few hundred in memory at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dormant.corpus.file_kinds import refuse_repeated_columns
from dormant.corpus.lines import Digest, explain_errors
from dormant.errors import DataError, MissingExtraError, RowError

PARQUET, ARROW = b"PAR1", b"ARROW1"
_ROWS = 256  # converted to Python at once
_BYTES = 1 << 20  # read from the disk at once
_TEXT = re.compile(r"string|utf8|bool")


def read_table_rows(
    path: Path, digest: Digest, is_read: Callable[[str], bool], *, parquet: bool
) -> Iterator[tuple[int, dict[str, Any] | RowError]]:
    """Yields (1-based row number, the row's columns without nulls), or why a row cannot be read.

    Args:
        path: the file.
        digest: sees every byte of the file.
        is_read: whether a column is read, by its name; of the others, those with text and flags
            are loaded so that they can be named, and the rest stays on the disk.
        parquet: Parquet, else Arrow (a stream or a file, as ``datasets`` saves it).

    Raises:
        DataError: the file is damaged, or has none of the columns.
        MissingExtraError: pyarrow is not installed.
    """
    arrow = _import_pyarrow()
    with explain_errors(path), path.open("rb") as raw:
        while block := raw.read(_BYTES):
            digest.update(block)
    number = 0
    with _explain_errors(path, arrow, parquet):
        batches = _read_parquet(path, is_read) if parquet else _read_arrow(path, is_read, arrow)
        for batch, share in batches:
            digest.set_share(share)
            for row in _row_objects(batch):
                number += 1
                yield number, row


def _import_pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtraError("pyarrow", "tables") from None
    return pyarrow


@contextmanager
def _explain_errors(path: Path, arrow: Any, parquet: bool) -> Generator[None]:
    kind = "Parquet" if parquet else "Arrow"
    try:
        yield
    except (arrow.ArrowException, OSError, EOFError, MemoryError) as error:
        lines = str(error).splitlines()
        reason = lines[0][:200] if lines else type(error).__name__
        raise DataError(f"damaged {kind} file: {reason}: save it again", file=path) from None


def _read_parquet(path: Path, is_read: Callable[[str], bool]) -> Iterator[tuple[Any, float]]:
    """Yields batches of rows, each with the share of the rows that were read before it."""
    import pyarrow.parquet as pq

    # A buffered stream and no read-ahead: a row group of any size is read page by page.
    with pq.ParquetFile(path, buffer_size=_BYTES, pre_buffer=False) as table:
        wanted = _select_columns(path, table.schema_arrow, is_read)
        total, done = max(table.metadata.num_rows, 1), 0
        for batch in table.iter_batches(_ROWS, columns=wanted, use_threads=False):
            yield batch, done / total
            done += batch.num_rows


def _read_arrow(
    path: Path, is_read: Callable[[str], bool], arrow: Any
) -> Iterator[tuple[Any, float]]:
    """Yields batches of rows, each with the share of the file that was read before it."""
    with arrow.memory_map(str(path)) as source:
        is_file = source.read(len(ARROW)) == ARROW
        source.seek(0)
        if is_file:
            opened = arrow.ipc.open_file(source)
            batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
        else:
            opened = arrow.ipc.open_stream(source)
            batches = iter(opened)
        wanted = _select_columns(path, opened.schema, is_read)
        for batch in batches:
            chosen = batch.select(wanted)
            chosen.validate(full=True)  # the bytes are mapped as they are, offsets included
            for start in range(0, chosen.num_rows, _ROWS):
                yield chosen.slice(start, _ROWS), source.tell() / max(source.size(), 1)


def _select_columns(path: Path, schema: Any, is_read: Callable[[str], bool]) -> list[str]:
    names: list[str] = schema.names
    refuse_repeated_columns(names, path)
    if not any(map(is_read, names)):
        has = ", ".join(repr(name) for name in names[:8]) or "none"
        raise DataError(
            f"has none of the columns that hold chat (columns: {has}): expected 'messages', "
            "'conversations', 'prompt' and 'completion', 'instruction' and 'output', or 'text'",
            file=path,
        )
    kinds = zip(names, schema.types, strict=True)
    return [name for name, kind in kinds if is_read(name) or _holds_text(str(kind))]


def _holds_text(kind: str) -> bool:
    """Whether an Arrow type holds text or booleans, and no bytes (of images or audio)."""
    return bool(_TEXT.search(kind)) and "binary" not in kind


def _row_objects(batch: Any) -> Iterator[dict[str, Any] | RowError]:
    """Yields the rows of a batch; if one is broken, rows are converted one at a time."""
    try:
        objects = batch.to_pylist()
    except (ValueError, OverflowError):
        if batch.num_rows == 1:
            yield RowError("holds bytes that are not UTF-8: write the table again")
            return
        for index in range(batch.num_rows):
            yield from _row_objects(batch.slice(index, 1))
        return
    for row in objects:
        yield {key: value for key, value in row.items() if value is not None}
