"""Files are read up to a largest size, and those of a run are private to the user who makes it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
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
        OSError: it cannot be made, or is a pipe that nobody reads.
    """
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NONBLOCK, 0o600))


def replace_private(path: Path, raw: bytes, *, keeps_mode: bool = False) -> None:
    """Writes a file so that a reader sees the old one or the new one, never a part.

    A link at the path is replaced and not followed: a folder that someone else made must not
    choose which file is overwritten.

    Args:
        path: of the file, which only its user can read afterwards.
        raw: what it is to hold.
        keeps_mode: whether the permissions of an old file are kept instead.

    Raises:
        OSError: it cannot be written; names ``path``, and nothing is left beside it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        make_private(temporary)
        if keeps_mode:
            with suppress(FileNotFoundError):
                old = os.lstat(path).st_mode
                if stat.S_ISREG(old):
                    temporary.chmod(stat.S_IMODE(old))
        with open(temporary, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise type(error)(error.errno, error.strerror, str(path)) from None
