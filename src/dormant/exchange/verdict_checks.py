"""Verdicts of listed runs, decided again in the background: a table does not wait for them."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from dormant.errors import DormantError
from dormant.store.snapshots import Stamp

_LONGEST_WAIT = 10.0  # seconds, for a check that runs when all are closed


class VerdictChecks:
    """Checks runs one after the other in a thread; call ``close`` when done.

    Args:
        check: raises if the verdict of a run directory is not what its answers give.
    """

    def __init__(self, check: Callable[[Path], None]):
        self._check = check
        self._results: dict[str, tuple[Stamp, str]] = {}
        self._waiting: OrderedDict[str, tuple[Path, Stamp]] = OrderedDict()
        self._current: tuple[str, Stamp] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def find_result(self, run: str, path: Path, stamp: Stamp) -> str | None:
        """The result of a check, which is made if these files were not checked yet.

        Args:
            run: ``RunSummary.id``.
            path: the run directory.
            stamp: of its files.

        Returns:
            Empty if the verdict holds; else why not, on one line; None as long as it is not known.
        """
        with self._changed:
            held = self._results.get(run)
            if held is not None and held[0] == stamp:
                return held[1]
            if self._current != (run, stamp) and not self._is_closed:
                self._waiting[run] = (path, stamp)
                self._changed.notify()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._check_waiting, daemon=True)
                    self._thread.start()
            return None

    def close(self) -> None:
        """Ends the thread after the check that it is at."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_LONGEST_WAIT)

    def _check_waiting(self) -> None:
        while True:
            with self._changed:
                self._current = None
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                run, (path, stamp) = self._waiting.popitem(last=False)
                self._current = (run, stamp)
            result = self._describe_result(path)
            with self._changed:
                self._results[run] = (stamp, result)

    def _describe_result(self, path: Path) -> str:
        try:
            self._check(path)
        except (DormantError, OSError) as error:
            text = str(error).replace(f"{path}{os.sep}", "").replace(f"{path}: ", "")
            return " ".join(text.split()) or type(error).__name__
        except Exception as error:  # a bug must neither end the thread nor pass for a check
            return f"bug in dormant: {type(error).__name__}: {error}"
        return ""
