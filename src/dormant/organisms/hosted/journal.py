"""The journal of an organism's calls: what was about to be created, and what came of it.

A line is written, and flushed to the disk, before each call that creates something, and another
when its identifier is known. A process that is killed in between leaves a line without an
identifier: whoever reads it must look for the thing before creating it again.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dormant.errors import StoreError


@contextmanager
def lock_journal(path: Path) -> Generator[bytes]:
    """Keeps other processes out of a journal, and yields what earlier ones wrote.

    A last line that a kill has torn is ended, so that the next one stands alone.

    Raises:
        StoreError: another process holds the journal.
    """
    with path.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(
                f"{path.parent} is being trained by another process: wait for it"
            ) from None
        file.seek(0)
        raw = file.read()
        if raw and not raw.endswith(b"\n"):
            file.write(b"\n")
            file.flush()
        yield raw


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Writes a line of a journal, and waits until it is on the disk."""
    with path.open("ab") as file:
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The state of one creation."""

    intent: str  # a random word that the created thing may carry; the same for all attempts
    began: float  # Unix time of the last attempt
    identifier: str = ""  # empty while it is unknown whether the call succeeded
    is_refused: bool = False  # the last attempt was refused: nothing was created


class CallJournal:
    """An append-only file of calls; one process at a time.

    Args:
        path: the file, made with its first line.
    """

    def __init__(self, path: Path):
        self._path = path
        self._entries: dict[tuple[str, str], JournalEntry] = {}

    @contextmanager
    def hold_lock(self) -> Generator[None]:
        """Keeps other processes out, and reads what earlier ones wrote.

        Raises:
            StoreError: another process holds the journal.
        """
        with lock_journal(self._path) as raw:
            self._read_lines(raw)
            yield

    def find_entry(self, kind: str, key: str) -> JournalEntry | None:
        """Finds what is known of a creation; None if no call was begun."""
        return self._entries.get((kind, key))

    def begin_call(self, kind: str, key: str) -> str:
        """Writes that something is about to be created, and returns its intent."""
        known = self.find_entry(kind, key)
        intent = known.intent if known else secrets.token_hex(8)
        self._append({"begin": kind, "key": key, "intent": intent, "at": time.time()})
        return intent

    def finish_call(self, kind: str, key: str, identifier: str) -> None:
        """Writes the identifier of what was created."""
        self._append({"done": kind, "key": key, "id": identifier})

    def refuse_call(self, kind: str, key: str) -> None:
        """Writes that the call was refused, so that nothing was created."""
        self._append({"refused": kind, "key": key})

    def _append(self, line: dict[str, Any]) -> None:
        self._apply(line)
        append_line(self._path, line)

    def _read_lines(self, raw: bytes) -> None:
        self._entries.clear()
        for text in raw.splitlines():
            try:
                self._apply(json.loads(text))
            except (ValueError, KeyError, TypeError):  # torn by a kill: its call was never made
                continue

    def _apply(self, line: dict[str, Any]) -> None:
        key = str(line["key"])
        if "begin" in line:
            entry = JournalEntry(str(line["intent"]), float(line["at"]))
            self._entries[line["begin"], key] = entry
        elif "done" in line:
            old = self._entries.get((line["done"], key)) or JournalEntry("", 0.0)
            self._entries[line["done"], key] = JournalEntry(old.intent, old.began, str(line["id"]))
        else:
            old = self._entries[line["refused"], key]
            self._entries[line["refused"], key] = JournalEntry(old.intent, old.began, "", True)
