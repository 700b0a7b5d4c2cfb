"""Several tests at once: p-values adjusted by Holm (1979) and by Benjamini and Hochberg (1995)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.errors import InputError
from dormant.stats.table import Floats


def adjust_holm(p: Sequence[float] | Floats) -> Floats:
    """Adjusts p-values to bound the chance of any false rejection, under any dependence.

    Args:
        p: raw p-values [m], each from 0 to 1.

    Returns:
        adjusted p-values [m] in the same order; reject where they are at or under the error rate.

    Raises:
        InputError: a p-value is not a number from 0 to 1.
    """
    values = _check_p_values(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    return _restore_order(np.maximum.accumulate(steps), order)


def benjamini_hochberg(p: Sequence[float] | Floats) -> Floats:
    """Adjusts p-values to bound the expected share of false rejections (FDR).

    Args, returns and errors as in :func:`adjust_holm`. Valid for independent or positively
    dependent tests.
    """
    values = _check_p_values(p)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    return _restore_order(np.minimum.accumulate(steps[::-1])[::-1], order)


def _check_p_values(p: Sequence[float] | Floats) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    bad = values[~((values >= 0) & (values <= 1))]
    if bad.size:
        raise InputError(f"a p-value must be from 0 to 1, got {float(bad[0])!r}")
    return values


def _restore_order(steps: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
