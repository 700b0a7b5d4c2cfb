"""Creates a thing behind an API once, whatever happens to the process or to a reply.

A call whose reply was lost may have succeeded. Before it is repeated, what exists at the server is
listed until ``SETTLE_SECONDS`` have passed since the call can have ended: a server may still be
working on it, and a list may lag behind. A call that was refused (4xx) created nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from dormant.errors import EngineError
from dormant.organisms.hosted.journal import CallJournal, JournalEntry

#: How long a call may take to show in the server's lists, in seconds.
SETTLE_SECONDS = 30.0
#: The longest that a call takes, in seconds: after it, a process that was killed was not calling.
CALL_SECONDS = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_ATTEMPTS = 6
_IDENTIFIER = re.compile(r"[\w.:/@+-]{1,256}", re.ASCII)


class LostReply(Exception):
    """It is unknown whether a call succeeded; the message is one line for the user."""


def is_identifier(value: object) -> bool:
    """Whether a server's name of a file, a job or a model is one that a reply may hold.

    Anything else could change a model string that it becomes part of, or a terminal.
    """
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def check_identifier(value: object, what: str) -> str:
    """Returns a server's name of something that exists.

    Args:
        value: of a reply.
        what: it names, e.g. ``"the finetuned model"``.

    Raises:
        EngineError: it is no name.
    """
    if not is_identifier(value):
        raise EngineError(
            f"the API's name of {what} is no text of letters, digits and -._:/@+ with at most 256 "
            "characters: check the address of the API"
        )
    return str(value)


class CallRefused(Exception):
    """Nothing was created; the call may be repeated after ``seconds``, or never."""

    def __init__(self, error: Exception, seconds: float | None = None):
        super().__init__(str(error))
        self.error, self.seconds = error, seconds


def create_once(
    journal: CallJournal,
    kind: str,
    key: str,
    *,
    find: Callable[[str | None], str | None],
    create: Callable[[str], str],
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Returns the identifier of a thing, which is created if it does not exist.

    Args:
        journal: the organism's journal, locked.
        kind: ``"file"`` or ``"job"``.
        key: hash of all that decides the thing.
        find: called with the intent of an earlier call, or None; the identifier of what exists.
        create: creates the thing under an intent; raises ``LostReply`` or ``CallRefused``.
        sleep: waits for so many seconds.

    Raises:
        EngineError: the server fails again and again; the same command continues.
    """
    entry = journal.find_entry(kind, key)
    if entry is not None and entry.identifier:
        return entry.identifier
    problem = ""
    for attempt in range(_ATTEMPTS):
        found = _look_for(entry, find, sleep)
        if found is None:
            intent = journal.begin_call(kind, key)
            try:
                found = create(intent)
            except LostReply as lost:
                problem = str(lost)
                entry = journal.find_entry(kind, key)
                continue
            except CallRefused as refused:
                journal.refuse_call(kind, key)
                if refused.seconds is None or attempt == _ATTEMPTS - 1:
                    raise refused.error from None
                entry = journal.find_entry(kind, key)
                sleep(refused.seconds)
                continue
        journal.finish_call(kind, key, found)
        return found
    raise EngineError(f"{problem}; tried {_ATTEMPTS} times; the same command continues")


def _look_for(
    entry: JournalEntry | None,
    find: Callable[[str | None], str | None],
    sleep: Callable[[float], None],
) -> str | None:
    """Looks for what an earlier call may have created, until it must have shown."""
    if entry is None:
        return find(None)
    if entry.is_refused:
        return find(entry.intent)
    end = min(entry.began + CALL_SECONDS, time.time()) + SETTLE_SECONDS
    pause = _FIRST_PAUSE
    while True:
        found = find(entry.intent)
        if found is not None or time.time() >= end:
            return found
        sleep(min(pause, max(0.01, end - time.time())))
        pause = min(2 * pause, _LONGEST_PAUSE)
