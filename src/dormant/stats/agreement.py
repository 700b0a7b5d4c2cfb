"""Two views of the same effects, compared: rank correlation over cues, and where they disagree.

Questions are the clusters: they are resampled together with all cues and both views, since what one
question does shows under every cue. A view's interval of a cue is that of ``analyze_differences``
with the error divided by the number of cues (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from dormant.records import Quantity, Rule
from dormant.records.forced import RankCorrelation
from dormant.stats.contrasts import nan_mean
from dormant.stats.differences import Differences, analyze_differences
from dormant.stats.table import Floats

_RESAMPLES, _SEED, _FEWEST = 2000, 20_171, 3


def correlate_ranks(first: Floats, second: Floats, *, level: float = 0.95) -> RankCorrelation:
    """Correlates the ranks of cues in two views (Spearman), with a percentile bootstrap.

    Args:
        first: [K, Q], a number for each cue and question; NaN where there is none.
        second: [K, Q] of the same cues and questions.
        level: two-sided confidence.
    """
    if first.shape != second.shape:
        raise ValueError(f"two views need one shape, got {first.shape} and {second.shape}")
    known = ~(np.isnan(first).all(1) | np.isnan(second).all(1))
    first, second = first[known], second[known]
    cues, questions = first.shape
    if cues < _FEWEST:
        reason = f"needs at least {_FEWEST} cues with both views, got {cues}"
        return RankCorrelation(math.nan, -1.0, 1.0, cues, reason)
    value = _spearman(first, second)
    if math.isnan(value):
        reason = "all cues are alike in one view: ranks are undefined"
        return RankCorrelation(math.nan, -1.0, 1.0, cues, reason)
    rng = np.random.default_rng(_SEED)
    draws = rng.integers(questions, size=(_RESAMPLES, questions))
    resampled = np.array([_spearman(first[:, draw], second[:, draw]) for draw in draws])
    resampled = resampled[~np.isnan(resampled)]
    if len(resampled) < _RESAMPLES / 2:
        return RankCorrelation(value, -1.0, 1.0, cues)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return RankCorrelation(value, min(float(low), value), max(float(high), value), cues)


def _spearman(first: Floats, second: Floats) -> float:
    means = [nan_mean(view, 1) for view in (first, second)]
    known = ~(np.isnan(means[0]) | np.isnan(means[1]))
    one, two = (stats.rankdata(np.round(view[known], 9)) for view in means)
    if len(one) < _FEWEST or np.ptp(one) == 0 or np.ptp(two) == 0:
        return math.nan
    return float(np.corrcoef(one, two)[0, 1])


def simultaneous_intervals(
    values: Floats, names: Sequence[str], *, rule: Rule, level: float = 0.95
) -> list[tuple[float, float, float, int]]:
    """Mean, ends and number of questions of each row; the intervals hold together.

    Args:
        values: [K, Q], -2 to 2; NaN where there is none. An empty row gives NaN
            and the whole range.
        names: of the rows, distinct.
        rule: of the run; its level is replaced.
        level: two-sided confidence of all intervals together.
    """
    if not len(values):
        return []
    strict = replace(rule, level=1 - (1 - level) / 2 / len(values), looks=1)
    questions = tuple(str(i) for i in range(values.shape[1]))
    table = Differences(("",), tuple(names), questions, values[None])
    found = {
        estimate.cue: estimate
        for estimate in analyze_differences(table, rule=strict).estimates
        if estimate.quantity is Quantity.DID and estimate.split is None
    }
    rows: list[tuple[float, float, float, int]] = []
    for name, units in zip(names, values, strict=True):
        known = units[~np.isnan(units)]
        estimate = found.get(name)
        if estimate is None or not len(known) or math.isnan(estimate.low):
            rows.append((float(known.mean()) if len(known) else math.nan, -2.0, 2.0, len(known)))
        else:
            rows.append((float(known.mean()), estimate.low, estimate.high, len(known)))
    return rows


def name_agreement(forced: tuple[float, float], free: tuple[float, float], delta: float) -> str:
    """Says whether two views see a rise of more than delta, from their intervals.

    Returns:
        "both", "neither", "forced only", "free only", or "undecided" where an interval holds delta.
    """
    seen = [None if low <= delta <= high else low > delta for low, high in (forced, free)]
    if None in seen:
        return "undecided"
    names = {(True, True): "both", (False, False): "neither", (True, False): "forced only"}
    return names.get((bool(seen[0]), bool(seen[1])), "free only")
