"""Limits of inference from few questions: one question says nothing about others.

An interval for one question is that of a single draw, so its p-value would rest on the assumed
correlation alone. And under the null hypothesis, n questions all rise with a probability of up to
0.5 ** n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dormant.records import MIN_UNITS, Estimate, Rule

#: Smallest number of units (questions or themes) for a claim.
MIN_CLAIM_UNITS = 2


def drop_unsupported_p_values(estimates: Sequence[Estimate], rule: Rule) -> tuple[Estimate, ...]:
    """Sets p-values that rest on a single question (or theme) to NaN, with the reason."""
    return tuple(_leave_one(e, rule) for e in estimates)


def _leave_one(e: Estimate, rule: Rule) -> Estimate:
    if math.isnan(e.p) or rule.count_units(e) >= MIN_CLAIM_UNITS:
        return e
    unit = "theme" if rule.is_about_themes else "question"
    ask = f"ask at least {MIN_CLAIM_UNITS}, better {MIN_UNITS} or more"
    reason = f"one {unit} shows nothing about others: {ask}"
    return replace(e, p=math.nan, reason=e.reason or reason)


def floor_p_value(p: float, units: int) -> float:
    """Limits a p-value against zero to at least 0.5 ** ``units``; NaN for one unit."""
    return math.nan if units < MIN_CLAIM_UNITS else max(p, 0.5**units)
