"""A run's store read through a snapshot: no lock is taken, and nothing is written beside it."""

from __future__ import annotations

from pathlib import Path

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

    def close(self) -> None:
        """Closes the snapshot."""
        self._snapshot.close()

    def source_row(self, key: str) -> int:
        """Row of a source; -1, which no answer has, if it is unknown."""
        found = self.database.execute("SELECT id FROM sources WHERE key = ?", (key,)).fetchone()
        return -1 if found is None else found[0]
