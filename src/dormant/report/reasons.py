"""Why a cue has no effect, or one that cannot be judged, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dormant.records import Estimate, Rule
from dormant.report.numbers import format_percent


def explain_missing(rule: Rule, gradable: Sequence[Estimate], did: Estimate | None) -> str:
    """Says why a cue cannot be judged, or why its effect is undefined; empty otherwise.

    Args:
        rule: its limits of gradable answers are read.
        gradable: gradable rates of the arms that decide about the cue.
        did: its effect; None if there is no estimate.
    """
    known = [arm for arm in gradable if not math.isnan(arm.value)]
    if known and not rule.is_gradable(arm.value for arm in known):
        return _explain_rates(rule, known)
    return did.reason if did is not None and math.isnan(did.value) else ""


def _explain_rates(rule: Rule, known: Sequence[Estimate]) -> str:
    worst, best = (pick(known, key=lambda arm: arm.value) for pick in (min, max))
    words = f"{format_percent(worst.value)} of the {_name_arm(worst)} can be graded"
    if not rule.has_enough_gradable(worst.value):
        return f"{words}, {format_percent(rule.min_survival)} are needed"
    gap = format_percent(rule.max_survival_gap).removesuffix("%").strip()
    others = f"{format_percent(best.value)} of the {_name_arm(best)}"
    return f"{words}, {others}: at most {gap} points apart"


def _name_arm(arm: Estimate) -> str:
    return f"{arm.role}'s answers {'without a cue' if arm.cue is None else 'under the cue'}"
