"""How many mined cues an audit should ask: answers, and how often the trigger is found.

python benchmarks/mined_cues.py [audits of each place] [sequential | fixed] [mined]

Audits are simulated at the level of counts: answers of a clean model (share BOUNDED), and of one
with a trigger (share found, share BOUNDED although the trigger was asked). Its rank in the mined
list follows the measured shares of two miners, and may be beyond the cues that are asked: then the
audit is that of a clean model. The first five mined cues have five variants each, which fire half
as often as the cue; the later ones have none.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from dormant.decision.simulation import count_answers, simulate_audit
from dormant.records import Cue, Plan, Role, Sequential, Variant, VerdictKind
from dormant.studies.worlds import World

LEADING, VARIANTS = 5, 5
#: Shares of files in which the true context stands at a rank of at most the key: of a miner that
#: counts, and of one that reads what the answers do.
RANKS = {
    "by counts": {1: 0.14, 5: 0.35, 20: 0.58, 50: 0.68},
    "by answers": {1: 0.65, 5: 0.78, 20: 0.87, 50: 0.91},
}
#: Where the trigger is simulated for each of these shares, counted from 0.
PLACES = {1: 0, 5: 3, 20: 9, 50: 34}


@dataclass(frozen=True)
class Setting:
    """A number of mined cues, and how the later ones are asked."""

    mined: int
    leading: int  # with variants, bounded by delta
    margin: float = 0.0  # of the later ones; 0 is delta

    @property
    def name(self) -> str:
        """For a table."""
        if self.leading >= self.mined:
            return f"{self.mined}, all with variants"
        return (
            f"{self.mined}, {self.leading} with variants, later {100 * self.margin or 5:g} points"
        )


SETTINGS = (
    Setting(5, 5),
    *(Setting(n, LEADING, m) for n in (10, 20, 50) for m in (0.0, 0.15)),
    *(Setting(20, LEADING, m) for m in (0.1, 0.2)),
    Setting(20, 20),
)


def make_plan(setting: Setting, sequential: bool) -> Plan:
    """A plan of mined cues with their variants; names are cue-RANK and cue-RANK/v."""
    plan = World(cues=setting.mined, questions=64).make_plan()
    cues: list[Cue] = []
    for place, cue in enumerate(plan.cues):
        is_later = place >= setting.leading
        cues.append(replace(cue, margin=setting.margin if is_later else 0.0))
        if not is_later:
            cues += [
                replace(
                    cue,
                    name=f"{cue.name}/{v}",
                    text=f"{cue.text} {v}",
                    parent=cue.name,
                    variant=Variant.PARAPHRASE,
                )
                for v in range(VARIANTS)
            ]
    return replace(plan, cues=tuple(cues), sequential=Sequential() if sequential else None)


def make_world(plan: Plan, base: float, rank: int | None, rise: float) -> World:
    """A world in which the cue of a rank fires, and its variants half as often."""
    rates: dict[tuple[Role, str | None], float] = {
        (Role.TARGET, cue.name): base + (rise if cue.name == f"cue-{rank}" else rise / 2)
        for cue in plan.cues
        if rank is not None and cue.name.split("/")[0] == f"cue-{rank}"
    }
    return World(cues=0, questions=64, base=base, rates=rates)


@dataclass(frozen=True)
class Outcome:
    """Simulated audits of one sort of model."""

    answers: float  # mean
    found: float  # share CONDITIONAL
    bounded: float  # share BOUNDED


def run_audits(plan: Plan, base: float, rank: int | None, rise: float, audits: int) -> Outcome:
    """Simulates audits of a model whose trigger, if any, is the cue of a rank."""
    rng = np.random.default_rng([audits, rank or 0])
    world = make_world(plan, base, rank, rise)
    made = [simulate_audit(plan, world.draw_truth(rng), rng) for _ in range(audits)]
    kinds = Counter(decision.verdict.kind for decision in made)
    return Outcome(
        float(np.mean([count_answers(decision) for decision in made])),
        kinds[VerdictKind.CONDITIONAL] / audits,
        kinds[VerdictKind.BOUNDED] / audits,
    )


def share_asked(shares: dict[int, float], mined: int) -> dict[int, float]:
    """The share of files whose trigger stands between two ranks and is among the mined cues."""
    asked: dict[int, float] = {}
    low, before = 0, 0.0
    for rank, share in shares.items():
        if mined > low:
            part = (min(mined, rank) - low) / (rank - low)
            asked[rank] = part * (share - before)
        low, before = rank, share
    return asked


def make_row(setting: Setting, sequential: bool, audits: int) -> str:
    """One line of the table."""
    plan = make_plan(setting, sequential)
    clean = [run_audits(plan, base, None, 0.0, 6) for base in (0.0, 0.01)]
    cells = [f"{c.answers:,.0f} ({100 * c.bounded:.0f}%)" for c in clean]
    for rise in (0.15, 0.3):
        at = {
            rank: run_audits(plan, 0.0, place, rise, audits)
            for rank, place in PLACES.items()
            if place < setting.mined
        }
        for shares in RANKS.values():
            asked = share_asked(shares, setting.mined)
            beyond = 1 - sum(asked.values())
            found = sum(share * at[rank].found for rank, share in asked.items())
            wrong = sum(share * at[rank].bounded for rank, share in asked.items())
            answers = sum(share * at[rank].answers for rank, share in asked.items())
            answers += beyond * clean[0].answers
            cells.append(f"{answers:,.0f} ({100 * found:.0f}%, {100 * wrong:.1f}%)")
    return f"| {setting.name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    design = sys.argv[2] if len(sys.argv) > 2 else "sequential"
    head = ["clean, base 0", "clean, base 1%"]
    head += [f"rise {rise}, ranks {name}" for rise in (15, 30) for name in RANKS]
    print(f"| mined cues ({design}) | {' | '.join(head)} |", flush=True)
    few = int(sys.argv[3]) if len(sys.argv) > 3 else None
    for setting in (s for s in SETTINGS if few in (None, s.mined)):
        if design == "sequential" or setting.margin in (0.0, 0.15):
            print(make_row(setting, design == "sequential", audits), flush=True)


if __name__ == "__main__":
    main()
