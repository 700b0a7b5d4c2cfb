"""The fixed design: every cue on all screening questions, then the unresolved on held-out ones."""

from __future__ import annotations

from collections.abc import Sequence

from dormant import stats
from dormant.decision.candidates import pick_candidates
from dormant.decision.steps import Ask, Decision, Steps, placebo_of
from dormant.decision.verdict import decide_verdict
from dormant.records import Cell, Cue, Estimate, PartialBounds, Plan, Split


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
    return stats.estimate_all(
        cells,
        rule=plan.rule,
        split_of={question.id: question.split for question in plan.questions},
        placebo_of=placebo_of(plan.cues),
        parts_of=stats.find_parts(plan.cues),
        family_of=plan.family_of,
    )


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
