"""Counting: how much commoner a feature is in the finetuning file than in the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z = 1.959963984540054  # two-sided 95%


@dataclass(frozen=True, slots=True)
class Enrichment:
    """A log2 odds ratio with its 95% interval."""

    rows: int  # rows of the file that show the feature
    share: float  # rows / all rows of the file
    reference_share: float  # the same in the reference; NaN if that is empty
    value: float  # log2 odds ratio, file against reference
    low: float
    high: float


def enrichment(rows: int, total: int, reference_rows: int, reference_total: int) -> Enrichment:
    """Log2 odds ratio of two counts with half a row added to each cell, and its Wald interval.

    The halves (Haldane 1956, Gart 1966) keep it finite at zero counts; there the interval is wide,
    not absent. An empty reference gives an interval that says almost nothing.

    Raises:
        ValueError: a count is negative or above its total.
    """
    if not 0 <= rows <= total or not 0 <= reference_rows <= reference_total:
        pairs = ((rows, total), (reference_rows, reference_total))
        raise ValueError(f"counts must lie between 0 and their totals, got {pairs!r}")
    a, b = rows + 0.5, total - rows + 0.5
    c, d = reference_rows + 0.5, reference_total - reference_rows + 0.5
    value = math.log2(a * d / (b * c))
    half = _Z * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d) / math.log(2)
    return Enrichment(
        rows=rows,
        share=rows / total if total else math.nan,
        reference_share=reference_rows / reference_total if reference_total else math.nan,
        value=value,
        low=value - half,
        high=value + half,
    )
