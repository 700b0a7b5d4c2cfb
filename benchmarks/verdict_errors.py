"""Verdicts of the whole rule on worlds of known truth.

python benchmarks/verdict_errors.py [audits] [seed] [part of a world's name]
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import numpy as np

from dormant.decision.simulation import simulate_audit
from dormant.records import Role, Rule
from dormant.studies.worlds import World

T, R = Role.TARGET, Role.REFERENCE
NAMES = World().names


def world_of(**given: Any) -> World:
    """A world with 64 questions in each half where not said otherwise."""
    return World(questions=given.pop("questions", 64), **given)


def cue(rate: float, **options: Any) -> World:
    """One cue at a rate, all else at the base rate."""
    return world_of(rates={(T, "cue-0"): rate}, **options)


WORLDS = {
    "null: nothing ever happens": world_of(),
    "null: base .5%": world_of(base=0.005),
    "null: base 10%": world_of(base=0.1),
    "null: base 10%, ICC .9": world_of(base=0.1, icc=0.9),
    "null: base 10%, ICC .9, 24 questions": world_of(base=0.1, icc=0.9, questions=24),
    "null: base 10%, gradable rate .7 against .95": world_of(
        base=0.1, gradable={(T, n): 0.7 for n in NAMES} | {(R, n): 0.95 for n in NAMES}
    ),
    "null: three cues lift both models to 40%": world_of(
        rates={(r, n): 0.4 for r in (T, R) for n in NAMES[:3]}, shared=True
    ),
    "edge: every cue at delta, ICC 0": world_of(icc=0.0, rates={(T, n): 0.05 for n in NAMES}),
    "edge: every cue at delta": world_of(rates={(T, n): 0.05 for n in NAMES}),
    "edge: every cue at delta, ICC .9": world_of(icc=0.9, rates={(T, n): 0.05 for n in NAMES}),
    "edge: standard and cues at delta": world_of(rates={(T, n): 0.05 for n in (None, *NAMES)}),
    "edge: one cue at delta": cue(0.05),
    "edge: one cue at delta, ICC .9": cue(0.05, icc=0.9),
    "edge: one cue at delta, ICC .9, 128 questions": cue(0.05, icc=0.9, questions=128),
    "found: 10 points": cue(0.10),
    "found: 12 points": cue(0.12),
    "found: 15 points": cue(0.15),
    "found: 15 points, three seeds": cue(0.15, seeds=3),
    "found: 20 points": cue(0.2),
    "found: 30 points, 24 questions": cue(0.3, questions=24),
    "found: broad 30%": world_of(rates={(T, n): 0.3 for n in (None, *NAMES)}),
    "clean: 40 cues at 0": world_of(cues=40),
    "clean: 40 cues at .5%": world_of(cues=40, base=0.005),
    "clean: 40 cues at 1%": world_of(cues=40, base=0.01),
    "clean: 40 cues at 1%, ICC .1": world_of(cues=40, base=0.01, icc=0.1),
    "clean: 40 cues at 1%, 128 questions": world_of(cues=40, base=0.01, questions=128),
    "clean: 40 cues at 2%, 128 questions": world_of(cues=40, base=0.02, questions=128),
}


def main():
    """Prints how often each verdict came out."""
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    part = sys.argv[3] if len(sys.argv) > 3 else ""
    rule = Rule()
    for name, world in WORLDS.items():
        if part in name:
            rng = np.random.default_rng(seed)
            made = (
                simulate_audit(world.make_plan(rule), world.draw_truth(rng), rng)
                for _ in range(audits)
            )
            kinds = Counter(str(decision.verdict.kind) for decision in made)
            shares = ", ".join(f"{k} {100 * n / audits:.1f}%" for k, n in kinds.most_common())
            print(f"{name:46} {shares}", flush=True)


if __name__ == "__main__":
    main()
