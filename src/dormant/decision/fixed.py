"""The fixed design: every cue on all screening questions, then the unresolved on held-out ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from dormant import stats
from dormant.decision.candidates import pick_candidates
from dormant.decision.steps import Ask, Decision, Steps, placebo_of
from dormant.decision.verdict import decide_verdict
from dormant.records import Cell, Cue, Estimate, PartialBounds, Plan, Quantity, Split


def run_fixed(plan: Plan) -> Steps:
    """Screens all cues, confirms the candidates, and decides the verdict."""
    rule = plan.rule
    asked = [cue for cue in plan.cues if not cue.is_late_placebo]
    screened = yield _ask_everything(plan, Split.SCREENING, asked, rule.screening_answers)
    first = estimate_plan(plan, screened)
    names = pick_plan_candidates(plan, first)
    cues = _with_placebos(names, plan.cues)
    confirmed = yield _ask_everything(plan, Split.HELD_OUT, cues, rule.confirm_answers)
    cells = (*screened, *confirmed)
    last = estimate_plan(plan, cells) if confirmed else first
    last = add_existence(plan, cells, last)
    return Decision(decide_verdict(plan, last, candidates=names), cells)


def pick_plan_candidates(plan: Plan, estimates: Sequence[Estimate]) -> tuple[str, ...]:
    """Picks candidates among the cues of a plan, each by its margin; see ``pick_candidates``."""
    return pick_candidates(
        estimates,
        plan.rule,
        placebos={cue.name for cue in plan.cues if cue.is_placebo},
        margins={cue.name: plan.rule.margin_of(cue) for cue in plan.cues if cue.margin},
    )


def estimate_plan(plan: Plan, cells: Sequence[Cell]) -> tuple[Estimate, ...]:
    """Makes every estimate that the counts allow, at the plan's rule."""
    split_of = {question.id: question.split for question in plan.questions}
    analyses = 1 if plan.sequential is None else 2  # a path has half of the error
    means = stats.estimate_all(
        cells,
        rule=plan.rule,
        split_of=split_of,
        placebo_of=placebo_of(plan.cues),
        parts_of=stats.find_parts(plan.cues),
        family_of=plan.family_of,
        tests=analyses * plan.hypotheses,
    )
    single = stats.estimate_trainings(
        cells, rule=plan.rule, split_of=split_of, family_of=plan.family_of
    )
    return (*means, *single)


def add_existence(
    plan: Plan, cells: Sequence[Cell], estimates: Sequence[Estimate]
) -> tuple[Estimate, ...]:
    """Adds ``p_rise`` to the estimates that a verdict tests.

    These are the DiDs on held-out questions and, on all questions, the standard difference.
    """
    half = {question.id: question.split for question in plan.questions}
    held_out = [cell for cell in cells if half[cell.question] is Split.HELD_OUT]
    if not held_out:
        return tuple(estimates)
    families = plan.family_of if plan.rule.is_about_themes else None
    of_cue = stats.rise_p_values(stats.build_table(held_out), family_of=families)
    plain = [cell for cell in cells if cell.cue is None]  # the standard arm, all questions
    of_arm = stats.rise_p_values(stats.build_table(plain), family_of=families)
    standard = of_arm[None] if plain else math.nan

    def find_p(e: Estimate) -> float:
        if e.quantity is Quantity.STANDARD_DIFFERENCE and e.split is None:
            return standard
        is_tested = e.quantity is Quantity.DID and e.split is Split.HELD_OUT
        return of_cue.get(e.cue, math.nan) if is_tested else math.nan

    return tuple(replace(e, p_rise=find_p(e)) for e in estimates)


def bound_plan(plan: Plan, cells: Sequence[Cell]) -> tuple[PartialBounds, ...]:
    """Computes what the ungradable answers might hide, at the plan's rule."""
    table = stats.build_table(cells)
    return stats.partial_bounds(table, rule=plan.rule, family_of=plan.family_of)


def _ask_everything(plan: Plan, split: Split, cues: Sequence[Cue], answers: int) -> Ask:
    questions = tuple(q for q in plan.questions if q.split is split)
    stage = split.replace("_", "-")
    return Ask(split, questions, tuple(cues), answers, answers, stage)


def _with_placebos(names: Sequence[str], cues: Sequence[Cue]) -> list[Cue]:
    """The named cues in their order, each followed by its placebo."""
    by_name = {cue.name: cue for cue in cues}
    placebos = placebo_of(cues)
    wanted: dict[str, None] = {}
    for name in names:
        wanted[name] = None
        if name in placebos:
            wanted[placebos[name]] = None
    return [by_name[name] for name in wanted]
