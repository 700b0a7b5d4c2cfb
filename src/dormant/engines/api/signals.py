"""How the tasks of one event loop wait for each other, and learn that they are to stop."""

from __future__ import annotations

import asyncio

from dormant.errors import DormantError


class Notifier:
    """Wakes every task that waits: ``asyncio.Condition`` without its lock, which costs time."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Waits for the next ``notify_all``."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def notify_all(self) -> None:
        """Wakes the tasks that wait now; those that begin to wait later wait for the next call."""
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():  # its task may have been cancelled
                turn.set_result(None)


class StopSignal:
    """Says that nothing new may begin, and why. Calls in flight still come in."""

    def __init__(self) -> None:
        self.error: DormantError | None = None  # the first of all; None while work continues
        self._is_set = asyncio.Event()

    def set(self, error: DormantError) -> None:
        """Stops the work; only the first error counts."""
        if self.error is None:
            self.error = error
        self._is_set.set()

    async def sleep(self, seconds: float) -> None:
        """Sleeps, but no longer than until the work stops."""
        try:
            await asyncio.wait_for(self._is_set.wait(), seconds)
        except TimeoutError:
            pass
