"""A plain iterator over what an event loop in a thread makes.

The loop goes on while the caller writes a batch to disk, so calls that are on the way are not kept
waiting. The outlet counts what the caller has not dealt with yet, so that calls on the way and
answers not yet on disk together can be bounded: they are what a killed process loses.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
#: A batch and the number of puts that it came from; an empty batch is the end.
Parcel = tuple[list[Item], int]

_BATCH = 64  # items are handed on when there are so many,
_PATIENCE = 0.01  # or after so many seconds


class Outlet(Generic[Item]):
    """Where the loop's side puts what it made."""

    def __init__(self, loop: asyncio.AbstractEventLoop, out: queue.SimpleQueue[Parcel[Item]]):
        self._loop, self._out = loop, out
        self._ready: list[Item] = []
        self._puts = 0  # that ``_ready`` holds
        self._timer: asyncio.TimerHandle | None = None
        self._taken = asyncio.Event()
        self.untaken = 0  # puts that the caller has not dealt with

    def put(self, items: list[Item]) -> None:
        """Hands items on, at once or with those that follow soon."""
        self._ready += items
        self._puts += 1
        self.untaken += 1
        if len(self._ready) >= _BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_PATIENCE, self.flush)

    def flush(self) -> None:
        """Hands on what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ready:
            self._out.put((self._ready, self._puts))
            self._ready, self._puts = [], 0

    def taken(self, puts: int) -> None:
        """The caller has dealt with so many puts."""
        self.untaken -= puts
        self._taken.set()

    async def space(self) -> None:
        """Waits until the caller has dealt with something more."""
        self._taken.clear()
        await self._taken.wait()


def stream(make: Callable[[Outlet[Item]], Awaitable[None]]) -> Iterator[list[Item]]:
    """Runs ``make`` on an event loop in a thread and yields what it puts, in batches.

    An exception of ``make`` is raised after everything that was put before it. If the caller stops
    early (an exception, an interrupt), ``make`` is cancelled and has ended when this returns.
    """
    work = _Work(make)
    work.start()
    try:
        while (parcel := work.out.get())[0]:
            yield parcel[0]
            work.taken(parcel[1])
    finally:
        work.stop()
    if work.error is not None:
        raise work.error


class _Work(threading.Thread, Generic[Item]):
    """The thread with its loop."""

    def __init__(self, make: Callable[[Outlet[Item]], Awaitable[None]]):
        super().__init__(name="dormant-api", daemon=True)
        self._make = make
        self.out: queue.SimpleQueue[Parcel[Item]] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outlet: Outlet[Item] | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = threading.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._main())
        except BaseException as error:  # raised where the caller is
            self.error = error
        finally:
            self._started.set()
            self.out.put(([], 0))

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlet = Outlet(self._loop, self.out)
        self._task = asyncio.ensure_future(self._whole(self._outlet))
        self._started.set()
        try:
            await self._task
        except asyncio.CancelledError:
            pass  # the caller wants no more

    async def _whole(self, outlet: Outlet[Item]) -> None:
        try:
            await self._make(outlet)
        finally:
            outlet.flush()

    def taken(self, puts: int) -> None:
        self._soon(lambda: self._outlet.taken(puts) if self._outlet else None)

    def stop(self) -> None:
        """Cancels the work if it still goes on, and waits for its end."""
        self._started.wait()
        if self.is_alive():
            self._soon(lambda: self._task.cancel() if self._task else None)
            self.join()

    def _soon(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(call)
            except RuntimeError:  # the loop has just ended, so nothing waits for this
                pass


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
