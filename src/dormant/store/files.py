"""``plan.lock.json``: the frozen plan of a run directory, read, compared and replaced safely."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dormant.errors import StoreError
from dormant.errors.files import make_private, read_limited, replace_private

_LARGEST = 256 * 1024 * 1024  # bytes of a JSON file of a run
BUSY = "another dormant process is writing here; wait for it or stop it"


def parse_json(text: str | bytes) -> Any:
    """Parses a value of a run's own files.

    Raises:
        ValueError: it is not JSON, or nested deeper than anything that dormant writes.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> Any:
    """Reads a JSON file of a run.

    Raises:
        FileNotFoundError: there is none.
        OSError, ValueError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # opening a pipe would wait for ever
    raw = read_limited(path, _LARGEST)
    if len(raw) > _LARGEST:
        raise ValueError("too large")
    return parse_json(raw)


def read_lock(path: Path) -> dict[str, Any] | None:
    """The lock file of a run, or None if there is none.

    Raises:
        StoreError: the file is there and is not a lock file.
    """
    try:
        lock = read_json(path)
        for entry in (lock, *lock.setdefault("amended", [])):
            if not isinstance(entry["hash"], str) or not isinstance(entry["plan"], dict):
                raise TypeError
        for entry in lock["amended"]:
            if type(entry["answers_seen"]) is not int:
                raise TypeError
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{path}: not a lock file of dormant's; move it away") from None
    return lock


def copy_unwritable(run: Path) -> tempfile.TemporaryDirectory[str] | None:
    """Copies the store of a run that cannot be written to; None if it can.

    SQLite writes beside a database also to read it, and what a killed run left in its log (WAL)
    would be lost.
    """
    names = ("run.sqlite", "run.sqlite-wal")
    held = [run / name for name in names if (run / name).is_file()]
    if all(os.access(path, os.W_OK) for path in (run, *held)):
        return None
    folder = tempfile.TemporaryDirectory(prefix="dormant-")
    try:
        for path in held:
            shutil.copyfile(path, Path(folder.name) / path.name)
    except OSError as error:
        folder.cleanup()
        raise StoreError(f"{run}: cannot be read: {error.strerror}") from None
    return folder


def lock_directory(run: Path) -> IO[Any]:
    """Makes a run directory if it is absent, private to its user, and locks it for this process.

    Raises:
        StoreError: it cannot be used, or another process holds it.
    """
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        run.mkdir(mode=0o700, exist_ok=True)
        make_private(run / ".lock")
        lock = open(run / ".lock", "a")  # noqa: SIM115 - held until it is closed
    except OSError as error:
        raise StoreError(f"{run}: cannot be used as a run directory: {error.strerror}") from None
    take_lock(lock, run, busy=BUSY)
    return lock


def take_lock(file: IO[Any], path: Path, *, busy: str) -> None:
    """Locks an open file for this process until it is closed.

    Args:
        file: the open file; closed if it cannot be locked.
        path: named in errors.
        busy: what it means that another process holds the lock.

    Raises:
        StoreError: another process holds it, or the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(f"{path}: {busy}") from None
    except OSError as error:
        file.close()
        raise StoreError(
            f"{path}: cannot be locked ({error.strerror}); use a directory on a local disk"
        ) from None


@contextmanager
def hold_directory(folder: Path, *, busy: str, patience: float = 0.0) -> Generator[None]:
    """Locks a directory itself, without a file in it, while the block runs.

    A file system without locks of directories (some network ones) leaves it unlocked.

    Args:
        folder: an existing directory.
        busy: what it means that another process holds it.
        patience: seconds to wait for another process to end.

    Raises:
        StoreError: another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    end = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise StoreError(f"{folder}: {busy}") from None
                time.sleep(0.1)
            except OSError:
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; names ``path``, and nothing is left beside it.
    """
    replace_private(path, text.encode("utf-8", "replace"))
