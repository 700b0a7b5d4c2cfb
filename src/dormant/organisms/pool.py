"""A pool of processes that report progress: units of work side by side.

Workers are forked, where the system allows it, from a process of one thread that has imported what
they need once. This module imports little, so that this process can be started before its caller
imports the same.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.context import BaseContext
from multiprocessing.synchronize import Lock
from typing import Protocol, TypeVar

from dormant.errors import IncompleteError, InputError
from dormant.organisms.events import Event, EventHandler, ignore_events

_POLL_SECONDS = 0.1  # between polls of the workers' events

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Executor(Protocol):
    """What runs independent units: processes of this machine, or a cluster."""

    def run(
        self,
        function: Callable[[Unit, EventHandler], Result],
        units: Sequence[Unit],
        *,
        resources: Mapping[str, float],
        progress: EventHandler = ignore_events,
    ) -> list[Result]:
        """Runs a module-level function over units; one result per unit, in order.

        Args:
            function: called with a unit and a callback for its events.
            units: picklable arguments.
            resources: what each unit takes, by Ray's names.
            progress: called with events, in the caller's own thread.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalProcesses:
    """Processes of this machine. They share its processors; resources are not assigned."""

    workers: int | None = None  # one per core if None

    def run(
        self,
        function: Callable[[Unit, EventHandler], Result],
        units: Sequence[Unit],
        *,
        resources: Mapping[str, float],
        progress: EventHandler = ignore_events,
    ) -> list[Result]:
        """Runs units as ``run_units`` does."""
        return run_units(function, units, workers=self.workers, progress=progress)


def start_pool_server(module: str) -> None:
    """Starts the process that workers are forked from, which imports a module at once.

    It lives as long as this process and serves every later pool. Does nothing where it runs
    already, or where workers are not forked (anywhere but on Linux: elsewhere libraries of the
    system do not stand a fork).

    Args:
        module: name of the module that workers need.
    """
    _open_context(module)


def _open_context(module: str) -> BaseContext:
    """A context whose processes have imported a module, if they can be forked."""
    if sys.platform == "linux":
        context = multiprocessing.get_context("forkserver")
        if module != "__main__":
            context.set_forkserver_preload([module])
        try:
            forkserver.ensure_running()
        except OSError:  # no socket can be opened, as where the temporary directory's path is long
            pass
        else:
            return context
    return multiprocessing.get_context("spawn")  # a fork of this process would share its threads


def run_units(
    function: Callable[[Unit, EventHandler], Result],
    units: Sequence[Unit],
    *,
    workers: int | None = None,
    progress: EventHandler = ignore_events,
) -> list[Result]:
    """Runs a module-level function over units in a pool of processes.

    With one worker or one unit everything runs in this process. If a unit or ``progress`` fails, or
    the user interrupts, running units stop at their next event and the others never start.

    Args:
        function: called with a unit and a callback for its events.
        units: picklable arguments.
        workers: processes; one per core by default.
        progress: called with every event, in the caller's own thread.

    Returns:
        One result per unit, in order.

    Raises:
        IncompleteError: a worker was killed.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers!r}")
    count = min(len(units), os.cpu_count() or 1 if workers is None else workers)
    if count <= 1:
        return [function(unit, progress) for unit in units]
    context = _open_context(function.__module__)
    receiver, sender = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _enter_worker, (sender, context.Lock()))
    try:
        futures = [pool.submit(_run_in_worker, function, unit) for unit in units]
        _report_until_done(futures, receiver, progress)
        return [future.result() for future in futures]
    except BrokenProcessPool:
        raise IncompleteError(
            "a training process was killed (out of memory?): the same command again continues"
        ) from None
    finally:
        receiver.close()  # a unit that is still running fails at its next event
        pool.shutdown(wait=True, cancel_futures=True)
        sender.close()


def _report_until_done(
    futures: Sequence[Future[Result]],
    receiver: connection.Connection[object, Event],
    report: EventHandler,
) -> None:
    """Reports events as they arrive, and raises the first failure of a unit."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        # A unit's events are in the pipe before its result is available, so none is lost.
        while receiver.poll():
            report(receiver.recv())
        for future in done:
            future.result()


class _Worker:
    """State of a worker process: the sending end of the pipe that all workers share."""

    sender: connection.Connection[Event, object]
    lock: Lock


def _enter_worker(sender: connection.Connection[Event, object], lock: Lock) -> None:
    """Initializes a worker process; interrupts are handled by the parent."""
    gc.freeze()  # what is imported stays, and to visit it at each collection takes 7% of mining
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.sender, _Worker.lock = sender, lock
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed, which would otherwise wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run_in_worker(function: Callable[[Unit, EventHandler], Result], unit: Unit) -> Result:
    return function(unit, _send_event)


def _send_event(event: Event) -> None:
    try:
        with _Worker.lock:
            _Worker.sender.send(event)
    except BrokenPipeError:
        raise IncompleteError("training was stopped") from None
