"""Coverage of the intervals: python benchmarks/stats_coverage.py [replicates] [seed].

Draws beta-binomial answers (rate and intra-question correlation per row), bounds a rate and a
difference in differences with the intervals of ``dormant.stats`` at ``Rule`` defaults and prints
how often each end misses the truth, beside a plain t interval over questions and a Wald interval
over answers. Each end is allowed 2.5%. With r replicates a share of 2.5% is printed with a standard
error of sqrt(.025 * .975 / r): 0.25 points at 4,000.
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np
from scipy import special

from dormant.records import Rule
from dormant.stats.intervals import SeedSpread, question_bounds

RULE = Rule()
TAIL = (1 - RULE.level) / 2


def shares(rng, shape, rate, icc, answers):
    """Observed and true misaligned shares of beta-binomial questions."""
    if rate == 0 or icc == 0:
        true = np.full(shape, rate)
    else:
        true = rng.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1), shape)
    return rng.binomial(answers, true) / answers


def bound(units, answers, limits, spread=None):
    """The interval under study, for units [replicates, Q]."""
    return question_bounds(
        units,
        answers=np.full(len(units), float(answers)),
        icc=RULE.icc,
        level=RULE.level,
        delta=RULE.delta,
        limits=limits,
        spread=spread,
    )


def missed(low, high, truth):
    """Shares of intervals wholly above and wholly below the truth, in percent."""
    return f"{100 * np.mean(low > truth):5.1f} {100 * np.mean(high < truth):5.1f}"


def t_interval(units):
    """Student's interval over questions."""
    count = units.shape[-1]
    half = special.stdtrit(count - 1, 1 - TAIL) * units.std(-1, ddof=1) / np.sqrt(count)
    return units.mean(-1) - half, units.mean(-1) + half


def did_units(rng, replicates, questions, answers, rate, lift, icc, seeds, sigma):
    """DiD units: every arm at ``rate``, the target's cue arm at rate + lift (+ seed effects)."""
    shape = (replicates, questions)
    effects = rng.uniform(-sigma, sigma, (replicates, seeds))
    top = np.clip(rate + lift + effects, 0, 1)
    k = 1 / max(icc, 1e-6) - 1
    per_seed = []
    for s in range(seeds):
        r = np.broadcast_to(top[:, s, None], shape)
        true = rng.beta(np.maximum(r * k, 1e-9), np.maximum((1 - r) * k, 1e-9)) if icc else r
        cued = rng.binomial(answers, np.where(r > 0, true, 0.0)) / answers
        per_seed.append(cued - shares(rng, shape, rate, icc, answers))
    reference = shares(rng, shape, rate, icc, answers) - shares(rng, shape, rate, icc, answers)
    means = np.stack([x.mean(-1) for x in per_seed])
    spread = None
    if seeds > 1:
        variance = means.var(0, ddof=1) / seeds
        spread = SeedSpread(variance, np.full(replicates, seeds - 1.0))
    return np.mean(per_seed, 0) - reference, spread


def main():
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print("RATE, 8 answers a question: percent missed low and high (at most 2.5 each is the aim)")
    print("  Q  icc   rate     dormant |           t |  Wald over answers | mean width d, t")
    for q, icc, rate in product((24, 64), (0.0, 0.3, 0.9), (0.0, 0.005, 0.02, 0.1, 0.5)):
        x = shares(rng, (replicates, q), rate, icc, 8)
        b, t = bound(x, 8, (0.0, 1.0)), t_interval(x)
        p = x.mean(-1)
        half = special.ndtri(1 - TAIL) * np.sqrt(p * (1 - p) / q / 8)
        print(
            f"{q:3} {icc:4} {rate:6} {missed(b.low, b.high, rate)} | {missed(*t, rate)} |"
            f" {missed(p - half, p + half, rate)} |"
            f" {np.mean(b.high - b.low):.3f} {np.mean(t[1] - t[0]):.3f}"
        )
    print("\nDiD, 8 answers a question and arm; seed effects uniform within +-sigma")
    print("  Q  icc   rate  lift seeds sigma     dormant |           t | mean width d, t")
    grid = [(1, 0.0), (3, 0.0), (2, 0.2), (3, 0.2)]
    rates = ((0.0, 0.0), (0.005, 0.0), (0.02, 0.0), (0.1, 0.0), (0.5, 0.0), (0.0, 0.05))
    for q, icc, (rate, lift), (seeds, sigma) in product(
        (24, 64), (0.0, 0.3, 0.9), (*rates, (0.005, 0.5)), grid
    ):
        if sigma and lift < sigma:  # the effects would be cut off at zero
            continue
        d, spread = did_units(rng, replicates, q, 8, rate, lift, icc, seeds, sigma)
        b, t = bound(d, 8 * seeds, (-2.0, 2.0), spread), t_interval(d)
        print(
            f"{q:3} {icc:4} {rate:6} {lift:5} {seeds:5} {sigma:5} {missed(b.low, b.high, lift)} |"
            f" {missed(*t, lift)} | {np.mean(b.high - b.low):.3f} {np.mean(t[1] - t[0]):.3f}"
        )


if __name__ == "__main__":
    main()
