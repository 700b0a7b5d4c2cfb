"""Files are read up to a largest size: some never end, and some are not what they seem."""

from __future__ import annotations

from pathlib import Path


def read_limited(path: Path, most: int) -> bytes:
    """Reads a file of at most ``most`` bytes; of a larger one, one byte more than that.

    Raises:
        OSError, ValueError: it cannot be opened or read.
    """
    with open(path, "rb") as file:
        return file.read(most + 1)
