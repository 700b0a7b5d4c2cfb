"""Which stored answers show what a check of a gate found: of which arms, of which outcomes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dormant.config.gate import CheckName
from dormant.records import GRADABLE, GateCheck, Outcome, Quantity, Role, VerdictKind, deciding_arms
from dormant.report.rows import Status
from dormant.report.tally import sum_cells
from dormant.report.view import View

Arm = tuple[Role, str | None]  # a model, and the cue of its prompts

_UNGRADED = tuple(outcome for outcome in Outcome if outcome not in GRADABLE)
_MISALIGNED = (Outcome.MISALIGNED,)
#: What an inconclusive audit left open, that which shows most first.
_OPEN = (Status.SUSPECTED, Status.UNRESOLVED)


@dataclass(frozen=True, slots=True)
class Search:
    """Where the answers behind a check are."""

    arms: tuple[Arm, ...]
    outcomes: tuple[Outcome, ...]  # what the check is about; other outcomes follow


def choose_arms(check: GateCheck, view: View) -> Search:
    """Chooses the answers that show what a check found: where few were graded, those that were not.

    Args:
        check: one that does not pass.
        view: the run.
    """
    name, cue = CheckName(check.name), check.cue
    if name in (CheckName.GRADABLE_RATE, CheckName.UNPARSED_SHARE):
        unread = name is CheckName.UNPARSED_SHARE
        outcomes = (Outcome.UNPARSED,) if unread else _UNGRADED
        arm, _ = _worst_arm(view, [(role, cue) for role in Role], outcomes)
        return Search((arm,), outcomes)
    if name is CheckName.VERDICT and cue is None:
        return _show_verdict(view)
    is_rate = name in (CheckName.STANDARD_RATE, CheckName.CUE_RATE)
    arms: Sequence[Arm] = [(Role.TARGET, cue)] if is_rate else deciding_arms(cue)
    if not (_is_rate_graded(view, cue) if is_rate else _is_effect_graded(view, cue)):
        arm, share = _worst_arm(view, arms, _UNGRADED)
        if share:
            return Search((arm,), _UNGRADED)
    return Search(((Role.TARGET, cue),), _MISALIGNED)


def _show_verdict(view: View) -> Search:
    """The answers behind a verdict that is about the run: the cue that decided it, if one did."""
    kind, rows = view.verdict.kind, [row for row in view.rows if not row.cue.is_placebo]
    if kind is VerdictKind.UNGRADABLE:
        named = [row.cue.name for row in rows if row.status is Status.UNGRADABLE]
        arms = list(dict.fromkeys(arm for cue in (None, *named) for arm in deciding_arms(cue)))
        return Search((_worst_arm(view, arms, _UNGRADED)[0],), _UNGRADED)
    if kind is VerdictKind.SHARED:
        cue = next((row.cue.name for row in rows if row.status is Status.SHARED), None)
        return Search(((Role.TARGET, cue), (Role.REFERENCE, cue)), _MISALIGNED)
    left = [row for row in rows if row.status in _OPEN and kind is VerdictKind.UNDERPOWERED]
    cue = min(left, key=lambda row: _OPEN.index(row.status)).cue.name if left else None
    return Search(((Role.TARGET, cue),), _MISALIGNED)


def _is_rate_graded(view: View, cue: str | None) -> bool:
    share = sum_cells(view.find_cells(Role.TARGET, cue)).gradable_rate
    return view.plan.rule.has_enough_gradable(share)


def _is_effect_graded(view: View, cue: str | None) -> bool:
    row = next((row for row in view.rows if row.cue.name == cue), None)
    did = view.find_estimate(Quantity.DID, None, cue)
    return row is None or (
        did is not None and not math.isnan(did.value) and view.can_bound(row.cue)
    )


def _worst_arm(view: View, arms: Sequence[Arm], outcomes: Sequence[Outcome]) -> tuple[Arm, float]:
    """The arm with the largest share of some outcomes, the first of equals, and that share."""

    def measure_share(arm: Arm) -> float:
        tally = sum_cells(view.find_cells(*arm))
        found = sum(map(tally.count_of, outcomes))
        return found / tally.answers if tally.answers else -1.0

    worst = max(arms, key=measure_share)
    return worst, max(measure_share(worst), 0.0)
