"""A plain iterator over what an event loop in a thread makes.

The loop runs while the caller writes a batch to disk, so calls in flight are not kept waiting.
The queue between the two counts what the caller has not dealt with yet, so that calls in flight and
answers not yet on disk together can be bounded: they are what a killed process loses.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from dormant.engines.api.signals import Notifier

Item = TypeVar("Item")

_BATCH_SIZE = 64  # items are handed on when there are this many,
_BATCH_SECONDS = 0.01  # or after this time
_SILENCE = 10.0  # seconds without an item after which an empty batch says so


@dataclass(slots=True)
class Batch(Generic[Item]):
    """What is handed on at once; without items it is the end."""

    items: list[Item]
    puts: int  # calls of ``BatchQueue.put`` that it came from


class BatchQueue(Generic[Item]):
    """Where the loop's side puts what it made."""

    def __init__(self, loop: asyncio.AbstractEventLoop, batches: queue.SimpleQueue[Batch[Item]]):
        self._loop, self._batches = loop, batches
        self._next: Batch[Item] = Batch([], 0)
        self._timer: asyncio.TimerHandle | None = None
        self._handled = Notifier()
        self.pending_units = 0  # puts that the caller has not dealt with

    def put(self, items: list[Item]) -> None:
        """Hands items on, at once or with those that follow soon."""
        self._next.items.extend(items)
        self._next.puts += 1
        self.pending_units += 1
        if len(self._next.items) >= _BATCH_SIZE:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Hands on what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next.items:
            self._batches.put(self._next)
            self._next = Batch([], 0)

    def mark_handled(self, puts: int) -> None:
        """Counts puts that the caller has dealt with."""
        self.pending_units -= puts
        self._handled.notify_all()

    async def wait_for_space(self) -> None:
        """Waits until the caller has dealt with something more."""
        await self._handled.wait()


def stream_batches(produce: Callable[[BatchQueue[Item]], Awaitable[None]]) -> Iterator[list[Item]]:
    """Runs ``produce`` on an event loop in a thread and yields what it puts, in batches.

    While nothing comes in, an empty batch every ten seconds lets the caller say so or give up.
    An exception of ``produce`` is raised after everything that was put before it. If the caller
    stops early (an exception, an interrupt), ``produce`` is cancelled and has ended when this
    returns.
    """
    thread = _LoopThread(produce)
    thread.start()
    try:
        while True:
            try:
                batch = thread.batches.get(timeout=_SILENCE)
            except queue.Empty:
                yield []
                continue
            if not batch.items:
                break
            yield batch.items
            thread.mark_handled(batch.puts)
    finally:
        thread.stop()
    if thread.error is not None:
        raise thread.error


class _LoopThread(threading.Thread, Generic[Item]):
    """The thread with its loop."""

    def __init__(self, produce: Callable[[BatchQueue[Item]], Awaitable[None]]):
        super().__init__(name="dormant-api", daemon=True)
        self._produce = produce
        self.batches: queue.SimpleQueue[Batch[Item]] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: BatchQueue[Item] | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_begun = threading.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_choose_loop_factory()) as runner:
                runner.run(self._produce_all())
        except BaseException as error:  # raised where the caller is
            self.error = error
        finally:
            self._has_begun.set()
            self.batches.put(Batch([], 0))

    async def _produce_all(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue = BatchQueue(self._loop, self.batches)
        self._task = asyncio.ensure_future(self._produce_and_flush(self._queue))
        self._has_begun.set()
        with suppress(asyncio.CancelledError):  # the caller wants no more
            await self._task

    async def _produce_and_flush(self, queue: BatchQueue[Item]) -> None:
        try:
            await self._produce(queue)
        finally:
            queue.flush()

    def mark_handled(self, puts: int) -> None:
        """Called by the caller's thread."""
        self._call_in_loop(lambda: self._queue.mark_handled(puts) if self._queue else None)

    def stop(self) -> None:
        """Cancels the work if it still runs, and waits for its end."""
        self._has_begun.wait()
        if self.is_alive():
            self._call_in_loop(lambda: self._task.cancel() if self._task else None)
            self.join()

    def _call_in_loop(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(call)
            except RuntimeError:  # the loop has just ended, so nothing waits for this
                pass


def _choose_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
