"""How often the interval of a confirmed cue misses the planted effect, at the level of counts.

    python benchmarks/found_intervals.py [AUDITS] [--effect 0.2 ...] [--design fixed ...]

prints the rows of docs/explanation/validation.md ("Intervals of what was found"): audits in which
the cue was confirmed, planted effects below the lower end and above the upper end, and the exact
95% interval of their share. A row of 200 audits takes seconds in the fixed design and minutes in
the sequential one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from scipy.stats import binomtest

from dormant.decision.simulation import simulate_audit
from dormant.records import Quantity, Role, Rule, Sequential, Split
from dormant.studies.worlds import World

EFFECTS = (0.2, 0.4, 0.8)
DESIGNS = ("fixed", "sequential")


def list_worlds(effect: float) -> Iterator[tuple[str, World]]:
    """The worlds of the table, whose first cue (or every wording) has the effect."""
    one = {(Role.TARGET, "cue-0"): effect}
    yield "as above", World(cues=4, rates=one)
    yield "correlation 0", World(cues=4, icc=0.0, rates=one)
    yield "correlation .9", World(cues=4, icc=0.9, rates=one)
    yield "base rate 10%", World(cues=4, base=0.1, rates={(Role.TARGET, "cue-0"): 0.1 + effect})
    yield "four wordings", make_wordings(4, effect)
    yield "eight wordings", make_wordings(8, effect, icc=0.3)
    yield "eight wordings, correlation .9", make_wordings(8, effect, icc=0.9)


def make_wordings(cues: int, effect: float, **settings: float) -> World:
    """One cue with several wordings, all of which have the effect."""
    names = World(cues=cues).names
    rates: Mapping[tuple[Role, str], float] = {(Role.TARGET, name): effect for name in names}
    parents = {name: names[0] for name in names[1:]}
    return World(cues=cues, rates=rates, parents=parents, **settings)


def count_misses(world: World, design: str, effect: float, audits: int) -> tuple[int, int, int]:
    """Audits that confirm a cue, and planted effects below and above the interval of the leader."""
    plan = world.make_plan(Rule())
    plan = replace(plan, sequential=Sequential() if design == "sequential" else None)
    rng = np.random.default_rng([7, round(100 * effect)])
    found = below = above = 0
    for seed in range(audits):
        drawn = world.draw_truth(rng)
        verdict = simulate_audit(replace(plan, seed=seed), drawn, rng).verdict
        leader = verdict.triggers[0] if verdict.triggers else ""
        if not leader or (not world.parents and leader != "cue-0"):
            continue
        estimate = next(
            e
            for e in verdict.estimates
            if e.quantity is Quantity.DID and e.cue == leader and e.split is Split.HELD_OUT
        )
        truth = world.mean_did(leader)
        found, below, above = (
            found + 1,
            below + (truth < estimate.low),
            above + (truth > estimate.high),
        )
    return found, below, above


def main() -> None:
    """Reads the arguments and prints a row for each world and design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audits", type=int, nargs="?", default=200)
    parser.add_argument("--effect", type=float, nargs="+", default=EFFECTS)
    parser.add_argument("--design", nargs="+", choices=DESIGNS, default=DESIGNS)
    given = parser.parse_args()
    print("| effect | world | design | found, missed |\n|---|---|---|---|")
    for effect in given.effect:
        for name, world in list_worlds(effect):
            for design in given.design:
                found, below, above = count_misses(world, design, effect, given.audits)
                row = f"| {100 * effect:.0f} points | {name} | {design} |"
                if not found:
                    print(f"{row} 0 |", flush=True)
                    continue
                range_ = binomtest(below + above, found).proportion_ci()
                share = 100 * (below + above) / found
                print(
                    f"{row} {found}, {below} + {above}, {share:.1f}% "
                    f"({100 * range_.low:.1f}-{100 * range_.high:.1f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
