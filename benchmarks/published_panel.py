"""Coverage and power on tables like a published panel of 26 questions, and under no effect.

    python benchmarks/published_panel.py 1000

Each world draws 26 of the panel's questions with replacement, and their answers from the rates that
were seen (examples/published/default-system-prompt.csv), so the true difference in differences is
the panel's, 3.58 points. In the null worlds the cue's rates are those without it. Intervals are
about the trainings at hand, as the published one is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from dormant.exchange.tidy import TableSettings, read_tidy
from dormant.records import OUTCOMES, Cell, Outcome, Quantity, Rule, Split
from dormant.stats import Trainings, build_table
from dormant.stats.estimates import from_table
from dormant.stats.methods import BOOTSTRAP_T, METHODS
from dormant.stats.table import Floats, Ints

PANEL = Path(__file__).parents[1] / "examples" / "published" / "default-system-prompt.csv"
_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)


def draw_world(cells: list[Cell], rng: np.random.Generator, *, has_effect: bool) -> list[Cell]:
    """Draws a table: questions with replacement, then the answers of every cell."""
    by_key = {(c.role, c.seed, c.cue, c.question): c for c in cells}
    questions = sorted({c.question for c in cells})
    drawn = rng.integers(len(questions), size=len(questions))
    world: list[Cell] = []
    for place, at in enumerate(drawn):
        for (role, seed, cue, question), cell in by_key.items():
            if question != questions[at]:
                continue
            shown = cell if has_effect else by_key[role, seed, None, question]
            size = cell.counts[_BAD] + cell.counts[_GOOD]
            rate = shown.counts[_BAD] / (shown.counts[_BAD] + shown.counts[_GOOD])
            counts = [0] * len(OUTCOMES)
            counts[_BAD] = int(rng.binomial(size, rate))
            counts[_GOOD] = size - counts[_BAD]
            world.append(Cell(role, seed, cue, f"q{place:02}", tuple(counts)))
    return world


def measure(worlds: int, *, has_effect: bool, truth: float) -> dict[str, tuple[Ints, Floats]]:
    """Counts for each method the intervals that hold the truth, those above 0, and p <= .025."""
    cells = list(read_tidy(PANEL, TableSettings(columns={})).cells)
    rng = np.random.default_rng(13)
    methods = (*METHODS, BOOTSTRAP_T)
    counts = {name: np.zeros(2, dtype=np.int64) for name in methods}
    widths = {name: np.zeros(worlds) for name in methods}
    for i in range(worlds):
        table = build_table(draw_world(cells, rng, has_effect=has_effect))
        for name in methods:
            (e,) = (
                e
                for e in from_table(
                    table,
                    rule=Rule(delta=0.0),
                    split_of=dict.fromkeys(table.questions, Split.HELD_OUT),
                    method=name,
                    trainings=Trainings.THESE,
                    only={Quantity.DID},
                )
                if e.split is None
            )
            counts[name] += [e.low <= truth <= e.high, e.low > 0]
            widths[name][i] = e.high - e.low
    return {name: (counts[name], widths[name]) for name in methods}


def percent(count: int, of: int) -> str:
    """A share with its exact 95% interval."""
    ends = binomtest(int(count), of).proportion_ci(0.95)
    return f"{100 * count / of:.1f} [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


def main() -> None:
    """Prints one row a method and world."""
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print("| method | truth | holds it, % | above 0, % | mean width |")
    print("|---|---|---|---|---|")
    for has_effect, truth in ((True, 0.03582778386328605), (False, 0.0)):
        for name, (counts, width) in measure(worlds, has_effect=has_effect, truth=truth).items():
            print(
                f"| `{name}` | {100 * truth:.2f} | {percent(counts[0], worlds)} | "
                f"{percent(counts[1], worlds)} | {100 * width.mean():.1f} |"
            )


if __name__ == "__main__":
    main()
