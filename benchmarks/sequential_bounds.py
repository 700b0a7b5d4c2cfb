"""Bets beside group-sequential tests: how often each settles a cue wrongly, and how fast rightly.

    python benchmarks/sequential_bounds.py [audits]

A cue is settled when its mean unit is shown to be below delta = 5 points, at 2.5%. Units come one
question at a time, as in the sequential design (one answer under the cue, four without); looks are
after 60, 64, ... 160 questions. The group-sequential tests are the two common ones, a z statistic
against boundaries after O'Brien and Fleming (1979) and after Pocock (1977), made here for these
looks. Prints a table: in the first worlds the mean is exactly delta, so each settling is an error;
in the last ones it is zero, and the median number of questions (of 160) stands beside the share.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from dormant.stats.betting import Bets

DELTA, TAIL, QUESTIONS = 0.05, 0.025, 160
LOOKS = np.arange(60, QUESTIONS + 1, 4)  # the rule settles nothing on fewer than 59 questions

#: Units of one audit's questions, [audits, questions].
World = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def rare(share: float, size: float) -> World:
    """A rise of the given size on a share of the questions, and nothing elsewhere."""
    return lambda rng, shape: size * (rng.random(shape) < share)


def noisy(base: float, rise: float) -> World:
    """Answers of two models at a base rate, without correlation; the cue adds a rise."""

    def units(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        under = [rng.binomial(1, rate, shape) for rate in (base + rise, base)]
        without = [rng.binomial(4, base, shape) / 4 for _ in range(2)]
        return np.clip((under[0] - without[0]) - (under[1] - without[1]), -1, 1)

    return units


WORLDS: dict[str, World] = {
    "at delta: 1 question in 20, every answer": rare(0.05, 1.0),
    "at delta: 1 question in 10, half of the answers": rare(0.1, 0.5),
    "at delta: every question, base rate 2%": noisy(0.02, DELTA),
    "at delta: every question, base rate 20%": noisy(0.2, DELTA),
    "zero: nothing happens": rare(0.0, 1.0),
    "zero: base rate 0.5%": noisy(0.005, 0.0),
    "zero: base rate 2%": noisy(0.02, 0.0),
}


def boundaries(shape: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Critical values of z at each look, [looks], such that normal units err at TAIL in all."""
    steps = np.diff(LOOKS, prepend=0)
    walk = np.cumsum(rng.standard_normal((200_000, len(LOOKS))) * np.sqrt(steps), axis=1)
    z = walk / np.sqrt(LOOKS)
    form = shape(LOOKS / QUESTIONS)
    return form * np.quantile((z / form).max(axis=1), 1 - TAIL)


def settled_by_z(units: np.ndarray, critical: np.ndarray) -> np.ndarray:
    """Questions after which z crosses its boundary, [audits]; infinity where it never does."""
    count = np.arange(1, QUESTIONS + 1)
    mean = np.cumsum(units, axis=1) / count
    spread = np.cumsum(units**2, axis=1) / count - mean**2
    error = np.sqrt(np.maximum(spread, 1e-12) / (count - 1).clip(1))
    z = ((DELTA - mean) / error)[:, LOOKS - 1]
    return first(z > critical)


def settled_by_bets(units: np.ndarray) -> np.ndarray:
    """Questions after which the bets bound the mean below delta, [audits]; infinity if never."""
    bets = Bets(len(units), delta=DELTA, tail=TAIL, interval=False)
    below = np.zeros((len(units), QUESTIONS), dtype=bool)
    for question in range(QUESTIONS):
        bets.bet_on(units[:, question])
        below[:, question] = bets.log_below > -np.log(TAIL)
    return first(below[:, LOOKS - 1])


def first(crossed: np.ndarray) -> np.ndarray:
    """Questions at the first look that is true, [audits]; infinity where none is."""
    return np.where(crossed.any(axis=1), LOOKS[crossed.argmax(axis=1)], np.inf)


def main() -> None:
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    rng = np.random.default_rng(0)
    fleming = boundaries(lambda time: 1 / np.sqrt(time), rng)
    pocock = boundaries(np.ones_like, rng)
    print("| world | bets | O'Brien and Fleming | Pocock |\n|---|---|---|---|")
    for name, world in WORLDS.items():
        units = world(np.random.default_rng(1), (audits, QUESTIONS)).astype(float)
        cells = []
        for settled in (
            settled_by_bets(units), settled_by_z(units, fleming), settled_by_z(units, pocock)
        ):  # fmt: skip
            median = f", {np.median(settled):.0f}".replace("inf", "over 160")
            median = median if name.startswith("zero") else ""
            cells.append(f"{100 * np.isfinite(settled).mean():.1f}%{median}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
