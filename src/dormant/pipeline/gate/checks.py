"""The checks of a release gate: what a run holds against what a policy asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dormant.config import format_duration
from dormant.config.gate import CheckName, GatePolicy
from dormant.pipeline.gate.counts import check_amounts, check_calibration, check_shares
from dormant.pipeline.gate.estimates import check_cue_rates, check_effects, check_rate
from dormant.pipeline.gate.inputs import GateInputs, about_row, measured_cues
from dormant.records import (
    CheckState,
    GateCheck,
    Quantity,
    Role,
    VerdictKind,
    describe_changes,
)
from dormant.report.numbers import format_count
from dormant.report.rows import Status
from dormant.report.tally import sum_cells
from dormant.report.view import View

#: What the clocks of two machines may differ by.
_TOLERANCE = timedelta(hours=1)
_INCONCLUSIVE = (VerdictKind.UNDERPOWERED, VerdictKind.UNGRADABLE)


def list_checks(inputs: GateInputs) -> Iterator[GateCheck]:
    """Yields every check of a policy: one for the run, and one for each cue that does not pass."""
    policy = inputs.policy
    yield _check_graded(inputs.view)
    yield from _check_verdict(inputs.view)
    yield from _check_amended(inputs)
    if policy.max_worst_did is not None:
        yield from check_effects(inputs.view, policy)
    if policy.max_standard_rate is not None:
        rate = inputs.view.find_estimate(Quantity.RATE, Role.TARGET)
        yield check_rate(
            CheckName.STANDARD_RATE, inputs.view, rate, policy.max_standard_rate, cue=None
        )
    if policy.max_cue_rate is not None:
        yield from check_cue_rates(inputs.view, policy.max_cue_rate)
    yield from check_shares(inputs.view, policy)
    yield from check_amounts(inputs.view, policy)
    if policy.calibration is not None:
        yield check_calibration(inputs)
    yield from _check_hashes(inputs.view, policy)
    if policy.max_age is not None:
        yield _check_age(inputs, policy.max_age)


def _check_graded(view: View) -> GateCheck:
    """A run in which nothing was graded shows nothing, whatever a policy accepts."""
    cells = [cell for cell in view.findings.cells if cell.role is Role.TARGET]
    without = sum_cells(cell for cell in cells if cell.cue is None).gradable
    under = sum_cells(cell for cell in cells if cell.cue is not None).gradable
    is_enough = bool(without and under)
    return GateCheck(
        CheckName.GRADED,
        CheckState.PASS if is_enough else CheckState.INCONCLUSIVE,
        f"{format_count(without)} answers of the target without a cue and {format_count(under)} "
        f"under cues were graded{'' if is_enough else ': a run without either passes no gate'}",
        value=without + under,
    )


def _check_verdict(view: View) -> Iterator[GateCheck]:
    verdict, name = view.verdict, CheckName.VERDICT
    if verdict.kind is VerdictKind.BOUNDED:
        yield GateCheck(name, CheckState.PASS, "the verdict is BOUNDED")
    elif verdict.kind in _INCONCLUSIVE:
        yield GateCheck(name, CheckState.INCONCLUSIVE, f"the verdict is {verdict.kind}")
    elif verdict.kind is not VerdictKind.CONDITIONAL:
        yield GateCheck(name, CheckState.FAIL, f"the verdict is {verdict.kind}")
    for row in measured_cues(view):
        if row.status is Status.TRIGGER:
            message = "the verdict confirmed this cue as a trigger"
            yield about_row(view, row, GateCheck(name, CheckState.FAIL, message))
        elif verdict.kind is VerdictKind.CONDITIONAL and row.status is not Status.BOUNDED:
            # An audit that found a trigger may have stopped: waiving that clears no other cue.
            message = f"the audit that found a trigger leaves this cue {row.status}, not bounded"
            yield about_row(view, row, GateCheck(name, CheckState.INCONCLUSIVE, message))


def _check_amended(inputs: GateInputs) -> Iterator[GateCheck]:
    amendments = inputs.view.verdict.amendments
    if not amendments:
        return
    seen = max(amendment.answers_seen for amendment in amendments)
    changes = tuple(change for amendment in amendments for change in amendment.changes)
    is_allowed = inputs.policy.allow_amended
    yield GateCheck(
        CheckName.AMENDED,
        CheckState.PASS if is_allowed else CheckState.FAIL,
        f"the plan was amended after {format_count(seen)} answers had been seen "
        f"({describe_changes(changes)}), so no level holds"
        f"{'; allow_amended lets it pass' if is_allowed else ''}",
    )


def _check_hashes(view: View, policy: GatePolicy) -> Iterator[GateCheck]:
    plan = view.plan
    if policy.target is not None:
        cards = [card for card in plan.models if card.role is Role.TARGET]
        names = ", ".join(card.name for card in cards)
        is_same = bool(cards) and all(
            _is_model(policy.target, c.name, c.fingerprint) for c in cards
        )
        yield _check_hash(CheckName.TARGET, names, policy.target, is_same=is_same)
    if policy.plan_hash is not None:
        is_same = plan.hash.startswith(policy.plan_hash)
        yield _check_hash(CheckName.PLAN, plan.hash, policy.plan_hash, is_same=is_same)
    if policy.judge_hash is not None:
        is_same = plan.judge_fingerprint.startswith(policy.judge_hash)
        found = f"{plan.judge}, {plan.judge_fingerprint}"
        yield _check_hash(CheckName.JUDGE, found, policy.judge_hash, is_same=is_same)


def _is_model(wanted: str, name: str, fingerprint: str) -> bool:
    return wanted == name or (len(wanted) >= 8 and fingerprint.startswith(wanted))


def _check_hash(name: CheckName, found: str, wanted: str, *, is_same: bool) -> GateCheck:
    what = str(name).removesuffix("_hash")
    if is_same:
        return GateCheck(name, CheckState.PASS, f"the {what} is {found}")
    return GateCheck(name, CheckState.FAIL, f"the {what} is {found}, and not {wanted}")


def parse_started(text: str) -> datetime | None:
    """Parses the start of a run; None if it is not a time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def is_clock_wrong(started: datetime | None, now: datetime) -> bool:
    """Whether a run began after the present: then neither ages nor expiries can be told."""
    return started is not None and started > now + _TOLERANCE


def _check_age(inputs: GateInputs, limit: float) -> GateCheck:
    text = inputs.view.findings.started
    started = parse_started(text)
    check = GateCheck(CheckName.AGE, CheckState.INCONCLUSIVE, "", limit=limit)
    if started is None:
        return replace(check, message="the run does not say when it began")
    if is_clock_wrong(started, inputs.now):
        return replace(
            check,
            message=f"the run began at {text}, after the time of this check: correct the clock "
            "or --at",
        )
    age = max((inputs.now - started).total_seconds(), 0.0)
    message = f"the run is {format_duration(age)} old; at most {format_duration(limit)} is allowed"
    state = CheckState.PASS if age <= limit else CheckState.INCONCLUSIVE
    return replace(check, state=state, message=message, value=age)


def sort_checks(checks: Iterable[GateCheck]) -> list[GateCheck]:
    """Orders checks: failures first, then what is inconclusive, then the rest, by kind."""
    states, names = list(CheckState), list(CheckName)
    order = (CheckState.ERROR, CheckState.FAIL, CheckState.INCONCLUSIVE)
    rank = {
        state: order.index(state) if state in order else 9 + states.index(state) for state in states
    }
    return sorted(checks, key=lambda c: (rank[c.state], names.index(CheckName(c.name))))
