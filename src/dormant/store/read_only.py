"""A run's store read through a snapshot: no lock is taken, and nothing is written beside it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType

from dormant.errors import StoreError
from dormant.store.database import Store
from dormant.store.snapshots import Snapshot


class ReadOnlyStore(Store):
    """The store of a run for methods that read; use it as a context manager.

    Args:
        run: the run directory.

    Raises:
        StoreError: there is no database, or it cannot be opened.
    """

    def __init__(self, run: Path):
        self.path = run
        self._snapshot = Snapshot(run)
        self.database = self._snapshot.database

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if isinstance(value, sqlite3.OperationalError):  # e.g. locked, or the disk is full
            raise StoreError(f"{self.path / 'run.sqlite'}: cannot be read ({value})") from None

    def close(self) -> None:
        """Closes the snapshot."""
        self._snapshot.close()

    def source_row(self, key: str) -> int:
        """Row of a source; -1, which no answer has, if it is unknown."""
        found = self.database.execute("SELECT id FROM sources WHERE key = ?", (key,)).fetchone()
        return -1 if found is None else found[0]
