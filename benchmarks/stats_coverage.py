"""Coverage of 95% intervals on a grid of known truths.

python benchmarks/stats_coverage.py [rate|seeds|did|methods|mixtures|bounded|delta] [worlds] [--all]

``rate``: the default interval of a rate: rate 0 to 50%, intra-question correlation (ICC) 0 to .9,
8 to 64 questions, 5 to 100 answers, 1 to 5 training seeds that do not differ (1,620 cells).
``seeds``: 2 to 5 training seeds that do differ, by an ICC of their own.
``did``: the difference in differences on which verdicts rest.
``methods``: every method on a smaller grid, beside SciPy's Student's t and bootstrap (BCa).
``mixtures``: a twentieth of the questions is misaligned in 90% of answers, the others in 1 or 5%.
``bounded``: how often a cue that does nothing is bounded below delta, by base rate and training
seeds. ``delta``: how often one exactly at delta is, which is an error, at either look of the rule.

A cell is two-sided coverage, and how often each end misses. A cell is *silent* if more than 2.5% of
its worlds show no misaligned answer at all: no bound that is honest at each end can then miss from
above, so its coverage is at least 97.5% whatever the method. With 2,000 worlds 95% is printed with
a standard error of 0.5 points. ``--all`` prints every cell.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from dormant.records import Rule
from dormant.stats import METHODS
from dormant.stats.intervals import SeedSpread
from dormant.stats.methods import compute_bounds
from dormant.stats.sample import Sample

RULE = Rule()
PARTS = ("rate", "seeds", "did", "methods", "mixtures", "bounded", "delta")
RATES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5)
ICCS = (0.0, 0.1, 0.3, 0.6, 0.9)
#: Methods that the package does not have, for comparison.
SCIPY = ("t", "bootstrap")
DRAWS = 2000


class Cell(NamedTuple):
    """One truth, and what the intervals made of it (percent)."""

    method: str
    questions: int
    answers: int
    seeds: int
    icc: float
    seed_icc: float
    rate: float
    silent: bool
    above: float  # intervals wholly above the truth
    below: float
    width: float

    @property
    def coverage(self) -> float:
        """Two-sided coverage, percent."""
        return 100 - self.above - self.below


def true_rates(rng, worlds, cell_rate, icc, questions, seeds=1, seed_icc=0.0):
    """Rates [worlds, seeds, Q]: questions lift all seeds alike, seeds have rates of their own."""
    if cell_rate in (0.0, 1.0):
        return np.full((worlds, seeds, questions), cell_rate)
    own = np.full((worlds, seeds, 1), cell_rate)
    if seed_icc:
        k = 1 / seed_icc - 1
        own = np.clip(rng.beta(cell_rate * k, (1 - cell_rate) * k, own.shape), 1e-9, 1 - 1e-9)
    if not icc:
        return np.broadcast_to(own, (worlds, seeds, questions))
    k = 1 / icc - 1
    if not seed_icc:
        drawn = rng.beta(cell_rate * k, (1 - cell_rate) * k, (worlds, 1, questions))
        return np.broadcast_to(drawn, (worlds, seeds, questions))
    return special.betaincinv(own * k, (1 - own) * k, rng.random((worlds, 1, questions)))


def spread_of(shares):
    """Spread between training seeds; shares are [worlds, seeds, Q]."""
    seeds = shares.shape[1]
    if seeds < 2:
        return None
    variance = shares.mean(-1).var(1, ddof=1) / seeds
    return SeedSpread(variance, np.full(len(shares), seeds - 1.0))


def interval(rng, units, arms, signs, answers, method, limits, spread):
    sample = Sample(
        units=units,
        arms=arms,
        signs=signs,
        answers=np.broadcast_to(np.asarray(answers, dtype=float), arms.shape),
        icc=RULE.icc,
        limits=limits,
    )
    ours = "pseudo-observation" if method in SCIPY else method
    found = compute_bounds(sample, method=ours, level=RULE.level, delta=RULE.delta, spread=spread)
    if method not in SCIPY:
        return found
    assert spread is None, "SciPy's methods know no training seeds"
    varied = np.ptp(units, -1) > 0  # others have no width; the default's bound stands there
    if varied.any():
        ends = _by_scipy(rng, units[varied], method)
        found.low[varied], found.high[varied] = (np.clip(x, *limits) for x in ends)
    return found


def _by_scipy(rng, units, method):
    """Ends of SciPy's interval for the mean of units [worlds, Q]."""
    if method == "t":
        found = stats.ttest_1samp(units, 0.0, axis=-1).confidence_interval(RULE.level)
        return found.low, found.high
    found = stats.bootstrap(
        (units,), np.mean, n_resamples=DRAWS, batch=100, axis=-1, method="BCa", rng=rng,
        confidence_level=RULE.level,
    ).confidence_interval  # fmt: skip
    return found.low, found.high


