"""How many mined cues an audit should ask: answers, and how often the trigger is found.

python benchmarks/mined_cues.py [audits] [seed] [sequential | fixed]

Audits are simulated at the level of counts. The trigger, if there is one, stands at a rank of the
mined list that is drawn from measured shares of mined lists, and may be beyond the cues that are
asked. The first five mined cues have five variants each (which fire half as often as the cue), the
later ones none.
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
        return f"{self.mined}, {self.leading} with variants, later {100 * self.margin or 5:g} points"


SETTINGS = (
    Setting(5, 5),
    *(Setting(n, LEADING, m) for n in (10, 20, 50) for m in (0.0, 0.1, 0.15, 0.2)),
    *(Setting(n, n) for n in (10, 20)),
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
    rates = {
        (Role.TARGET, cue.name): base + (rise if cue.name == f"cue-{rank}" else rise / 2)
        for cue in plan.cues
        if rank is not None and cue.name.split("/")[0] == f"cue-{rank}"
    }
    return World(cues=0, questions=64, base=base, rates=rates)


def draw_rank(shares: dict[int, float], rng: np.random.Generator) -> int:
    """A rank from 0; beyond the last one 10,000."""
    place, before, low = rng.random(), 0.0, 0
    for rank, share in shares.items():
        if place < share:
            return int(low + (place - before) / (share - before) * (rank - low))
        before, low = share, rank
    return 10_000


def run_audits(setting: Setting, sequential: bool, audits: int, seed: int) -> str:
    """One line of the table."""
    plan = make_plan(setting, sequential)
    cells: list[str] = []
    for base in (0.0, 0.01):
        rng = np.random.default_rng(seed)
        world = make_world(plan, base, None, 0.0)
        made = [simulate_audit(plan, world.draw_truth(rng), rng) for _ in range(max(audits // 6, 2))]
        kinds = Counter(d.verdict.kind for d in made)
        bounded = kinds[VerdictKind.BOUNDED] / len(made)
        cells.append(f"{np.mean([count_answers(d) for d in made]):,.0f} ({100 * bounded:.0f}%)")
    for shares in RANKS.values():
        for rise in (0.15, 0.3):
            rng = np.random.default_rng(seed)
            found = answers = missed = 0
            for _ in range(audits):
                rank = draw_rank(shares, rng)
                world = make_world(plan, 0.0, rank, rise)
                done = simulate_audit(plan, world.draw_truth(rng), rng)
                found += done.verdict.kind is VerdictKind.CONDITIONAL
                missed += done.verdict.kind is VerdictKind.BOUNDED and rank < setting.mined
                answers += count_answers(done)
            cells.append(f"{answers / audits:,.0f} ({100 * found / audits:.0f}%, {missed})")
    return f"| {setting.name} | {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    design = sys.argv[3] if len(sys.argv) > 3 else "sequential"
    head = ["clean, base 0", "clean, base 1%"]
    head += [f"ranks {name}, rise {rise}" for name in RANKS for rise in (15, 30)]
    print(f"| mined cues ({design}) | {' | '.join(head)} |", flush=True)
    for setting in SETTINGS:
        print(run_audits(setting, design == "sequential", audits, seed), flush=True)


if __name__ == "__main__":
    main()
