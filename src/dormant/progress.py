"""How work tells its caller how far it is."""

from __future__ import annotations

import html
import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

#: Called with (what is being done, how many are done, how many there are in all): at the start of
#: a stage and after each batch, in the caller's own thread. An error that it raises ends the work.
#: What is partly done may count as a fraction.
Progress = Callable[[str, float, int], None]

#: What the stage begins with while no answer comes in.
WAITING = "waiting for the server"


class NotebookBar:
    """Shows progress in the cell of a notebook, as a bar for each stage; elsewhere nowhere.

    What shows a cell's output is IPython's, which runs the notebook's kernel: no other package is
    needed.
    """

    #: Seconds between two changes of a bar.
    pause = 0.2

    def __init__(self) -> None:
        self._place: tuple[str, int] | None = None  # the stage, and the cell that shows it
        self._handle: Any = None
        self._changed = -math.inf

    def __call__(self, stage: str, done: float, total: int) -> None:
        """Shows that ``done`` of ``total`` are done."""
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
    """The shell of a notebook's kernel that runs this process; None without one."""
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


#: Progress for callers who name none: a bar in a notebook, nothing elsewhere.
auto_progress = NotebookBar()


def ignore_progress(stage: str, done: float, total: int) -> None:
    """Ignores progress."""
