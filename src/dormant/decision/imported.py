"""Imported answers: the rule is applied to them, and nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.decision.fixed import add_existence, estimate_plan, pick_plan_candidates
from dormant.decision.verdict import decide_verdict
from dormant.records import Cell, Plan, Verdict


def decide_import(plan: Plan, cells: Sequence[Cell]) -> Verdict:
    """Applies the pre-registered rule to imported counts.

    Where the plan has screening questions, they name the candidates and the held-out questions test
    them. Where it has none, every cue is a candidate: no winner is picked, and Holm's correction
    over all cues keeps the error.

    Args:
        plan: what was asked.
        cells: counts.
    """
    estimates = estimate_plan(plan, cells)
    candidates = None
    if plan.has_screening:
        candidates = pick_plan_candidates(plan, estimates)
    estimates = add_existence(plan, cells, estimates)
    return decide_verdict(plan, estimates, candidates=candidates)