def study(rng, worlds, grid, methods=("pseudo-observation",)) -> Iterator[Cell]:
    """Coverage of a rate."""
    for rate, icc, questions, answers, (seeds, seed_icc) in grid:
        true = true_rates(rng, worlds, rate, icc, questions, seeds, seed_icc)
        counts = rng.binomial(answers, true)
        shares = counts / answers
        units = shares.mean(1)
        silent = bool(np.mean(counts.sum((1, 2)) == 0) > 0.025)
        for method in methods:
            b = interval(
                rng, units, units[:, None], (1,), answers * seeds, method, (0.0, 1.0),
                spread_of(shares),
            )  # fmt: skip
            above, below = (100 * np.mean(x) for x in (b.low > rate + 1e-12, b.high < rate - 1e-12))
            width = float(np.mean(b.high - b.low))
            yield Cell(
                method, questions, answers, seeds, icc, seed_icc, rate, silent, above, below, width
            )


def study_did(rng, worlds, grid, methods=("pseudo-observation",)) -> Iterator[Cell]:
    """Coverage of a difference in differences: a base rate, and a lift of the target's cue arm."""
    for (base, lift), icc, questions, answers in grid:
        arms = np.stack(
            [
                rng.binomial(answers, true_rates(rng, worlds, r, icc, questions)[:, 0]) / answers
                for r in (base + lift, base, base, base)
            ],
            1,
        )
        units = arms[:, 0] - arms[:, 1] - arms[:, 2] + arms[:, 3]
        for method in methods:
            b = interval(rng, units, arms, (1, -1, -1, 1), answers, method, (-2.0, 2.0), None)
            above, below = (100 * np.mean(x) for x in (b.low > lift + 1e-12, b.high < lift - 1e-12))
            silent = bool(np.mean((arms == 0).all((1, 2))) > 0.025)
            width = float(np.mean(b.high - b.low))
            yield Cell(method, questions, answers, 1, icc, base, lift, silent, above, below, width)


def _four_arms(rng, worlds, rates, icc, questions, answers, seeds=1, seed_icc=0.0):
    """Shares [worlds, seeds, Q] of cue and standard arm of the target and of the reference."""
    return [
        rng.binomial(answers, true_rates(rng, worlds, rate, icc, questions, own, differ)) / answers
        for rate, own, differ in zip(
            rates, (seeds, seeds, 1, 1), (seed_icc, seed_icc, 0, 0), strict=True
        )
    ]


def _two_looks(rng, worlds, rates, icc, questions, seeds=1, seed_icc=0.0):
    """Whether [2, worlds] a DiD is bounded: by screening, and by all questions together."""
    first, second = (
        _four_arms(rng, worlds, rates, icc, questions, answers, seeds, seed_icc)
        for answers in (RULE.screening_answers, RULE.confirm_answers)
    )
    both = [np.concatenate(pair, -1) for pair in zip(first, second, strict=True)]
    sizes = np.repeat([RULE.screening_answers, RULE.confirm_answers], questions)
    found = []
    for arms, answers in ((first, RULE.screening_answers), (both, sizes)):
        gaps = arms[0] - arms[1]
        means = np.stack([arm.mean(1) for arm in arms], 1)
        units = means[:, 0] - means[:, 1] - means[:, 2] + means[:, 3]
        limits, signs = (-2.0, 2.0), (1, -1, -1, 1)
        b = interval(
            rng, units, means, signs, answers, "pseudo-observation", limits, spread_of(gaps)
        )
        found.append(b.high < RULE.delta)
    return np.array(found)


def bounded(worlds: int, questions: int = 64) -> None:
    """Prints how often a cue without effect is bounded below delta by both looks together.

    Seeds that differ do so in each arm by itself, so their gaps differ too.
    """
    print(f"bounded below {RULE.delta:g} (percent), ICC .3, {questions} + {questions} questions")
    bases = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)
    for seeds, seed_icc in ((1, 0), *product((2, 3, 5), (0.0, 0.02, 0.1))):
        shares = []
        for i, base in enumerate(bases):
            rng = np.random.default_rng([7, i])
            looks = _two_looks(rng, worlds, [base] * 4, 0.3, questions, seeds, seed_icc)
            shares.append(f"{100 * base:g}%: {100 * looks.any(0).mean():.0f}")
        print(f"seeds {seeds} correlation {seed_icc:4}: {', '.join(shares)}", flush=True)


def at_delta(worlds: int) -> None:
    """Prints how often a cue exactly at delta is bounded by either look (an error)."""
    for questions in (59, 64, 72, 128):
        shares = []
        for icc in (0.01, 0.1, 0.3, 0.6, 0.9, 0.99):
            rng = np.random.default_rng([questions, int(100 * icc)])
            looks = _two_looks(rng, worlds, (RULE.delta, 0.0, 0.0, 0.0), icc, questions)
            shares.append(f"{icc}: {100 * looks.any(0).mean():.1f}%")
        print(f"{questions} questions, ICC {', '.join(shares)}", flush=True)


