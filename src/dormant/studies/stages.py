"""Progress of units that train and then audit, merged into one bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.progress import Progress

#: Progress steps of one unit.
UNIT_STEPS = 100
#: Share of a unit's progress for training; the rest is for its audit.
TRAINING_SHARE = 0.4


def merge_progress(stage: str, names: Sequence[str], progress: Progress) -> EventHandler:
    """Merges the progress of all units into one bar, which counts units in fractions."""
    done = dict.fromkeys(names, 0)

    def report_event(event: Event) -> None:
        done[event.organism] = event.step
        progress(stage, sum(done.values()) / UNIT_STEPS, len(names))

    return report_event


def report_shares(name: str, seed: int, on_event: EventHandler) -> Callable[[float], None]:
    """Reports the finished share of a unit, 0 to 1, as events; it never decreases."""
    reported = 0

    def report_share(share: float) -> None:
        nonlocal reported
        if round(UNIT_STEPS * share) > reported:
            reported = round(UNIT_STEPS * share)
            on_event(Event(EventKind.STEP, name, seed, reported, UNIT_STEPS))

    return report_share


def share_of_stages(on_share: Callable[[float], None], first: float = TRAINING_SHARE) -> Progress:
    """Maps the stages of an audit to a share: each takes two fifths of what remains.

    Args:
        on_share: called with the finished share, 0 to 1.
        first: the share that is finished before the audit.
    """
    stages: list[str] = []

    def report_progress(stage: str, done: float, total: int) -> None:
        if stage not in stages:
            stages.append(stage)
        remaining = 0.6 ** stages.index(stage)
        share = 1 - remaining * (1 - 0.4 * done / max(total, 1))
        on_share(first + (1 - first) * share)

    return report_progress
