"""Effects tested against zero: whether there is a rise at all, beside how large it is.

A claim of an analysis is about delta. That a rise exists is a weaker statement, and for it there is
a second method: beside the default, whose added question makes it conservative on few questions,
the studentized bootstrap, which trusts the questions that were asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dormant.records import Estimate, Quantity, Role, Rule
from dormant.stats.few_questions import floor_p_value

#: Makes the estimates of a rule by a named method.
Estimator = Callable[[Rule, str], Sequence[Estimate]]


@dataclass(frozen=True, slots=True)
class ZeroTest:
    """One cue's effect against zero, by the method of the analysis and by bootstrap-t."""

    cue: str
    quantity: Quantity  # DID, or the target's GAP
    p: float  # one-sided, against "not above zero", by the method of the analysis
    bootstrap_low: float  # ends of the bootstrap-t interval; NaN where there is none
    bootstrap_high: float
    bootstrap_p: float  # one-sided, against "not above zero"
    reason: str = ""  # why there is no bootstrap; empty otherwise


def compare_effects(
    claimed: Sequence[tuple[str, Quantity]],
    estimate: Estimator,
    *,
    rule: Rule,
    methods: tuple[str, str],
) -> tuple[ZeroTest, ...]:
    """Tests the effects of cues against zero by two methods.

    Args:
        claimed: cues and the quantity that is claimed of each; all of them are estimated.
        estimate: makes the estimates of a rule by a method; those of all questions are read.
        rule: its delta is replaced by zero.
        methods: the method of the analysis, and bootstrap-t.
    """
    against = replace(rule, delta=0.0)
    default, resampled = (_index(estimate(against, method)) for method in methods)
    return tuple(
        _make_test(cue, quantity, default[cue, quantity], resampled[cue, quantity], rule)
        for cue, quantity in claimed
    )


def _index(estimates: Sequence[Estimate]) -> dict[tuple[str | None, Quantity], Estimate]:
    return {
        (e.cue, e.quantity): e
        for e in estimates
        if e.split is None and e.role in (None, Role.TARGET)
    }


def _make_test(
    cue: str, quantity: Quantity, e: Estimate, resampled: Estimate, rule: Rule
) -> ZeroTest:
    reason = ""
    if math.isnan(resampled.p):
        reason = "all questions are alike, or fewer than three: nothing to resample"
    p = floor_p_value(e.p, rule.count_units(e))
    return ZeroTest(cue, quantity, p, resampled.low, resampled.high, resampled.p, reason)
