"""Inspect's packed logs (``.eval``), checked before anything of them is built in memory."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from dormant.errors import DataError

#: Largest log, sample and other part once unpacked, in bytes, and most parts (one a sample).
_LARGEST_LOG, _LARGEST_SAMPLE, _LARGEST_PART, _MOST_PARTS = 8 << 30, 32 << 20, 1 << 30, 1_000_000
_MOST_PACKED = 200  #: how much smaller a large part may be packed
#: Keeps the brackets of JSON alone, and hundreds of them opened without one closed in between.
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"{}[]"))
_DEEP = b"[" * 500


def check_packed_log(path: Path) -> None:
    """Refuses a log that takes more memory than it seems, before anything of it is built.

    Raises:
        DataError: names the part that is too large, or nested too deeply.
    """
    if not zipfile.is_zipfile(path):
        return  # a log in JSON, or none: its reader says so
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS or sum(p.file_size for p in parts) > _LARGEST_LOG:
                raise DataError(
                    f"unpacks to more than {_LARGEST_LOG >> 30} GiB or {_MOST_PARTS:,} parts, too "
                    "large for a log",
                    file=path,
                )
            for part in parts:
                is_sample = part.filename.startswith("samples/")
                most = _LARGEST_SAMPLE if is_sample else _LARGEST_PART
                if part.file_size > _LARGEST_SAMPLE:  # zeros in a row, not summaries
                    most = min(most, _MOST_PACKED * part.compress_size)
                if part.file_size > most:
                    raise DataError(
                        f"its part {part.filename!r:.80} unpacks to {part.file_size:,} bytes, more "
                        f"than the {most:,} that are read of such a part",
                        file=path,
                    )
                check_depth(archive.read(part), part.filename, path)
    except (DataError, NotImplementedError) as error:
        if isinstance(error, DataError):
            raise
        return  # packed in a way that only Inspect's own reader knows
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(describe_broken_log(type(error).__name__), file=path) from None


def check_depth(raw: bytes, name: str, path: Path) -> None:
    """Raises ``DataError`` for JSON that is nested deeper than any log: it may take gigabytes.

    Brackets inside texts count too, so only a run of opening brackets as in a hostile file fails.
    """
    if _DEEP in raw.translate(_BRACKETS, _OTHERS):
        raise DataError(f"its part {name!r:.80} is nested too deeply for a log", file=path)


def describe_broken_log(reason: str) -> str:
    """One line for a file that is no Inspect log, with the fix."""
    return (
        f"not an Inspect log ({reason}): copy it again if the run that wrote it has ended, or "
        "rename it to the suffix of what it is"
    )
