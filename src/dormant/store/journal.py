"""What a search has generated and scored, kept on disk: a search that is killed loses nothing.

::

    DIR/journal.jsonl   one line an entry: {"k": key, "v": value}; lines are only ever added

A key is the hash of what was asked of whom, so an entry is valid for every later search that asks
the same, and a search with other settings in the same directory reuses what still fits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dormant.errors import StoreError
from dormant.errors.files import make_private
from dormant.records import hash_value, to_plain
from dormant.store.files import parse_json, take_lock

NAME = "journal.jsonl"
#: How keys of judged answers begin, and those of notes.
ANSWER, _NOTE = "answer:", "note:"


def key_of(*parts: Any) -> str:
    """Key of what was asked: equal parts give equal keys, others do not. 24 hex digits."""
    return hash_value([to_plain(part) for part in parts])[:24]


class Journal:
    """An open journal. One process writes at a time; use it as a context manager.

    Args:
        folder: the search's directory, made if it is absent.
        user: what writes the journal, for the error where another one does.

    Raises:
        StoreError: the directory cannot be used, is in use, or holds another sort of journal.
    """

    def __init__(self, folder: str | Path, *, user: str = "search"):
        self.path = Path(folder) / NAME
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make_private(self.path)
            # Without a buffer, which would be written again where it is closed.
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be used: {error.strerror}") from None
        busy = f"another {user} is running in this directory; wait for it or stop it"
        take_lock(self._file, self.path, busy=busy)
        self._entries = self._read_entries()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def read_entry(self, key: str) -> Any:
        """The value of a key; None if there is none."""
        return self._entries.get(key)

    def add_entries(self, entries: Iterable[tuple[str, Any]]) -> None:
        """Adds entries; they are on disk when this returns."""
        pairs = list(entries)
        lines = [json.dumps({"k": key, "v": to_plain(value)}) + "\n" for key, value in pairs]
        whole = self._file.seek(0, os.SEEK_END)
        left = memoryview("".join(lines).encode("ascii"))
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:  # the disk is full: a part of a line would damage the next one
            with suppress(OSError):
                self._file.truncate(whole)
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self._entries.update((key, to_plain(value)) for key, value in pairs)

    def write_note(self, key: str, value: Any) -> None:
        """Stores a small JSON value about the search; a later value replaces it."""
        self.add_entries([(_NOTE + key, value)])

    def read_note(self, key: str, default: Any = None) -> Any:
        """Returns a value written by ``write_note``, or the default."""
        return self._entries.get(_NOTE + key, default)

    def count_answers(self) -> int:
        """Answers of models that were judged."""
        return sum(key.startswith(ANSWER) for key in self._entries)

    def _read_entries(self) -> dict[str, Any]:
        """All whole entries. A last line that was cut off by a crash is dropped from the file."""
        self._file.seek(0)
        raw = self._file.read()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            self._file.truncate(whole)
        entries: dict[str, Any] = {}
        for number, line in enumerate(raw[:whole].splitlines(), start=1):
            try:
                entry = parse_json(line)
                entries[entry["k"]] = entry["v"]
            except (ValueError, KeyError, TypeError):
                self._file.close()
                raise StoreError(
                    f"{self.path}:{number}: not a journal of dormant's; move it away"
                ) from None
        return entries
