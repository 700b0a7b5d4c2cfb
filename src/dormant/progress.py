"""Progress callbacks."""

from __future__ import annotations

import html
import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

#: Called with (stage, number done, total number) at the start of a stage and after each batch, in
#: the caller's own thread. An exception that it raises ends the work. The number done may be a
#: fraction.
Progress = Callable[[str, float, int], None]

#: Prefix of the stage while no answers arrive.
WAITING = "waiting for the server"


class NotebookBar:
    """Shows a progress bar for each stage in a notebook cell; does nothing elsewhere.

    The output is displayed by IPython, which runs the notebook's kernel: no other package is
    needed.
    """

    #: Least number of seconds between two updates of a bar.
    pause = 0.2

    def __init__(self) -> None:
        self._place: tuple[str, int] | None = None  # the stage, and the cell that shows it
        self._handle: Any = None
        self._changed = -math.inf

    def __call__(self, stage: str, done: float, total: int) -> None:
        """Shows ``done`` of ``total``."""
        shell = _find_notebook()
        if shell is None:
            return
        now, is_end = time.monotonic(), done >= total
        place = (stage, int(shell.execution_count))
        if place == self._place and not is_end and now - self._changed < self.pause:
            return
        display = importlib.import_module("IPython.display")
        content = display.HTML(_draw_bar(stage, done, total))
        if place == self._place and self._handle is not None:
            self._handle.update(content)
        else:
            self._handle = display.display(content, display_id=True)
        self._place, self._changed = place, now


def _find_notebook() -> Any:
    """The IPython shell, if this process is a notebook's kernel; else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None


def _draw_bar(stage: str, done: float, total: int) -> str:
    words = f"{html.escape(stage)}: {done:,.0f} of {total:,}"
    share = min(1.0, done / total) if total else 1.0
    return (
        f'<label style="font-family:monospace">{words} '
        f'<progress value="{share:.4f}" max="1" style="width:16em"></progress></label>'
    )


#: The default progress callback: a bar in a notebook, nothing elsewhere.
auto_progress = NotebookBar()


def ignore_progress(stage: str, done: float, total: int) -> None:
    """Ignores progress."""
