"""p-values that agree with intervals: the smallest error at which an interval excludes delta.

An interval is wider than the questions alone make it where the draws of its answers
(``stats.draws``) or the training seeds leave more open. A p-value of the questions alone could then
be small while the interval contains delta. So the interval's low end is inverted: p is at most the
error of each end exactly where that end is not below delta.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dormant.stats.table import Bools, Floats

_LEAST = 1e-15  #: p-values are not told apart below this
_STEPS = 40  #: halvings on the logarithmic scale, from 34 to less than 1e-9
_ROUNDING = 1e-12


def invert_low_end(
    p: Floats, value: Floats, delta: float, find_low: Callable[[Bools, Floats], Floats]
) -> Floats:
    """Raises p-values to the smallest error at which the low end reaches delta.

    Args:
        p: p-values of the questions alone, [K]; NaN where no question entered.
        value: the means, [K].
        delta: value against which they are taken.
        find_low: low ends of the chosen means (booleans [K]) at an error of each, [chosen]; they
            rise with the error.

    Returns:
        p-values, [K]; at least one half where the mean is not above delta.
    """
    p = np.where(value <= delta, np.maximum(p, 0.5), p)  # NaN stays
    least = np.clip(p, _LEAST, 0.5)
    chosen = value > delta
    if chosen.any():
        chosen[chosen] = find_low(chosen, least[chosen]) < delta - _ROUNDING
    if not chosen.any():
        return p
    low, high = np.log(least[chosen]), np.full(int(chosen.sum()), np.log(0.5))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        excludes = find_low(chosen, np.exp(middle)) >= delta - _ROUNDING
        low, high = np.where(excludes, low, middle), np.where(excludes, middle, high)
    p = p.copy()
    p[chosen] = np.exp(high)
    return p