def mixtures(worlds: int) -> None:
    """Prints how often each method holds the truth where few questions are wholly misaligned."""
    for questions, rest in product((24, 64), (0.01, 0.05)):
        rng = np.random.default_rng([2, questions, int(100 * rest)])
        hot = rng.random((worlds, questions)) < 0.05
        shares = rng.binomial(20, np.where(hot, 0.9, rest)) / 20
        truth = 0.05 * 0.9 + 0.95 * rest
        said = []
        for method in (*METHODS, *SCIPY):
            b = interval(rng, shares, shares[:, None], (1,), 20, method, (0.0, 1.0), None)
            above, below = 100 * np.mean(b.low > truth), 100 * np.mean(b.high < truth)
            said.append(f"{method} {100 - above - below:.0f} (too low {below:.0f})")
        print(f"{questions} questions, {100 * rest:g}% in most: {', '.join(said)}", flush=True)


def summary(cells: list[Cell], title: str) -> None:
    """Prints how many cells keep the promise, and the worst."""
    if not cells:
        return
    coverage = np.array([c.coverage for c in cells])
    silent = np.array([c.silent for c in cells])
    over, under = coverage > 97.5, coverage < 93
    print(
        f"{title:34} {len(cells):5} cells | under 93%: {under.sum():3} | 93 to 97.5%: "
        f"{(~over & ~under).sum():4} | over 97.5%: {(over & silent).sum():4} silent, "
        f"{(over & ~silent).sum():4} not | least {coverage.min():5.1f}, most not silent "
        f"{coverage[~silent].max(initial=0):5.1f} | worst end above "
        f"{max(c.above for c in cells):4.1f} below {max(c.below for c in cells):4.1f} | mean width "
        f"{np.mean([c.width for c in cells]):.4f}",
        flush=True,
    )


def report(cells: list[Cell], every: bool) -> None:
    """A line for 16 questions or more and for fewer, for each method; then the cells that fail."""
    for method in dict.fromkeys(c.method for c in cells):
        own = [c for c in cells if c.method == method]
        summary([c for c in own if c.questions >= 16], f"{method}, 16 questions or more")
        summary([c for c in own if c.questions < 16], f"{method}, fewer questions")
    first = cells[0].method
    for c in cells:
        if every or (c.coverage < 93 and c.method == first):
            print(
                f"  {c.method:12} Q {c.questions:3} n {c.answers:3} seeds {c.seeds} ICC {c.icc:3} "
                f"seed ICC or base {c.seed_icc:5} rate or lift {c.rate:5}: {c.coverage:5.1f} "
                f"({c.above:4.1f} above, {c.below:4.1f} below) {'silent' if c.silent else ''}"
            )


def by_rate(cells: list[Cell]) -> None:
    """Prints where coverage lies, rate by rate."""
    for rate in RATES:
        own = [c for c in cells if c.rate == rate]
        coverage, silent = np.array([(c.coverage, c.silent) for c in own]).T
        print(
            f"rate {rate:5}: {len(own)} cells, 93 to 97.5%: "
            f"{((coverage >= 93) & (coverage <= 97.5)).sum():3}, over and silent "
            f"{((coverage > 97.5) & (silent > 0)).sum():3}, over and not "
            f"{((coverage > 97.5) & (silent == 0)).sum():3}, median {np.median(coverage):.1f}"
        )


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    part = words[0] if words else "rate"
    worlds = int(words[1]) if len(words) > 1 else 2000
    if part not in PARTS:
        sys.exit(f"{part!r} is no part of the study: give one of {', '.join(PARTS)}")
    others = {"bounded": bounded, "delta": at_delta, "mixtures": mixtures}
    if part in others:
        return others[part](worlds)
    rng = np.random.default_rng(0)
    sizes = ((8, 12, 16, 24, 32, 64), (5, 20, 100))
    if part == "rate":
        seeds = ((1, 0.0), (5, 0.0))
        cells = [
            cell
            for i, rate in enumerate(RATES)
            for cell in study(
                np.random.default_rng([0, i]), worlds, product((rate,), ICCS, *sizes, seeds)
            )
        ]
        by_rate([c for c in cells if c.questions >= 16])
    elif part == "seeds":
        seeds = tuple(product((2, 3, 5), (0.02, 0.1)))
        cells = list(
            study(rng, worlds, product((0.05, 0.2, 0.5), (0.0, 0.3, 0.9), (16, 64), (20,), seeds))
        )
    elif part == "did":
        lifts = (
            (0.0, 0.0),
            (0.02, 0.0),
            (0.1, 0.0),
            (0.0, 0.05),
            (0.02, 0.1),
            (0.1, 0.3),
            (0.0, 0.5),
        )
        cells = list(study_did(rng, worlds, product(lifts, ICCS, (8, 16, 64), (8, 100))))
    else:
        grid = product((0.0, 0.02, 0.1, 0.5), (0.0, 0.3, 0.9), (8, 16, 64), (5, 100), ((1, 0.0),))
        cells = list(study(rng, worlds, grid, (*METHODS, *SCIPY)))
    report(cells, "--all" in sys.argv)


if __name__ == "__main__":
    main()
