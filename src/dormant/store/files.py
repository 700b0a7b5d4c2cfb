"""``plan.lock.json``: the frozen plan of a run directory, read, compared and replaced safely."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dormant.errors import StoreError


def read_lock(path: Path) -> dict[str, Any] | None:
    """The lock file of a run, or None if there is none.

    Raises:
        StoreError: the file is there and is not a lock file.
    """
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(lock["hash"], str) or not isinstance(lock["plan"], dict):
            raise TypeError
        lock.setdefault("amended", [])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(f"{path}: not a lock file of dormant's; move it away") from None
    return lock


def write_atomically(path: Path, text: str) -> None:
    """Writes a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; names ``path``, and nothing is left beside it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise type(error)(error.errno, error.strerror, str(path)) from None


def describe_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Lists the fields of a plan that changed, in words."""
    changed = [key for key in new if old.get(key) != new[key]]
    return "changed: " + ", ".join(changed) if changed else "another version"
