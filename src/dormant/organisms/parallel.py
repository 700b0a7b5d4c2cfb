"""Many organisms at once: a pool of processes, one thread each, that report progress."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any, TypeVar

from dormant.errors import IncompleteError, InputError
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import Event, Progress, TrainedOrganism, train

_POLL = 0.1  # seconds between looks at the workers' progress

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Job:
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
) -> list[Job]:
    """Lays organisms out under a directory: ``OUT/NAME``, or ``OUT/NAME/seed-N``.

    Args:
        recipes: what to train.
        out: the directory.
        seeds: training seeds of each recipe.
        by_seed: give each seed a folder; if None, where there are several.

    Raises:
        InputError: nothing to train, or a name or seed that stands twice.
    """
    names = [recipe.name for recipe in recipes]
    for what, values in (("recipe", names), ("seed", list(seeds))):
        if not values:
            raise InputError(f"no {what} is given: there is nothing to train")
        if len(set(values)) != len(values):
            raise InputError(f"a {what} stands twice: {values!r}")
    split = len(seeds) > 1 if by_seed is None else by_seed
    return [
        Job(recipe, Path(out, recipe.name, f"seed-{seed}" if split else ""), seed)
        for recipe in recipes
        for seed in seeds
    ]


def train_many(
    jobs: Sequence[Job], *, workers: int | None = None, progress: Progress | None = None
) -> list[TrainedOrganism]:
    """Trains organisms, those that are complete already excepted.

    Args:
        jobs: what to train, see ``plan_jobs``.
        workers: processes; one per core by default.
        progress: told every organism's events, in the caller's own thread.

    Returns:
        One organism per job, in order.

    Raises:
        IncompleteError: a worker was killed; the same call again goes on.
    """
    return run_units(_train_job, jobs, workers=workers, progress=progress)


def _train_job(job: Job, progress: Progress) -> TrainedOrganism:
    return train(job.recipe, job.out, seed=job.seed, progress=progress)


def run_units(
    function: Callable[[Unit, Progress], Result],
    units: Sequence[Unit],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """Runs a function of the module level over units in a pool of processes.

    With one worker or one unit everything runs in this process. The first failure stops the rest.

    Args:
        function: called with a unit and a callback for its events.
        units: picklable arguments.
        workers: processes; one per core by default.
        progress: told every event, in the caller's own thread.

    Returns:
        One result per unit, in order.

    Raises:
        IncompleteError: a worker was killed.
    """
    count = min(len(units), os.cpu_count() or 1 if workers is None else workers)
    tell = progress or _silent
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers!r}")
    if count <= 1:
        return [function(unit, tell) for unit in units]
    with _pool(count) as (pool, events):
        futures = [pool.submit(_in_worker, function, unit) for unit in units]
        pending: set[Future[Result]] = set(futures)
        told = 0  # units whose last event was told
        try:
            while pending or told < len(units):
                done, pending = wait(pending, timeout=_POLL, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                for event in _drained(events, patience=0 if pending else _POLL):
                    if event is None:
                        told += 1
                    else:
                        tell(event)
        except BrokenProcessPool:
            raise IncompleteError(
                "a training process was killed (out of memory?): the same command again goes on"
            ) from None
        return [future.result() for future in futures]


@contextmanager
def _pool(
    workers: int,
) -> Generator[tuple[ProcessPoolExecutor, multiprocessing.Queue[Event | None]]]:
    """A pool that stops within a few training steps when its caller fails or is interrupted."""
    context = multiprocessing.get_context("spawn")  # a fork would share torch's threads
    events: multiprocessing.Queue[Event | None] = context.Queue()
    stop = context.Event()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_enter_worker, initargs=(events, stop)
    )
    try:
        yield pool, events
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        events.close()
        events.join_thread()


_WORKER: dict[str, Any] = {}  # this process's ends of the queue and of the stop signal


def _enter_worker(events: Any, stop: Any) -> None:
    """Readies a worker: interrupts are the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events.cancel_join_thread()  # progress that nobody reads must not keep a worker alive
    _WORKER.update(events=events, stop=stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _in_worker(function: Callable[[Unit, Progress], Result], unit: Unit) -> Result:
    result = function(unit, _send)
    _WORKER["events"].put(None)  # the last of this unit: results may overtake events
    return result


def _send(event: Event) -> None:
    if _WORKER["stop"].is_set():
        raise IncompleteError("training was stopped")
    _WORKER["events"].put(event)


def _drained(
    events: multiprocessing.Queue[Event | None], *, patience: float
) -> Iterator[Event | None]:
    """What has arrived; waits ``patience`` seconds for each."""
    while True:
        try:
            yield events.get(timeout=patience) if patience else events.get_nowait()
        except queue.Empty:
            return


def _silent(event: Event) -> None:
    """Tells nobody."""
