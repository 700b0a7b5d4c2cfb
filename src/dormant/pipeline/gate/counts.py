"""Limits of counts: shares and amounts of answers, labels of the judge, held to a policy. Pure.

A share of answers is a count: kept or exceeded. What a run has too little of is inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from dormant.calibration.metrics import Interval
from dormant.config.gate import CheckName, GatePolicy
from dormant.pipeline.gate.inputs import GateInputs, measured_cues, name_cue
from dormant.records import CheckState, Cue, GateCheck, Outcome, Quantity, Role
from dormant.report.numbers import count_things, format_count, format_percent
from dormant.report.rows import CueRow, Status
from dormant.report.tally import Tally, sum_cells
from dormant.report.view import View


def check_shares(view: View, policy: GatePolicy) -> Iterator[GateCheck]:
    """Shares of answers in every arm of both models; the worst arm speaks for those that pass."""
    least, most = policy.min_gradable_rate, policy.max_unparsed_share
    if least is not None:
        yield from _check_share(view, CheckName.GRADABLE_RATE, least)
    if most is not None:
        yield from _check_share(view, CheckName.UNPARSED_SHARE, most)


def _check_share(view: View, name: CheckName, limit: float) -> Iterator[GateCheck]:
    is_least = name is CheckName.GRADABLE_RATE
    cues: dict[str | None, Cue] = {cue.name: cue for cue in view.plan.cues}
    passed: list[tuple[float, str]] = []
    for cue in (None, *cues):
        found = [
            (_share(tally, is_gradable=is_least), role, tally)
            for role in Role
            if (tally := sum_cells(view.find_cells(role, cue))).answers
        ]
        if not found:
            continue
        pick = min if is_least else max
        value, role, tally = pick(found, key=lambda item: item[0])
        words = (
            f"{format_percent(value)} of {format_count(tally.answers)} answers of the {role} "
            f"{'were graded' if is_least else 'have a grade that could not be read'}"
        )
        if value >= limit - 1e-12 if is_least else value <= limit + 1e-12:
            where = "" if cue is None else f" under {view.label_of(cue)!r}"
            passed.append((value, words + (where or " without a cue")))
            continue
        message = f"{words}; the limit is {format_percent(limit)}"
        check = GateCheck(name, CheckState.FAIL, message, value=value, limit=limit)
        yield check if cue is None else name_cue(view, cues[cue], check)
    if passed:
        value, words = (min if is_least else max)(passed)
        message = f"in the worst of {count_things(len(passed), 'arm')} within the limit, {words}"
        yield GateCheck(name, CheckState.PASS, message, value=value, limit=limit)
    elif not view.total.answers:
        yield GateCheck(name, CheckState.INCONCLUSIVE, "there is no answer", limit=limit)


def _share(tally: Tally, *, is_gradable: bool) -> float:
    counted = tally.gradable if is_gradable else tally.count_of(Outcome.UNPARSED)
    return counted / tally.answers


def check_amounts(view: View, policy: GatePolicy) -> Iterator[GateCheck]:
    """Yields what the policy asks for of questions, answers and families of cues."""
    if policy.min_questions is not None:
        fewest, row = _count_questions(view)
        where = "" if row is None else f" under {view.label_of(row.cue.name)!r}"
        has = "has" if fewest == 1 else "have"
        message = f"{count_things(fewest, 'question')}{where} {has} graded answers of every arm"
        yield _check_amount(CheckName.QUESTIONS, fewest, policy.min_questions, message)
    if policy.min_answers is not None:
        found = view.total_of(Role.TARGET).gradable
        message = f"{format_count(found)} answers of the target were graded"
        yield _check_amount(CheckName.ANSWERS, found, policy.min_answers, message)
    if policy.min_cue_families is not None:
        found = len(_asked_families(view))
        message = f"cues of {count_things(found, 'family', 'families')} were asked"
        yield _check_amount(CheckName.CUE_FAMILIES, found, policy.min_cue_families, message)


def _check_amount(name: CheckName, found: int, least: int, message: str) -> GateCheck:
    state = CheckState.PASS if found >= least else CheckState.INCONCLUSIVE
    asked = f"; at least {format_count(least)} {'is' if least == 1 else 'are'} asked for"
    return GateCheck(name, state, message + asked, value=found, limit=least)


def _count_questions(view: View) -> tuple[int, CueRow | None]:
    """Fewest questions behind the effect of any cue, and that cue; of no cue where there is none.

    Without a reference: behind the target's rate.
    """
    rows = measured_cues(view)
    if not rows:
        rate = view.find_estimate(Quantity.RATE, Role.TARGET)
        return (0 if rate is None else rate.questions), None

    def count(row: CueRow) -> int:
        name = row.cue.name
        found = view.find_estimate(Quantity.DID, None, name) if view.plan.has_reference else None
        found = found or view.find_estimate(Quantity.RATE, Role.TARGET, name)
        return 0 if found is None or math.isnan(found.value) else found.questions

    fewest = min(rows, key=count)
    return count(fewest), fewest


def _asked_families(view: View) -> set[str]:
    cues = {cue.name: cue for cue in view.plan.cues}
    found: set[str] = set()
    for row in measured_cues(view):
        if row.status is Status.UNTRIED:
            continue
        cue, seen = row.cue, set[str]()
        while cue.parent in cues and cue.parent not in seen:
            seen.add(cue.parent)
            cue = cues[cue.parent]
        found.add(f"family {cue.family}" if cue.family else f"cue {cue.name}")
    return found


def check_calibration(inputs: GateInputs) -> GateCheck:
    """Holds the judge, as people's labels measure it, against the policy."""
    policy, quality = inputs.policy.calibration, inputs.quality
    assert policy is not None
    if inputs.labels < policy.labels or quality is None:
        return GateCheck(
            CheckName.CALIBRATION,
            CheckState.INCONCLUSIVE,
            f"people labelled {format_count(inputs.labels)} answers; at least "
            f"{format_count(policy.labels)} are asked for: dormant calibrate adds labels",
            value=inputs.labels,
            limit=policy.labels,
        )
    held = [
        _check_quality("sensitivity", quality.sensitivity, policy.sensitivity),
        _check_quality("specificity", quality.specificity, policy.specificity),
    ]
    states = [state for state, _ in held]
    order = (CheckState.FAIL, CheckState.INCONCLUSIVE, CheckState.PASS)
    message = f"by {format_count(inputs.labels)} labels " + ", ".join(words for _, words in held)
    return GateCheck(CheckName.CALIBRATION, min(states, key=order.index), message)


def _check_quality(name: str, found: Interval, least: float) -> tuple[CheckState, str]:
    """Holds one number of the judge against its limit; a limit of 0 asks for nothing."""
    if not least:
        return CheckState.PASS, f"{name} is {format_percent(found.value)} (no limit)"
    if math.isnan(found.low) or math.isnan(found.high):
        return CheckState.INCONCLUSIVE, f"{name} is not known ({found.reason})"
    state = CheckState.FAIL if found.high < least else CheckState.INCONCLUSIVE
    state = CheckState.PASS if found.low >= least else state
    ends = f"{format_percent(found.low)} to {format_percent(found.high)}"
    return state, f"{name} is {ends} (at least {format_percent(least)})"
