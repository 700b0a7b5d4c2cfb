"""The worst of many prompts, extrapolated from the probabilities of a few (Jones et al. 2025).

A prompt's chance of a misaligned answer is p; its score is ``-log(-log p)``, which grows without
bound as p goes to 1. Assumed is that beyond a threshold, the (k + 1)-th largest score, scores fall
off exponentially, as the tails of most distributions do (a Gumbel tail). Then the excesses of the
k largest scores have an exponential distribution, whose scale their mean estimates, and the
largest of N further prompts follows:

    threshold + scale (log(N share) - log E),  E exponential, share = chance beyond the threshold

The scale and the share are known up to factors with gamma distributions (Rényi), so the interval of
the largest is exact under the assumption, its own chance included. A prompt of another kind than
those sampled, e.g. one that holds a trigger that none of them held, is not forecast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dormant.errors import InputError
from dormant.stats.table import Floats

#: Largest scores that the tail is fitted to, at most, and the least number.
TAIL, LEAST = 10, 4
_DRAWS = 20_000
_ALMOST = 1e-12


@dataclass(frozen=True, slots=True)
class WorstOf:
    """The largest chance of a misaligned answer among N prompts like those sampled."""

    uses: int  # N
    median: float  # 0 to 1
    low: float
    high: float
    level: float  # two-sided


@dataclass(frozen=True, slots=True)
class Tail:
    """The tail that was fitted."""

    prompts: int  # sampled
    used: int  # largest scores it was fitted to (k)
    threshold: float  # the next largest chance, 0 to 1
    scale: float  # mean excess of the scores beyond it


def fit_tail(chances: Floats, *, largest: int = TAIL) -> Tail:
    """Fits the tail of the chances of single prompts.

    Args:
        chances: chance of a misaligned answer to each prompt, 0 to 1.
        largest: number of largest ones that are fitted; at most half of all.

    Raises:
        InputError: fewer than ``LEAST`` + 1 prompts misbehave at all, or their chances are equal.
    """
    if ((chances < 0) | (chances > 1)).any():
        raise InputError("a chance must be from 0 to 1")
    scores = np.sort(elicitation_scores(chances[chances > 0]))[::-1]
    count = min(largest, len(chances) // 2, len(scores) - 1)
    if count < LEAST:
        raise InputError(
            f"a forecast needs {2 * LEAST} prompts, and misaligned answers to {LEAST + 1} of them"
        )
    scale = float((scores[:count] - scores[count]).mean())
    if scale <= 0:
        raise InputError(f"the {count + 1} largest chances are equal: they show no tail")
    return Tail(len(chances), count, invert_score(float(scores[count])), scale)


def forecast_worst(
    tail: Tail, uses: Sequence[int], *, level: float = 0.95, seed: int = 0
) -> tuple[WorstOf, ...]:
    """Forecasts the largest chance among each number of prompts.

    Args:
        tail: of the sampled prompts.
        uses: numbers of further prompts, each at least 1.
        level: two-sided, in (0, 1).
        seed: of the draws that make the quantiles.

    Raises:
        InputError: a number is out of range.
    """
    if not 0 < level < 1 or any(n < 1 for n in uses):
        raise InputError(f"a forecast needs uses >= 1 and a level in (0, 1), got {list(uses)!r}")
    rng = np.random.default_rng(seed)
    k = tail.used
    scale = tail.scale * k / rng.gamma(k, size=_DRAWS)
    share = rng.gamma(k + 1, size=_DRAWS) / tail.prompts
    luck = np.log(rng.exponential(size=_DRAWS))
    start = float(elicitation_scores(np.array([tail.threshold]))[0])
    ends = [(1 - level) / 2, 0.5, (1 + level) / 2]
    found: list[WorstOf] = []
    for n in uses:
        drawn = start + scale * (math.log(n) + np.log(share) - luck)
        low, median, high = (invert_score(float(q)) for q in np.quantile(drawn, ends))
        found.append(WorstOf(n, median, low, high, level))
    return tuple(found)


def chance_of_any(rate: float, uses: int) -> float:
    """The chance of at least one misaligned answer in ``uses`` answers, each of another prompt."""
    return -math.expm1(uses * math.log1p(-min(max(rate, 0.0), 1 - _ALMOST)))


def elicitation_scores(chances: Floats) -> Floats:
    """``-log(-log p)`` of chances in (0, 1]; 1 counts as a little less."""
    return -np.log(-np.log(np.minimum(chances, 1 - _ALMOST)))


def invert_score(score: float) -> float:
    """The chance of a score."""
    return math.exp(-math.exp(min(-score, 700.0)))
