"""What can still be read of a damaged ``run.sqlite``: answer by answer, until no more comes."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shutil import copyfile
from typing import Any

from dormant.errors import IncompleteError, StoreError
from dormant.store.database import Store

_ANSWERS = (
    "SELECT p.digest, p.messages, s.key, c.repeat, c.finish, a.text"
    " FROM completions c JOIN answers a ON a.id = c.answer"
    " LEFT JOIN probes p ON p.id = c.probe LEFT JOIN sources s ON s.id = c.source"
    " ORDER BY c.source {0}, c.probe {0}, c.repeat {0}"
)
_VIEWS = "SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index')"


def read_salvageable(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yields the answers of a store that can be read, from both ends of its tables.

    Args:
        path: ``run.sqlite``; a copy is read.

    Yields:
        ``probe``, ``messages``, ``source``, ``repeat``, ``finish`` and ``answer``, as stored and
        unchecked; bytes that are no UTF-8 are replaced.
    """
    seen: set[tuple[Any, ...]] = set()
    with tempfile.TemporaryDirectory(prefix="dormant-") as folder:
        for name in (path.name, f"{path.name}-wal"):
            if path.with_name(name).is_file():
                copyfile(path.with_name(name), Path(folder) / name)
        for order in ("ASC", "DESC"):
            with closing(sqlite3.connect(Path(folder) / path.name)) as database:
                database.text_factory = _decode
                if next(_iterate_rows(database, _VIEWS), None) is not None:
                    return  # rows without end, perhaps
                for row in _iterate_rows(database, _ANSWERS.format(order)):
                    key = (row[0], row[2], row[3])
                    if key not in seen and isinstance(row[5], str):
                        seen.add(key)
                        names = ("probe", "messages", "source", "repeat", "finish", "answer")
                        yield dict(zip(names, row, strict=True))


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _iterate_rows(database: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query until the first that cannot be read."""
    with suppress(sqlite3.Error, UnicodeDecodeError):
        yield from database.execute(query)


#: Words of SQLite in errors that it calls operational though the file is at fault.
_SIGNS_OF_DAMAGE = ("malformed", "decode to UTF-8", "no such table", "no such column")


def is_damage(error: Exception) -> bool:
    """Whether an error of SQLite says that the file is damaged, not that the disk is full."""
    is_operation = isinstance(error, sqlite3.OperationalError)
    return not is_operation or any(sign in str(error) for sign in _SIGNS_OF_DAMAGE)


@contextmanager
def explain_damage(store: Store) -> Generator[None]:
    """Says what can be done about a store that cannot be read on, or written to.

    Raises:
        StoreError: what the block reads of it is damaged.
        IncompleteError: the disk is full, or the file is locked.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        file = store.path / "run.sqlite"
        if not is_damage(error):
            raise IncompleteError(
                f"{file}: cannot be written to or read ({error}): see whether its disk has room, "
                "and then run the same command again; what is stored is kept"
            ) from None
        raise StoreError(
            f"{file}: damaged ({error}): restore it from a copy, or start anew with another --out; "
            f"{count_readable(file):,} answers can still be read (`dormant export RUN --salvage "
            "FILE.jsonl`)"
        ) from None


def count_readable(path: Path) -> int:
    """How many answers ``read_salvageable`` yields."""
    with suppress(OSError):
        return sum(1 for _ in read_salvageable(path))
    return 0
