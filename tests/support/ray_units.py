"""A function that tests run on a Ray cluster: it notes what it does, and waits to be killed."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from dormant.organisms.events import Event, EventHandler, EventKind


@dataclass(frozen=True)
class NotingUnit:
    """A unit that appends "start N" and "done N" to a ledger."""

    number: int
    folder: Path
    stalls: int = 0  # so many units on the second node wait for their end, in all

    def note(self, word: str) -> None:
        line = f"{word} {self.number}\n".encode()
        file = os.open(self.folder / "ledger", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(file, line)  # one call: lines of several processes do not mix
        os.close(file)


def note_work(unit: NotingUnit, progress: EventHandler) -> int:
    unit.note("start")
    if is_on_second_node():
        for stall in range(unit.stalls):
            try:
                (unit.folder / f"stall-{stall}").touch(exist_ok=False)
            except FileExistsError:
                continue
            progress(Event(EventKind.STEP, f"stall-{stall}", unit.number, os.getpid(), 1))
            time.sleep(600)
    last = unit.folder / f"stall-{unit.stalls - 1}"
    while unit.stalls and not last.exists():  # the first node leaves units to the second
        time.sleep(0.02)
    progress(Event(EventKind.DONE, f"unit-{unit.number}", unit.number, 1, 1))
    unit.note("done")
    return unit.number * 10


def is_on_second_node() -> bool:
    import ray

    here = ray.get_runtime_context().get_node_id()
    return any(n["NodeID"] == here and "second" in n["Resources"] for n in ray.nodes())


def fail_third(unit: NotingUnit, progress: EventHandler) -> int:
    """The third unit fails; others that have begun would go on for ten minutes."""
    unit.note("start")
    if unit.number == 2:
        raise ValueError("the third unit fails")
    if unit.number > 2:
        time.sleep(600)
    return unit.number
