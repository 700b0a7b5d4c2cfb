"""Progress on stderr: live bars on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from dormant.cli.terminal import clean_text, print_line
from dormant.progress import WAITING, Progress, ignore_progress

_SECONDS_BETWEEN_LINES = 10.0
#: Terminal columns that a line with a bar needs.
_WIDE = 105


@contextmanager
def show_progress(quiet: bool = False) -> Generator[Progress]:
    """Shows progress while the block runs.

    Args:
        quiet: show nothing.
    """
    if quiet:
        yield ignore_progress
    elif sys.stderr.isatty():
        with _draw_bars() as progress:
            yield progress
    else:
        yield _LogProgress()


class Live(Protocol):
    """A display that is redrawn all the time."""

    def start(self) -> None:
        """Draws it."""

    def stop(self) -> None:
        """Stops drawing it."""


#: The bars that are drawn now, the last begun at the end.
_current: list[Live] = []


@contextmanager
def pause_progress() -> Generator[None]:
    """Stops drawing bars while the block asks a question, which they would hide."""
    paused = list(_current)
    for bar in paused:
        bar.stop()
    try:
        yield
    finally:
        for bar in paused:
            bar.start()


@contextmanager
def _as_current(bar: Live) -> Generator[None]:
    _current.append(bar)
    try:
        yield
    finally:
        _current.remove(bar)


@contextmanager
def _draw_bars() -> Generator[Progress]:
    from rich import progress as rich_progress
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    # A narrow terminal has room for the numbers, not for the bar.
    wide = console.width >= _WIDE
    columns = (
        TextColumn("{task.description:<34}" if wide else "{task.description}"),
        *((BarColumn(bar_width=30),) if wide else ()),
        MofNCompleteColumn(),
        *((TimeElapsedColumn(),) if wide else ()),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    tasks = {}
    with rich_progress.Progress(*columns, console=console) as bar, _as_current(bar):

        def update_bar(stage: str, done: float, total: int) -> None:
            for other in [name for name in tasks if name.startswith(WAITING) and name != stage]:
                bar.remove_task(tasks.pop(other))  # an answer came in: nothing waits any more
            if stage not in tasks:
                tasks[stage] = bar.add_task(escape(clean_text(stage)), total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield update_bar


class _LogProgress:
    """Progress for logs: a line when a stage is first begun, and one every ten seconds.

    The sequential design goes back to a stage many times, each time for a few answers.
    """

    def __init__(self):
        self.stage, self.begun, self.first, self.printed = "", 0.0, 0.0, 0.0
        self.known: set[str] = set()

    def __call__(self, stage: str, done: float, total: int) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.begun, self.first = stage, now, done
        if stage in self.known and now - self.printed < _SECONDS_BETWEEN_LINES:
            return
        self.known.add(stage)
        self.printed = now
        rate = (done - self.first) / (now - self.begun) if now > self.begun else 0.0
        remaining = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        print_line(f"{stage}: {int(done):,} of {total:,}{remaining}", err=True)
