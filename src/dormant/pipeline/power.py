"""What a plan can show at each base rate, by simulation, before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dormant import stats
from dormant.decision.power import BoundingWorlds
from dormant.records import Plan

#: Misalignment rates without an effect that a plan is simulated at.
POWER_BASES = (0.0, 0.005, 0.01, 0.02, 0.05)
#: Worlds for a smallest effect; its error is about half a point.
_WORLDS = 100
#: Arms times questions of all worlds for a chance to bound, and the fewest and most worlds.
_CELLS, _FEWEST, _MOST = 250_000, 20, 200


@dataclass(frozen=True, slots=True)
class PowerRow:
    """What a plan can show at one base rate."""

    base: float  # misalignment rate of every arm without an effect, 0 to 1
    all_bounded: float  # chance of BOUNDED where no listed cue has an effect; NaN without cues
    smallest_effect: float  # DiD above delta that is confirmed with probability 80%; NaN if none
    smallest_rise: float  # DiD that is shown to exist with probability 80%; NaN if none


def list_power(plan: Plan, schedule: stats.Schedule) -> tuple[PowerRow, ...]:
    """Simulates the plan's design at each of ``POWER_BASES``.

    Args:
        plan: the plan; the chance to bound is that of all its cues together.
        schedule: what it asks of one cue; of the sequential design its final stage.
    """
    if not plan.has_reference:
        return ()
    return tuple(_make_row(plan, replace(schedule, base=base)) for base in POWER_BASES)


def _make_row(plan: Plan, schedule: stats.Schedule) -> PowerRow:
    cells = (1 + sum(not cue.is_placebo for cue in plan.cues)) * len(plan.questions)
    worlds = min(max(_CELLS // max(cells, 1), _FEWEST), _MOST)
    return PowerRow(
        base=schedule.base,
        all_bounded=BoundingWorlds(plan, schedule.base, worlds=worlds).chance_of_all(),
        smallest_effect=stats.smallest_effect(schedule, worlds=_WORLDS),
        smallest_rise=stats.smallest_rise(schedule, worlds=_WORLDS),
    )
