"""Training many organisms at once: a pool of single-threaded processes that report progress."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.synchronize import Lock
from pathlib import Path
from typing import TypeVar

from dormant.errors import IncompleteError, InputError
from dormant.organisms.events import Event, EventHandler, ignore_events
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import TrainedOrganism, train_organism

_POLL_SECONDS = 0.1  # between polls of the workers' events

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One organism to train."""

    recipe: Recipe
    out: Path
    seed: int


def plan_jobs(
    recipes: Sequence[Recipe],
    out: str | Path,
    *,
    seeds: Sequence[int] = (0,),
    by_seed: bool | None = None,
) -> list[TrainingJob]:
    """Assigns each organism a directory: ``OUT/NAME``, or ``OUT/NAME/seed-N``.

    Args:
        recipes: the recipes to train.
        out: the parent directory.
        seeds: training seeds of each recipe.
        by_seed: give each seed a folder; None does so only for several seeds.

    Raises:
        InputError: there is nothing to train, or a duplicate name or seed.
    """
    names = [recipe.name for recipe in recipes]
    for what, values in (("recipe", names), ("seed", list(seeds))):
        if not values:
            raise InputError(f"no {what} given: give at least one")
        if len(set(values)) != len(values):
            raise InputError(f"duplicate {what} in {values!r}: give each once")
    split = len(seeds) > 1 if by_seed is None else by_seed
    return [
        TrainingJob(recipe, Path(out, recipe.name, f"seed-{seed}" if split else ""), seed)
        for recipe in recipes
        for seed in seeds
    ]


def train_many(
    jobs: Sequence[TrainingJob],
    *,
    workers: int | None = None,
    progress: EventHandler = ignore_events,
) -> list[TrainedOrganism]:
    """Trains organisms; complete ones are reused.

    Args:
        jobs: the organisms to train, see ``plan_jobs``.
        workers: processes; one per core by default.
        progress: called with every organism's events, in the caller's own thread.

    Returns:
        One organism per job, in order.

    Raises:
        IncompleteError: a worker was killed; the same call again continues.
    """
    return run_units(_train_job, jobs, workers=workers, progress=progress)


def _train_job(job: TrainingJob, progress: EventHandler) -> TrainedOrganism:
    return train_organism(job.recipe, job.out, seed=job.seed, progress=progress)


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
    context = multiprocessing.get_context("spawn")  # a fork would share torch's threads
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
