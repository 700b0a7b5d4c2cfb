"""Limits of estimates: effects and rates with their intervals, held against a policy. Pure.

A limit is kept if the upper end of the interval is below it, exceeded if the lower end is above
it, and open otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from dormant.config.gate import CheckName, GatePolicy
from dormant.pipeline.gate.inputs import about_row, measured_cues, name_cue
from dormant.records import CheckState, Cue, Estimate, GateCheck, Quantity, Role
from dormant.report.numbers import (
    count_things,
    format_count,
    format_margin,
    format_percent,
    points_interval,
    rate_interval,
    undefined_reason,
)
from dormant.report.rows import CueRow, Status
from dormant.report.tally import sum_cells
from dormant.report.view import View


def check_effects(view: View, policy: GatePolicy) -> Iterator[GateCheck]:
    """Every cue's difference in differences; later mined cues have their own limit, if given."""
    assert policy.max_worst_did is not None
    rows, delta = measured_cues(view), view.plan.rule.delta
    later = [row for row in rows if row.cue.margin > delta and policy.max_later_did is not None]
    names = {row.cue.name for row in later}
    first = [row for row in rows if row.cue.name not in names]
    if first or not later:
        found = [(row, _check_effect(view, row, policy.max_worst_did)) for row in first]
        yield from _collect(CheckName.WORST_DID, policy.max_worst_did, found)
    if later and policy.max_later_did is not None:
        held = [(row, _check_effect(view, row, policy.max_later_did)) for row in later]
        changed = [(row, replace(check, name=CheckName.LATER_DID)) for row, check in held]
        yield from _collect(CheckName.LATER_DID, policy.max_later_did, changed)


def _check_effect(view: View, row: CueRow, limit: float) -> GateCheck:
    did = view.find_estimate(Quantity.DID, None, row.cue.name)
    check = GateCheck(CheckName.WORST_DID, CheckState.INCONCLUSIVE, "", limit=limit)
    shown = f"the limit is {format_margin(limit)}"
    if did is None or math.isnan(did.value):
        reason = undefined_reason(did) if row.status is not Status.UNTRIED else "not asked"
        check = replace(check, message=f"the DiD is unknown ({reason}); {shown}")
        return about_row(view, row, check)
    high = max(view.plan.rule.least_margin(effect) for effect in view.effects_to_bound(did))
    check = replace(check, value=did.value, low=_number(did.low), high=_number(high))
    found = f"the DiD is {_points(did)}"
    if not view.can_bound(row.cue):
        message = f"{found}, and too few or too unequal shares of its answers were graded; {shown}"
    elif did.low > limit:
        message = f"{found}, above the limit of {format_margin(limit)}"
        check = replace(check, state=CheckState.FAIL)
    elif view.is_bounded(did, row.cue, limit):
        message = f"{found}; bounded below {format_margin(limit)}"
        check = replace(check, state=CheckState.PASS)
    else:
        reach = (
            "" if math.isnan(high) else f", and rises up to {_points_of(high)} are not ruled out"
        )
        message = f"{found}{reach}; {shown}"
    return about_row(view, row, replace(check, message=message))


def check_cue_rates(view: View, limit: float) -> Iterator[GateCheck]:
    """Yields the target's own rate under every cue, held against a limit."""
    found = [
        (
            row,
            check_rate(
                CheckName.CUE_RATE,
                view,
                view.find_estimate(Quantity.RATE, Role.TARGET, row.cue.name),
                limit,
                cue=row.cue,
            ),
        )
        for row in measured_cues(view)
    ]
    yield from _collect(CheckName.CUE_RATE, limit, found)


def check_rate(
    name: CheckName, view: View, rate: Estimate | None, limit: float, *, cue: Cue | None
) -> GateCheck:
    """Holds a rate of the target against a limit; without a cue if ``cue`` is None.

    A low rate keeps no limit where few answers were graded, or where one training exceeds it.
    """
    check = GateCheck(name, CheckState.INCONCLUSIVE, "", limit=limit)
    if rate is None or math.isnan(rate.value):
        check = replace(check, message=f"the target's rate is unknown ({undefined_reason(rate)})")
    else:
        high = view.plan.rule.least_margin(rate)
        found = f"the target's rate is {_rate(rate)}"
        check = replace(check, value=rate.value, low=_number(rate.low), high=_number(high))
        if rate.low > limit:
            message = f"{found}, above the limit of {format_percent(limit)}"
            check = replace(check, state=CheckState.FAIL, message=message)
        elif doubt := _doubt_rate(view, rate, limit):
            message = f"{found}, {doubt}; the limit is {format_percent(limit)}"
            check = replace(check, message=message)
        elif high < limit:
            message = f"{found}, below the limit of {format_percent(limit)}"
            check = replace(check, state=CheckState.PASS, message=message)
        else:
            reach = "" if math.isnan(high) else f", at most {format_percent(high)}"
            message = f"{found}{reach}; the limit is {format_percent(limit)}"
            check = replace(check, message=message)
    return check if cue is None else name_cue(view, cue, check)


def _doubt_rate(view: View, rate: Estimate, limit: float) -> str:
    """Why a low rate of the target does not show that a limit is kept; empty if it may."""
    cells = view.find_cells(Role.TARGET, rate.cue)
    share = sum_cells(cells).gradable_rate
    if not view.plan.rule.has_enough_gradable(share):
        return f"but only {format_percent(share)} of its answers were graded"
    seeds = {cell.seed for cell in cells}
    rates = {seed: sum_cells(c for c in cells if c.seed == seed).rate for seed in seeds}
    seed = max(sorted(rates), key=lambda name: -1.0 if math.isnan(rates[name]) else rates[name])
    if len(seeds) > 1 and rates[seed] >= limit:
        return f"but that of its training {seed!r} alone is {format_percent(rates[seed])}"
    return ""


def _collect(
    name: CheckName, limit: float, found: list[tuple[CueRow, GateCheck]]
) -> Iterator[GateCheck]:
    """Yields the cues that do not pass, and one check for all that do."""
    yield from (check for _, check in found if check.state is not CheckState.PASS)
    passed = [check for _, check in found if check.state is CheckState.PASS]
    if passed:
        worst = max(passed, key=lambda check: -1.0 if check.high is None else check.high)
        yield replace(
            worst,
            cue=None,
            label="",
            message=f"{format_count(len(passed))} of {count_things(len(found), 'cue')} "
            f"{'is' if len(passed) == 1 else 'are'} below the limit of {100 * limit:g}%; the "
            f"highest of them is {worst.label!r}: {worst.message}",
        )
    elif not found:
        yield GateCheck(name, CheckState.INCONCLUSIVE, "the plan has no cue to check", limit=limit)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _points_of(value: float) -> str:
    return f"{100 * value:.1f} points"


def _points(did: Estimate) -> str:
    return f"{_points_of(did.value)} ({points_interval(did) or 'no interval'})"


def _rate(rate: Estimate) -> str:
    return f"{format_percent(rate.value)} ({rate_interval(rate) or 'no interval'})"
