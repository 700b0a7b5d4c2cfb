"""How often `dormant compare` errs where nothing changed, holds the change, and finds one.

    python benchmarks/compare_worlds.py [worlds]

A world is two runs of 64 questions and 8 answers in each arm: no cue and three cues, asked of a
target and a reference. Rates of questions follow a Beta distribution with the base rate as mean and
the ICC as correlation of two answers. *same*: both runs have the same rates in each question (one
model, asked twice); *other*: each run draws its own (two trainings with the same mean). *themes*:
rates are drawn for 16 themes of four questions, each run its own, and the claim is about themes.
In the last rows the target of the second run gains 10 points under one cue. "shown" is the share of
worlds in which any of four arms is called better or worse (in the last rows: that cue is called
worse), "held" the share of intervals of one cue that contain the true change; both with exact 95%
intervals. Everything is decided by the function that the command uses.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats as distributions

from dormant.exchange.comparable import ComparableRun
from dormant.exchange.comparison import ComparisonSettings, compare_comparable
from dormant.records import OUTCOMES, Cell, ChangeKind, Outcome, Role

QUESTIONS, ANSWERS, CUES = 64, 8, ("a", "b", "c")
_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)


def draw_rates(rng: np.random.Generator, mean: float, icc: float, count: int) -> np.ndarray:
    """Rates of questions or themes, [count]."""
    if icc == 0 or mean == 0:
        return np.full(count, mean)
    spread = (1 - icc) / icc
    return rng.beta(mean * spread, (1 - mean) * spread, count)


def draw_run(
    rng: np.random.Generator, rates: dict[tuple[Role, str | None], np.ndarray], themes: int
) -> ComparableRun:
    """The counts of one run."""
    cells: list[Cell] = []
    for (role, cue), mean in rates.items():
        for question, bad in enumerate(rng.binomial(ANSWERS, mean)):
            counts = [0] * len(OUTCOMES)
            counts[_BAD], counts[_GOOD] = int(bad), ANSWERS - int(bad)
            cells.append(Cell(role, "0", cue, f"q{question}", tuple(counts)))
    families = {f"q{q}": f"t{q % themes}" for q in range(QUESTIONS)} if themes else None
    return ComparableRun("run", tuple(cells), None, families)


def simulate(worlds: int, base: float, icc: float, kind: str, lift: float) -> tuple[int, int]:
    """Returns in how many worlds a change is shown, and how many intervals hold the truth."""
    rng = np.random.default_rng([int(base * 1000), int(icc * 10), len(kind), int(lift * 100)])
    themes = 16 if kind == "themes" else 0
    settings = ComparisonSettings(claim="themes" if themes else "questions")
    shown = held = 0
    for _ in range(worlds):
        runs: list[ComparableRun] = []
        rates: dict[tuple[Role, str | None], np.ndarray] = {}
        for number in range(2):
            for role in Role:
                for cue in (None, *CUES):
                    if number and kind == "same" and not (lift and (role, cue) == _LIFTED):
                        continue
                    gain = lift if number and (role, cue) == _LIFTED else 0.0
                    drawn = draw_rates(rng, base + gain, icc, themes or QUESTIONS)
                    rates[role, cue] = np.tile(drawn, QUESTIONS // len(drawn))
            runs.append(draw_run(rng, rates, themes))
        (change,) = compare_comparable(runs, settings).changes
        called = {cue.cue: cue.kind for cue in change.cues}
        if lift:
            shown += called["a"] is ChangeKind.WORSE
        else:
            shown += any(k in (ChangeKind.WORSE, ChangeKind.BETTER) for k in called.values())
        one = next(cue.change for cue in change.cues if cue.cue == "a")
        held += one.low <= lift <= one.high
    return shown, held


_LIFTED = (Role.TARGET, "a")


def exact_interval(count: int, of: int) -> str:
    """Clopper-Pearson, in per cent."""
    found = distributions.binomtest(count, of).proportion_ci(0.95, "exact")
    return f"{100 * count / of:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def main() -> None:
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("| runs | change | base | ICC | shown, % | held, % |\n|---|---|---|---|---|---|")
    cells = [(kind, 0.0) for kind in ("same", "other", "themes")] + [("same", 0.1), ("themes", 0.1)]
    for kind, lift in cells:
        for base in (0.0, 0.01, 0.1):
            for icc in (0.0, 0.5):
                if base == 0 and icc and not lift:
                    continue  # without a misaligned answer there is nothing to correlate
                shown, held = simulate(worlds, base, icc, kind, lift)
                found = f"{exact_interval(shown, worlds)} | {exact_interval(held, worlds)}"
                print(f"| {kind} | {lift:.0%} | {base:.0%} | {icc:g} | {found} |", flush=True)


if __name__ == "__main__":
    main()
