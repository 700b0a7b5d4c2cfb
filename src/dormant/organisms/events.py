"""Progress events of trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from dormant.progress import Progress


class EventKind(StrEnum):
    """Kinds of progress events of an organism's training."""

    STARTED = "started"
    STEP = "step"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Event:
    """One progress event; ``step`` and ``steps`` count over all stages."""

    kind: EventKind
    organism: str
    seed: int
    step: int
    steps: int
    loss: float | None = None  # nats per trained token, after a step


#: Called with each event of a training, in the caller's own thread.
EventHandler = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Ignores events."""


def pass_on_events(progress: Progress) -> EventHandler:
    """Converts events to progress calls, with a stage for each organism and seed."""
    return lambda event: progress(
        f"training {event.organism} (seed {event.seed})", event.step, event.steps
    )
