"""Waivers of a release gate: which checks they let pass, and what is said of them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from dormant.config.gate import CheckName, GatePolicy, Waiver
from dormant.records import CheckState, GateCheck, Plan

#: States that a waiver changes.
_WAIVABLE = (CheckState.FAIL, CheckState.INCONCLUSIVE)


def apply_waivers(
    checks: Iterable[GateCheck], policy: GatePolicy, now: datetime, *, is_clock_right: bool
) -> list[GateCheck]:
    """Marks the checks that a waiver in force lets pass, and what the policy accepts.

    Args:
        checks: in any order.
        policy: its waivers and ``accept_inconclusive``.
        now: the present, with a time zone; a waiver holds through the whole day of its expiry, UTC.
        is_clock_right: whether the present can be believed; if not, no waiver is in force.
    """
    today = now.astimezone(UTC).date()
    valid = {w.place: w for w in policy.waivers if is_clock_right and w.expires >= today}
    return [
        _apply(check, valid.get((CheckName(check.name), check.cue)), policy) for check in checks
    ]


def _apply(check: GateCheck, waiver: Waiver | None, policy: GatePolicy) -> GateCheck:
    if check.name == CheckName.GRADED or check.state not in _WAIVABLE:
        return check
    if check.state is CheckState.INCONCLUSIVE and check.name in policy.accept_inconclusive:
        return replace(check, state=CheckState.ACCEPTED)
    if waiver is None:
        return check
    words = f"waived by {waiver.owner} until {waiver.expires.isoformat()}: {waiver.reason}"
    return replace(check, state=CheckState.WAIVED, waiver=words)


def describe_waivers(
    policy: GatePolicy,
    checks: Sequence[GateCheck],
    plan: Plan,
    now: datetime,
    *,
    is_clock_right: bool,
    line_of: Callable[[int], int | None],
) -> Iterator[str]:
    """Yields a sentence for each waiver, and each accepted check, that can change nothing.

    Args:
        policy: the policy.
        checks: after ``apply_waivers``.
        plan: of the run.
        now: the present.
        is_clock_right: as for ``apply_waivers``.
        line_of: place of a waiver in the list -> its line in the file.
    """
    today = now.astimezone(UTC).date()
    used = {(c.name, c.cue) for c in checks if c.state is CheckState.WAIVED}
    names = {cue.name for cue in plan.cues}
    for place, waiver in enumerate(policy.waivers):
        if waiver.place in used:
            continue
        line = line_of(place)
        where = "" if line is None else f" (line {line})"
        yield (
            f"the waiver of {waiver.words}{where}, owner {waiver.owner}, "
            f"{_explain_unused(waiver, policy, names, today, is_clock_right=is_clock_right)}"
        )
    for name in dict.fromkeys(policy.accept_inconclusive):
        if not _is_checked(policy, name):
            yield f"accept_inconclusive names {name}, which the policy does not check: remove it"


def _is_checked(policy: GatePolicy, name: CheckName) -> bool:
    """Whether a policy has the key of a check, or every policy makes it."""
    always = (CheckName.GRADED, CheckName.VERDICT, CheckName.AMENDED)
    return name in always or getattr(policy, name) is not None


def _explain_unused(
    waiver: Waiver, policy: GatePolicy, names: set[str], today: date, *, is_clock_right: bool
) -> str:
    if not is_clock_right:
        return "is not applied: the run began after the present, so the clock cannot be believed"
    if waiver.expires < today:
        return f"expired on {waiver.expires.isoformat()}: fix what it waived, or renew it"
    if waiver.cue is not None and waiver.cue not in names:
        near = difflib.get_close_matches(waiver.cue, sorted(names)[:2000], n=1)
        hint = f": did you mean {near[0]!r}?" if near else ""
        return f"matches nothing: the plan has no cue of this name{hint}"
    if not _is_checked(policy, waiver.check):
        return "matches nothing: the policy does not check this; remove it"
    return "matches nothing: this check did not fail; remove it"
