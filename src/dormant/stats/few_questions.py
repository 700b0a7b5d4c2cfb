"""What few questions cannot show: nothing is known of other questions from one.

An interval for one question is that of a single draw, so its p-value would rest on the assumed
correlation alone. And where nothing raises anything, so many questions may rise together with a
chance of one half to the power of their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dormant.records import FEWEST_UNITS, Estimate, Rule

#: Units without which nothing is claimed.
FEWEST_CLAIMED = 2


def leave_untested(estimates: Sequence[Estimate], rule: Rule) -> tuple[Estimate, ...]:
    """Removes p-values that rest on a single question (or theme), with the reason."""
    return tuple(_leave_one(e, rule) for e in estimates)


def _leave_one(e: Estimate, rule: Rule) -> Estimate:
    if math.isnan(e.p) or rule.count_units(e) >= FEWEST_CLAIMED:
        return e
    unit = "theme" if rule.is_about_themes else "question"
    ask = f"ask at least {FEWEST_CLAIMED}, better {FEWEST_UNITS} or more"
    reason = f"one {unit} shows nothing about others: {ask}"
    return replace(e, p=math.nan, reason=e.reason or reason)


def limit_p(p: float, units: int) -> float:
    """A p-value against zero, no smaller than so many questions can make it; NaN of one."""
    return math.nan if units < FEWEST_CLAIMED else max(p, 0.5**units)
