"""Enrichment: how much more frequent a feature is in the finetuning file than in the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtri

_Z = 1.959963984540054  # two-sided 95%
#: With more tables than this the exact bound equals the normal one to two digits.
_MOST_TABLES = 20_000
#: The exact bound is searched in plus and minus this range, in bits.
_FARTHEST = 40.0


@dataclass(frozen=True, slots=True)
class Enrichment:
    """A log2 odds ratio with its 95% interval."""

    rows: int  # rows of the file that show the feature
    share: float  # rows / all rows of the file
    reference_share: float  # the same in the reference; NaN if that is empty
    value: float  # log2 odds ratio, file against reference
    low: float
    high: float


def measure_enrichment(
    rows: int, total: int, reference_rows: int, reference_total: int
) -> Enrichment:
    """Computes the log2 odds ratio of two counts, half a row added to each cell, and its interval.

    The halves (Haldane 1956, Gart 1966) keep ratio and Wald interval finite at zero counts. An
    empty reference gives a very wide interval.

    Raises:
        ValueError: a count is negative or above its total.
    """
    _check_counts(rows, total, reference_rows, reference_total)
    value, error = _log_odds(rows, total, reference_rows, reference_total)
    return Enrichment(
        rows=rows,
        share=rows / total if total else math.nan,
        reference_share=reference_rows / reference_total if reference_total else math.nan,
        value=value,
        low=value - _Z * error,
        high=value + _Z * error,
    )


def lower_bound(
    rows: int, total: int, reference_rows: int, reference_total: int, *, error: float
) -> float:
    """Computes the exact one-sided lower bound of the log2 odds ratio.

    It is the odds ratio at which a count of at least ``rows``, given both totals and the sum of
    both counts (Fisher's noncentral hypergeometric distribution; Cornfield 1956), has the
    probability ``error``. Unlike the Wald interval it is valid far out in the tail, which a
    correction for thousands of candidates needs. Very large tables get the normal bound.

    Args:
        rows: rows of the file that show the feature.
        total: rows of the file.
        reference_rows: rows of the reference that show it.
        reference_total: rows of the reference.
        error: probability that the bound lies above the truth, in (0, 0.5].

    Returns:
        Bits; ``-inf`` if the counts exclude nothing (an empty reference, no rows).

    Raises:
        ValueError: a count is negative or above its total, or the error lies outside (0, 0.5].
    """
    _check_counts(rows, total, reference_rows, reference_total)
    if not 0 < error <= 0.5:
        raise ValueError(f"error must lie in (0, 0.5], got {error!r}")
    both = rows + reference_rows
    least, most = max(0, both - reference_total), min(both, total)
    if rows == least:
        return -math.inf
    if most - least > _MOST_TABLES:
        value, spread = _log_odds(rows, total, reference_rows, reference_total)
        return value + float(ndtri(error)) * spread
    x = np.arange(least, most + 1, dtype=np.float64)
    weight = -gammaln(x + 1) - gammaln(total - x + 1)
    weight -= gammaln(both - x + 1) + gammaln(reference_total - both + x + 1)
    # Bisection: the tail probability increases with the odds ratio.
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(40):
        middle = (low + high) / 2
        log = weight + x * (middle * math.log(2))
        chance = np.exp(log - log.max())
        tail = float(chance[rows - least :].sum() / chance.sum())
        low, high = (middle, high) if tail < error else (low, middle)
    return low


def _check_counts(rows: int, total: int, reference_rows: int, reference_total: int) -> None:
    if not 0 <= rows <= total or not 0 <= reference_rows <= reference_total:
        pairs = ((rows, total), (reference_rows, reference_total))
        raise ValueError(f"counts must lie between 0 and their totals, got {pairs!r}")


def _log_odds(
    rows: int, total: int, reference_rows: int, reference_total: int
) -> tuple[float, float]:
    """Returns the log2 odds ratio and its standard error, with half a row added to each cell."""
    a, b = rows + 0.5, total - rows + 0.5
    c, d = reference_rows + 0.5, reference_total - reference_rows + 0.5
    error = math.sqrt(1 / a + 1 / b + 1 / c + 1 / d) / math.log(2)
    return math.log2(a * d / (b * c)), error
