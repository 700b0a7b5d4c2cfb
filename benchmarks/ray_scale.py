"""How busy Ray keeps many workers with sleeping units, and whether a killed worker loses anything.

    python benchmarks/ray_scale.py --processes 8 --seconds 2 --rounds 5 --kill
    python benchmarks/ray_scale.py --slots 1000 --actors 2 --seconds 30 --rounds 2

``--processes N``: a cluster of two nodes that pretend N CPUs; `RayCluster.run`, as a sweep uses it,
runs N x rounds units that sleep, in N real worker processes. ``--kill`` kills one worker in the
middle, and a ledger shows how often each unit began and ended.

``--slots N``: N workers as coroutines of ``--actors`` processes, since a thousand processes of
about 70 MB do not fit on a small machine. What is real: the submission of every unit, its start
and its progress on the board, and the loop of `RayCluster.run` that waits for results, reports
events and fetches. What is pretended: the CPUs, and Ray's assignment of units to processes of many
nodes, for which the actors' own queues stand.

Busy: seconds slept, over workers x seconds from the first start of a unit to the last end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dormant.organisms.cluster import (
    _EVENT_SECONDS,
    RayCluster,
    _collect_results,
    _connect,
    _import_ray,
    _start_board,
)
from dormant.organisms.events import Event, EventHandler, EventKind
from support.ray_cluster import list_workers, start_cluster


@dataclass(frozen=True)
class SleepingUnit:
    """A unit that sleeps, and notes in a ledger when it begins and ends."""

    number: int
    seconds: float
    ledger: Path


def sleep_noting(unit: SleepingUnit, progress: EventHandler) -> tuple[float, float]:
    note(unit.ledger, f"start {unit.number}")
    begun = time.time()
    end = begun + unit.seconds
    while (left := end - time.time()) > 0:
        time.sleep(min(1.0, left))
        progress(Event(EventKind.STEP, f"unit-{unit.number}", 0, 1, 1))
    note(unit.ledger, f"done {unit.number}")
    return begun, time.time()


def note(ledger: Path, line: str) -> None:
    file = os.open(ledger, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(file, f"{line}\n".encode())
    os.close(file)


class Slots:
    """An actor whose coroutines stand for workers."""

    async def sleep(self, number: int, seconds: float, board: Any) -> tuple[bool, Any]:
        """Sleeps as a unit, with an event every few seconds."""
        board.start_unit.remote(number)
        begun = time.time()
        end = begun + seconds
        while (left := end - time.time()) > 0:
            await asyncio.sleep(min(_EVENT_SECONDS, left))
            board.add_event.remote(Event(EventKind.STEP, f"unit-{number}", 0, 1, 1))
        return False, (begun, time.time())


def print_share(label: str, workers: int, seconds: float, spans: list[tuple[float, float]]) -> None:
    begun, ended = min(b for b, _ in spans), max(e for _, e in spans)
    share = len(spans) * seconds / (workers * (ended - begun))
    print(
        f"{label}: {len(spans)} units of {seconds:g} s on {workers} workers, "
        f"{ended - begun:.1f} s from first start to last end: {share:.1%} busy",
        flush=True,
    )


def run_processes(options: argparse.Namespace) -> None:
    workers, rounds, seconds = options.processes, options.rounds, options.seconds
    halves = [workers - workers // 2, workers // 2]
    with (
        start_cluster([{"num_cpus": half} for half in halves]) as cluster,
        tempfile.TemporaryDirectory() as place,
    ):
        folder = Path(place)
        pool = RayCluster(folder, cluster.address)
        killed: list[int] = []

        def kill_one(event: Event) -> None:
            number = int(event.organism.rpartition("-")[2])
            if options.kill and not killed and number >= workers:  # in the second round
                victim = list_workers("sleep_noting")[0]
                victim.kill()
                killed.append(victim.pid)

        units = [SleepingUnit(n, seconds, folder / "ledger") for n in range(workers * rounds)]
        spans = pool.run(sleep_noting, units, resources={"CPU": 1.0}, progress=kill_one)
        print_share("processes", workers, seconds, spans)
        ledger = Counter((folder / "ledger").read_text().splitlines())
        starts = sum(n for line, n in ledger.items() if line.startswith("start"))
        once = sum(ledger[f"done {unit.number}"] == 1 for unit in units)
        print(f"killed {len(killed)}: {starts} starts; {once} of {len(units)} units done just once")


def run_slots(options: argparse.Namespace) -> None:
    workers, seconds = options.slots, options.seconds
    with start_cluster([{"num_cpus": workers}]) as cluster:
        ray = _import_ray()
        with _connect(ray, cluster.address):
            board = _start_board(ray)
            share = workers // options.actors
            actor = ray.remote(Slots).options(num_cpus=0, max_concurrency=share)
            actors = [actor.remote() for _ in range(options.actors)]
            ray.get([one.sleep.remote(-1, 0.0, board) for one in actors])  # they run by now
            refs = [
                actors[number % len(actors)].sleep.remote(number, seconds, board)
                for number in range(workers * options.rounds)
            ]
            events: list[Event] = []
            spans = _collect_results(ray, refs, board, events.append)
            print_share("coroutines", share * options.actors, seconds, spans)
            print(f"{len(events)} events reported", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--slots", type=int, default=0)
    parser.add_argument("--actors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    if options.processes:
        run_processes(options)
    if options.slots:
        run_slots(options)


if __name__ == "__main__":
    import ray_scale  # so that workers find its functions under this name

    ray_scale.main()
