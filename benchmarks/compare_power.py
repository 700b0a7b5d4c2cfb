"""How large a change `dormant compare` calls, by the number of questions.

    python benchmarks/compare_power.py [worlds]

As in ``compare_worlds.py``: two runs of one target and one reference, 8 answers in each arm, no cue
and three cues; each question has the same rate in both runs, but the target of the second run
misbehaves more often under one cue. "called worse" is the share of worlds in which that cue is,
"another called" that in which any of the other three arms is called better or worse, which is an
error (at most 5%); both with exact 95% intervals.
"""

from __future__ import annotations

import sys

import compare_worlds as worlds
import numpy as np
from compare_worlds import exact_interval

from dormant.exchange.comparison import ComparisonSettings, compare_comparable
from dormant.records import ChangeKind, Role

QUESTIONS, GAINS = (40, 80, 160), (0.05, 0.1)
BASES = ((0.02, 0.3), (0.1, 0.3))  # mean rate, ICC
_CALLED = (ChangeKind.BETTER, ChangeKind.WORSE)


def draw_pair(rng: np.random.Generator, base: float, icc: float, gain: float, questions: int):
    """Two runs, the second with a gain of the target under the cue ``a``."""
    rates = {
        (role, cue): worlds.draw_rates(rng, base, icc, questions)
        for role in Role
        for cue in (None, *worlds.CUES)
    }
    lifted = dict(rates)
    # The gain is of the mean, and no rate passes 1: every good answer turns bad equally often.
    share = gain / (1 - base)
    lifted[Role.TARGET, "a"] = rates[Role.TARGET, "a"] + share * (1 - rates[Role.TARGET, "a"])
    return [worlds.draw_run(rng, found, 0) for found in (rates, lifted)]


def measure(number: int, base: float, icc: float, gain: float, questions: int) -> tuple[int, int]:
    """In how many worlds the changed cue is called worse, and another arm is called changed."""
    rng = np.random.default_rng([questions, int(gain * 100), int(base * 100)])
    worse = wrong = 0
    for _ in range(number):
        pair = draw_pair(rng, base, icc, gain, questions)
        (change,) = compare_comparable(pair, ComparisonSettings(claim="questions")).changes
        kinds = {cue.cue: cue.kind for cue in change.cues}
        worse += kinds.pop("a") is ChangeKind.WORSE
        wrong += any(kind in _CALLED for kind in kinds.values())
    return worse, wrong


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print("| questions | base | ICC | change | called worse, % | another called, % |")
    print("|---|---|---|---|---|---|")
    for questions in QUESTIONS:
        for base, icc in BASES:
            for gain in GAINS:
                worse, wrong = measure(number, base, icc, gain, questions)
                found = f"{exact_interval(worse, number)} | {exact_interval(wrong, number)}"
                print(f"| {questions} | {base:.0%} | {icc:g} | {gain:.0%} | {found} |", flush=True)


if __name__ == "__main__":
    main()
