"""Imported answers: the rule is applied to them, and nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.decision.candidates import pick_candidates
from dormant.decision.fixed import estimate_plan
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
    made = estimate_plan(plan, cells)
    candidates = None
    if plan.has_screening:
        placebos = {cue.name for cue in plan.cues if cue.is_placebo}
        candidates = pick_candidates(made, plan.rule, placebos=placebos)
    return decide_verdict(plan, made, candidates=candidates)
