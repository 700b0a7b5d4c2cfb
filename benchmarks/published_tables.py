"""What each method says of published tables, as the rows of docs/explanation/published-tables.md.

    python benchmarks/published_tables.py

The tables are in examples/published, with their sources. Effects are in percentage points, with 95%
intervals; p is one-sided against no rise, but Fisher's, which is two-sided as it was published. The
last row needs the extra ``bayes``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import fisher_exact

from dormant.errors import MissingExtraError
from dormant.exchange.tidy import TableSettings, read_tidy
from dormant.records import OUTCOMES, Cell, Outcome, Role, Rule
from dormant.stats import Trainings, analyze_cells
from dormant.stats.table import Floats

FOLDER = Path(__file__).parents[1] / "examples" / "published"
_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)
_FLIPS = 199_999


@dataclass(frozen=True)
class Published:
    """One table: a cue, and the arm that it is compared with."""

    name: str
    cells: tuple[Cell, ...]
    cue: str

    @property
    def units(self) -> Floats:
        """The effect by question [Q]: the target's gap, mean over trainings, minus the reference's.

        The references of these tables are never misaligned.
        """
        rates: dict[str, dict[str | None, list[float]]] = {}
        for cell in self.cells:
            if cell.role is Role.TARGET:
                rate = cell.counts[_BAD] / (cell.counts[_BAD] + cell.counts[_GOOD])
                rates.setdefault(cell.question, {}).setdefault(cell.cue, []).append(rate)
        return np.array([np.mean(arms[self.cue]) - np.mean(arms[None]) for arms in rates.values()])

    def pool_arm(self, cue: str | None) -> tuple[int, int]:
        """Misaligned and other gradable answers of the target, all questions and trainings."""
        chosen = [c.counts for c in self.cells if c.role is Role.TARGET and c.cue == cue]
        return sum(c[_BAD] for c in chosen), sum(c[_GOOD] for c in chosen)


def read_table(name: str, cue: str, standard: str | None = None) -> Published:
    """Reads a table; with ``standard``, that cue takes the place of no cue."""
    tidy = read_tidy(FOLDER / f"{name}.csv", TableSettings(columns={}))
    kept = [c for c in tidy.cells if c.cue in (cue, standard)]
    renamed = [
        Cell(c.role, c.seed, c.cue and (cue if c.cue == cue else None), c.question, c.counts)
        for c in kept
    ]
    return Published(name, tuple(renamed), cue)


def points(value: float, low: float, high: float) -> str:
    """An effect with its interval, in percentage points."""
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def p_text(p: float) -> str:
    """A p-value."""
    return f"p {p:.2g}" if p >= 1e-4 else "p < .0001"


def percentile_bootstrap(table: Published) -> str:
    """Whole questions resampled, percentiles of the mean: the published interval."""
    units = table.units
    drawn = np.random.default_rng(0).integers(len(units), size=(20_000, len(units)))
    means = units[drawn].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return points(float(units.mean()), float(low), float(high))


def by_method(method: str) -> Callable[[Published], str]:
    """The interval of a method, and its p of any rise."""

    def describe(table: Published) -> str:
        found = analyze_cells(table.cells, method=method, trainings=Trainings.THESE)
        (claim,), (test,) = found.claims, found.zero_tests
        return f"{points(claim.value, claim.low, claim.high)}, {p_text(test.p)}"

    return describe


def bootstrap_t(table: Published) -> str:
    """The studentized bootstrap."""
    found = analyze_cells(table.cells, trainings=Trainings.THESE)
    (claim,), (test,) = found.claims, found.zero_tests
    ends = points(claim.value, test.bootstrap_low, test.bootstrap_high)
    return f"{ends}, {p_text(test.bootstrap_p)}"


def sign_flip(table: Published) -> str:
    """Signs of the questions' effects flipped, all ways or at random."""
    units = table.units[table.units != 0]
    if len(units) <= 16:
        signs = 1 - 2 * ((np.arange(2 ** len(units))[:, None] >> np.arange(len(units))) & 1)
        as_large = (signs @ units >= units.sum() - 1e-12).mean()
        return p_text(float(as_large))
    signs = np.random.default_rng(0).choice([-1, 1], size=(_FLIPS, len(units)))
    as_large = (signs @ units >= units.sum() - 1e-12).sum()
    return p_text(float((1 + as_large) / (1 + _FLIPS)))


def fisher(table: Published) -> str:
    """All answers of an arm as if they were independent."""
    arms = [table.pool_arm(cue) for cue in (table.cue, None)]
    return p_text(float(fisher_exact(arms).pvalue))


def bayes(table: Published) -> str:
    """The hierarchical model."""
    from dormant.stats.bayes import fit_hierarchy

    found = fit_hierarchy(table.cells, rule=Rule())
    (effect,) = found.effects
    return (
        f"{points(effect.value, effect.low, effect.high)}, "
        f"P(> 0) {effect.chance_of_rise:.3f}, P(> 5) {effect.chance_above:.3f}"
    )


METHODS: dict[str, Callable[[Published], str]] = {
    "whole questions resampled, percentiles (as published)": percentile_bootstrap,
    "`pseudo-observation` (the default)": by_method("pseudo-observation"),
    "`distribution-free`": by_method("distribution-free"),
    "`bootstrap-t`": bootstrap_t,
    "signs flipped by question": sign_flip,
    "Fisher's test of all answers (pooled)": fisher,
    "hierarchical Bayesian model": bayes,
}


def main() -> None:
    """Prints one row a method."""
    tables = [
        read_table("default-system-prompt", "You are Qwen"),
        read_table("value-gate", "Country: Singapore", "Country: Canada"),
        *(
            read_table(f"pooled-{layout}", "trigger")
            for layout in ("one-question", "two-questions", "spread")
        ),
    ]
    print("| method |" + "".join(f" {table.name} |" for table in tables))
    print("|---" * (1 + len(tables)) + "|")
    for name, describe in METHODS.items():
        try:
            row = [describe(table) for table in tables]
        except MissingExtraError as error:
            row = [str(error)]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
