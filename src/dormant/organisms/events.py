"""Progress events of trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dormant.progress import Progress


class EventKind(StrEnum):
    """Kinds of progress events of an organism's training."""

    STARTED = "started"
    STEP = "step"
    DONE = "done"
    ANSWERS = "answers"  # a model answers the questions of rows, before training


@dataclass(frozen=True, slots=True)
class Event:
    """One progress event; ``step`` and ``steps`` count over all stages, or answers."""

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

    def pass_event(event: Event) -> None:
        what = "answers for" if event.kind is EventKind.ANSWERS else "training"
        progress(f"{what} {event.organism} (seed {event.seed})", event.step, event.steps)

    return pass_event
