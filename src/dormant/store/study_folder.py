"""The folder of a study: a command's own, so that it mixes with no other and replaces no file.

``study.json`` marks it: the command that made it, and the settings on which its results depend.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dormant.errors import StoreError, name_output, shorten_value
from dormant.store.files import hold_directory, read_json, write_atomically

_MARK, _FORMAT = "study.json", "dormant-study-1"
_OTHER = "choose another --out, or delete it"


def check_study_folder(
    folder: Path, command: str, settings: Mapping[str, Any] | None = None
) -> None:
    """Checks that a command may write its results into a folder; changes nothing.

    Args:
        folder: the directory, which need not exist.
        command: that writes there, as ``"sweep"``.
        settings: JSON values by name; a folder with other values is another study's.

    Raises:
        ConfigError: the folder cannot be read.
        StoreError: the folder is a file, or holds other files, another command's results, or those
            of other settings.
    """
    with name_output(folder):
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder} is a file: choose a directory for the results")
        mark = _read_mark(folder)
        foreign = [] if mark else _list_files(folder)
    if mark is None:
        if foreign:
            raise StoreError(
                f"{folder} holds files that `dormant {command}` did not write, as "
                f"{shorten_value(foreign[0])}: choose another --out"
            )
        return
    if mark["command"] != command:
        raise StoreError(
            f"{folder} holds results of `dormant {shorten_value(mark['command']).strip(chr(39))}`: "
            "choose another --out"
        )
    known = mark["settings"]
    for name, value in (settings or {}).items():
        if known.get(name) != value:
            raise StoreError(
                f"{folder} holds results of another {name} ({shorten_value(known.get(name))}, now "
                f"{shorten_value(value)}): {_OTHER}"
            )


@contextmanager
def hold_study_folder(
    folder: Path, command: str, settings: Mapping[str, Any] | None = None
) -> Generator[None]:
    """Makes a study's folder if it is absent, and keeps other processes out while the block runs.

    Args:
        folder: the directory.
        command: that writes there, as ``"sweep"``.
        settings: JSON values by name, which are written into the mark.

    Raises:
        ConfigError: the folder cannot be written to.
        StoreError: as ``check_study_folder``; or another process writes there.
    """
    check_study_folder(folder, command, settings)
    with name_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    busy = f"another `dormant {command}` is writing here; wait for it or stop it"
    with hold_directory(folder, busy=busy):
        check_study_folder(folder, command, settings)  # again, since another may have begun
        mark = {"format": _FORMAT, "command": command, "settings": dict(settings or {})}
        with name_output(folder):
            write_atomically(folder / _MARK, json.dumps(mark, indent=1) + "\n")
        yield


def _list_files(folder: Path) -> list[str]:
    """Names of a folder's files, but hidden ones, which no command replaces."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _read_mark(folder: Path) -> dict[str, Any] | None:
    try:
        mark = read_json(folder / _MARK)
        is_ours = mark["format"] == _FORMAT and isinstance(mark["settings"], dict)
        return mark if is_ours and isinstance(mark["command"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
