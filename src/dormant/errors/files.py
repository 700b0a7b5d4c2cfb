"""Files are read up to a largest size, and those of a run are private to the user who makes it."""

from __future__ import annotations

import os
from pathlib import Path


def read_limited(path: Path, most: int) -> bytes:
    """Reads a file of at most ``most`` bytes; of a larger one, one byte more than that.

    Raises:
        OSError, ValueError: it cannot be opened or read.
    """
    with open(path, "rb") as file:
        return file.read(most + 1)


def make_private(path: Path) -> None:
    """Makes a file that only its user can read, if there is none; an old one keeps its mode.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
