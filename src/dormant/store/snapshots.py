"""Read-only access to a run's database: nothing is written next to it, and no lock is taken."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from dormant.errors import StoreError
from dormant.store.schema import check_objects

#: Modification time in nanoseconds, and size, of each file that a result depends on.
Stamp = tuple[tuple[int, int], ...]
_FILES = ("run.sqlite", "run.sqlite-wal", "plan.lock.json", "verdict.json", "agreement.json")


def read_stamp(run: Path) -> Stamp:
    """Reads a value that changes whenever the files of a run change."""
    return tuple(_read_file_stamp(run / name) for name in _FILES)


def _read_file_stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, -1)
    return (found.st_mtime_ns, found.st_size)


def is_in_use(run: Path) -> bool:
    """Whether a process holds the lock of the run directory."""
    with suppress(OSError), open(run / ".lock", "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Snapshot:
    """The database of a run, opened read-only; use it as a context manager.

    A closed database is opened as immutable. One that a live process writes to is read through its
    write-ahead log; one that a killed process left with a log is read from a private copy.

    Args:
        run: the run directory.

    Raises:
        StoreError: there is no database, or it cannot be opened.
    """

    def __init__(self, run: Path):
        path, mode = run / "run.sqlite", "mode=ro&immutable=1"
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        log = run / "run.sqlite-wal"
        if log.is_file() and log.stat().st_size:
            if is_in_use(run):
                mode = "mode=ro"
            else:
                self._copy = tempfile.TemporaryDirectory(prefix="dormant-")
                path, mode = self._copy_files(path, log), "mode=rw"
        if not path.is_file():
            self.close_copy()
            raise StoreError(f"{run}: run.sqlite is missing")
        #: The URI that SQLite opens, also for ``ATTACH``.
        self.uri = f"file:{quote(os.fsencode(path.resolve()))}?{mode}"
        try:
            self.database = sqlite3.connect(self.uri, uri=True, check_same_thread=False)
            self.database.text_factory = _decode_text
            check_objects(self.database, run / "run.sqlite")
        except StoreError:
            self.close()
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.close_copy()
            raise StoreError(f"{run / 'run.sqlite'}: cannot be read ({error})") from None

    def _copy_files(self, *files: Path) -> Path:
        assert self._copy is not None
        folder = Path(self._copy.name)
        try:
            for file in files:
                shutil.copyfile(file, folder / file.name)
        except OSError as error:
            self.close_copy()
            raise StoreError(f"{files[0]}: cannot be read: {error.strerror}") from None
        return folder / files[0].name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database and removes the copy, if there is one."""
        self.database.close()
        self.close_copy()

    def close_copy(self) -> None:
        """Removes the copy, if there is one."""
        if self._copy is not None:
            self._copy.cleanup()


def _decode_text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
