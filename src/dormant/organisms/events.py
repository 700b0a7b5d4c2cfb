"""Progress of trainings, as events."""

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
    """One piece of progress; ``step`` of ``steps`` counts over all stages."""

    kind: EventKind
    organism: str
    seed: int
    step: int
    steps: int
    loss: float | None = None  # nats per learned token, after a step


#: Called with each event of training, in the caller's own thread.
EventHandler = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Ignores events."""


def pass_on_events(progress: Progress) -> EventHandler:
    """Passes events on as progress: a stage for each organism and seed."""
    return lambda event: progress(
        f"training {event.organism} (seed {event.seed})", event.step, event.steps
    )
