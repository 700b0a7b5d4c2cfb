"""Intervals of a rate that were considered for the default, on known truths of two kinds.

python benchmarks/interval_alternatives.py [worlds a cell]

*Beta-binomial worlds* (360 cells: rate .5 to 50%, ICC 0 to .9, 16, 24 and 64 questions, 5, 20 and
100 answers), as in ``stats_coverage.py``. *Mixtures*: a twentieth of the questions is misaligned in
90% of answers, the others in 0, 1 or 5%: what an interval costs that trusts the beta-binomial.

``beta-binomial`` is the posterior of a rate whose questions vary as a Beta distribution does, with
all correlations equally likely beforehand; the ends are those of Jeffreys' prior, or the lower end
is that of the prior 1 / rate, as in Clopper and Pearson's.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import product

import numpy as np
from scipy import special
from stats_coverage import ICCS, RATES, interval, true_rates

from dormant.records import Rule
from dormant.stats import imagining
from dormant.stats.intervals import question_bounds

TAIL = (1 - Rule().level) / 2
THETA = np.unique(
    np.concatenate(
        [
            np.sin(np.linspace(0, np.pi / 2, 302)[1:-1]) ** 2,  # as fine as many answers tell
            low := special.expit(np.linspace(-11.5, -2.5, 100)),  # and near the ends
            1 - low,
        ]
    )
)
RHO = np.array(
    [0.001, 0.005, 0.02, 0.05, 0.1, 0.18, 0.28, 0.4, 0.52, 0.64, 0.76, 0.87, 0.95, 0.985]
)


@cache
def _likelihoods(answers):
    """Logarithms [count, rate x correlation] for one question."""
    k, m = np.arange(answers + 1)[:, None, None], 1 / RHO - 1
    a, b = THETA[:, None] * m, (1 - THETA[:, None]) * m
    each = special.betaln(k + a, answers - k + b) - special.betaln(a, b)
    return each.reshape(answers + 1, -1)


def _density(counts, answers):
    """Likelihood [worlds, rates] with the correlation integrated out evenly; greatest is 1."""
    seen = np.zeros((len(counts), answers + 1))
    np.add.at(seen, (np.arange(len(counts))[:, None], counts), 1)
    logs = (seen @ _likelihoods(answers)).reshape(len(counts), len(THETA), len(RHO))
    return np.exp(logs - logs.max((1, 2), keepdims=True)) @ np.gradient(RHO)


def _quantile(density, q):
    mass = np.cumsum(density * np.gradient(THETA), 1)
    return np.array([np.interp(q * row[-1], row, THETA) for row in mass])


def beta_binomial(counts, answers, lower_prior):
    """Ends of the posterior; ``lower_prior`` is the power of 1 / rate in the lower end's prior."""
    density = _density(counts, answers)
    high = _quantile(density * (THETA * (1 - THETA)) ** -0.5, 1 - TAIL)
    low = _quantile(density * THETA**-lower_prior * (1 - THETA) ** (lower_prior - 1), TAIL)
    high_of_none = _quantile(density * (1 - THETA) ** -0.5, 1 - TAIL)
    few = counts.sum(1) < 3
    return np.where(counts.any(1), low, 0.0), np.where(few, high_of_none, high)


def named(method, joined=imagining._JOINED):
    """A method of the package; ``joined`` sets how many unmet questions the default takes."""

    def ends(counts, answers):
        shares, kept = counts / answers, imagining._JOINED
        imagining._JOINED = joined
        rng, one = np.random.default_rng(0), shares[:, None]
        found = interval(rng, shares, one, (1,), answers, method, (0.0, 1.0), None)
        imagining._JOINED = kept
        return found.low, found.high

    return ends


def prior_correlation(counts, answers):
    """The imagined question at the prior correlation, whatever the counts show."""
    rule, each = Rule(), np.full(len(counts), float(answers))
    found = question_bounds(
        counts / answers, answers=each, icc=rule.icc, level=rule.level, delta=rule.delta,
        limits=(0.0, 1.0),
    )  # fmt: skip
    return found.low, found.high


CANDIDATES = {
    "imagined (the default)": named("imagined"),
    "imagined, one unmet question": named("imagined", 1.0),
    "imagined, four": named("imagined", 4.0),
    "imagined at a prior ICC of .3": prior_correlation,
    "distribution-free": named("distribution-free"),
    "exact": named("exact"),
    "t": named("t"),
    "beta-binomial, Jeffreys": lambda k, n: beta_binomial(k, n, 0.5),
    "beta-binomial, lower end 1 / rate": lambda k, n: beta_binomial(k, n, 1.0),
}


def missed(ends, truth):
    """Percent of worlds whose interval lies above the truth, below it, and its mean width."""
    low, high = ends
    above, below = np.mean(low > truth + 1e-12), np.mean(high < truth - 1e-12)
    return 100 * above, 100 * below, float(np.mean(high - low))


def grid(worlds):
    """Candidate -> rows of (above, below, width, silent), one a cell."""
    found = {name: [] for name in CANDIDATES}
    cells = product(RATES[1:], ICCS, (16, 24, 64), (5, 20, 100))
    for i, (rate, icc, questions, answers) in enumerate(cells):
        rng = np.random.default_rng([1, i])
        counts = rng.binomial(answers, true_rates(rng, worlds, rate, icc, questions)[:, 0])
        silent = np.mean(counts.sum(1) == 0) > 0.025
        for name, make in CANDIDATES.items():
            found[name].append((*missed(make(counts, answers), rate), silent))
    return {name: np.array(rows) for name, rows in found.items()}


def mixtures(worlds):
    """Prints how often each candidate holds the truth where few questions are wholly bad."""
    for questions, rest in product((24, 64), (0.0, 0.01, 0.05)):
        rng = np.random.default_rng([2, questions, int(100 * rest)])
        hot = rng.random((worlds, questions)) < 0.05
        counts = rng.binomial(20, np.where(hot, 0.9, rest))
        print(f"{questions} questions of 20 answers, {100 * rest:g}% in most, 90% in a twentieth")
        for name, make in CANDIDATES.items():
            above, below, width = missed(make(counts, 20), 0.05 * 0.9 + 0.95 * rest)
            print(
                f"  {name:34} holds {100 - above - below:5.1f}% | too high {above:4.1f} too low "
                f"{below:4.1f} | width {width:.3f}",
                flush=True,
            )


def main():
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for name, rows in grid(worlds).items():
        above, below, width, silent = rows.T
        held, loud = 100 - above - below, silent == 0
        print(
            f"{name:34} {len(rows)} cells | under 93%: {(held < 93).sum():3} | 93 to 97.5%: "
            f"{((held >= 93) & (held <= 97.5)).sum():3} | over: {((held > 97.5) & ~loud).sum():3} "
            f"silent, {((held > 97.5) & loud).sum():3} not | least {held.min():5.1f} | ends miss "
            f"{above.max():4.1f} low, {below.max():4.1f} high | width {width.mean():.4f}",
            flush=True,
        )
    mixtures(worlds)


if __name__ == "__main__":
    main()
