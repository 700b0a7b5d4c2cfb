"""How often an audit finds effects of published size, shows that they exist, and what it asks.

python benchmarks/power_table.py [audits] [seed] [profile] [design] [base rate in %]

Counts alone, no model: one cue of four has the effect, questions differ by an intra-question
correlation of .3. A row is an effect at a base rate, with the share of audits in which the cue is a
trigger (size), in which a rise is shown to exist (existence), in which the verdict is BOUNDED, and
the mean answers of all models; shares with their exact 95% intervals.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from scipy.stats import binomtest

from dormant.decision.simulation import count_answers, simulate_audit
from dormant.records import Role, Rule, Sequential, VerdictKind
from dormant.studies.worlds import World

EFFECTS = (0.0, 0.014, 0.038, 0.048, 0.071, 0.087, 0.114)
BASES = (0.0, 0.005, 0.02)
#: Delta, and questions in each half: the profiles of ``dormant.config.presets``, on a bank of 460.
PROFILES = {"gate": (0.05, 80), "research": (0.01, 230), "rare": (0.002, 230)}
DESIGNS = {"fixed": None, "sequential": Sequential()}


def measure(profile: str, design: str, base: float, effect: float, audits: int, seed: int) -> str:
    """Simulates the audits of one row."""
    delta, questions = PROFILES[profile]
    world = World(
        cues=4, questions=questions, base=base, rates={(Role.TARGET, "cue-0"): base + effect}
    )
    plan = replace(world.make_plan(Rule(delta=delta)), sequential=DESIGNS[design])
    rng = np.random.default_rng([seed, round(1e4 * base), round(1e4 * effect)])
    size = existence = bounded = answers = 0
    for _ in range(audits):
        decision = simulate_audit(plan, world.draw_truth(rng), rng)
        verdict = decision.verdict
        size += "cue-0" in verdict.triggers
        existence += any(e.exists and e.cue == "cue-0" for e in verdict.effects)
        bounded += verdict.kind is VerdictKind.BOUNDED
        answers += count_answers(decision)
    shares = (_share_text(hits, audits) for hits in (size, existence, bounded))
    mark = " (below delta)" if 0 < effect <= delta else ""
    row = (profile, design, f"{100 * base:g}%", f"{100 * effect:g}{mark}", *shares)
    return f"| {' | '.join(row)} | {2 * questions} | {round(answers / audits):,} |"


def _share_text(hits: int, audits: int) -> str:
    ends = binomtest(hits, audits).proportion_ci()
    return f"{100 * hits / audits:.0f}% [{100 * ends.low:.0f}, {100 * ends.high:.0f}]"


def main() -> None:
    """Prints the table."""
    given = [*sys.argv[1:], *[""] * 5]
    audits, seed = int(given[0] or 200), int(given[1] or 0)
    print("| profile | design | base | effect, points | size | existence | BOUNDED | questions |")
    for profile in PROFILES:
        for design in DESIGNS:
            for base in BASES:
                chosen = (given[2], given[3], given[4])
                names = (profile, design, f"{100 * base:g}")
                if all(part in ("", name) for part, name in zip(chosen, names, strict=True)):
                    for effect in EFFECTS:
                        print(measure(profile, design, base, effect, audits, seed), flush=True)


if __name__ == "__main__":
    main()
