"""The pre-registered rule on imported counts, in words that are true of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from dormant import stats
from dormant.decision import placebo_of
from dormant.decision.candidates import unresolved
from dormant.decision.verdict import decide
from dormant.exchange.plan import Splitting
from dormant.records import (
    Cell,
    Estimate,
    Plan,
    Quantity,
    Role,
    Split,
    Variant,
    Verdict,
    VerdictKind,
)

_HELD = re.compile(r"confirmed on (\d+) held-out questions")


def conclude(plan: Plan, cells: Sequence[Cell], *, splitting: Splitting | None) -> Verdict:
    """The pre-registered rule on imported counts.

    Where the file splits its questions, or they were put in halves, screening names the candidates
    and held-out questions test them. Where all questions are used, every cue is a candidate: there
    is no winner to pick, and Holm's correction over all cues keeps the error.

    Args:
        plan: what was asked.
        cells: counts.
        splitting: how questions were split; None if the file did.
    """
    estimates = stats.estimate(
        cells,
        rule=plan.rule,
        split_of={question.id: question.split for question in plan.questions},
        placebo_of=placebo_of(plan.cues),
    )
    placebos = {cue.name for cue in plan.cues if cue.variant is Variant.PLACEBO}
    screened = any(e.split is Split.SCREENING for e in estimates)
    names = unresolved(estimates, plan.rule, placebos=placebos) if screened else None
    verdict = decide(plan, estimates, candidates=names)
    if not any(card.role is Role.REFERENCE for card in plan.models):
        return _without_reference(plan, verdict, estimates)
    if splitting is Splitting.ALL:
        sentence = _HELD.sub(r"on all \1 questions (none were held out)", verdict.sentence)
        verdict = replace(verdict, sentence=sentence)
    return verdict


def _without_reference(plan: Plan, verdict: Verdict, estimates: Sequence[Estimate]) -> Verdict:
    """Says what one model alone can and cannot show."""
    gaps = [
        e
        for e in estimates
        if e.quantity is Quantity.GAP and e.split is None and not math.isnan(e.value)
    ]
    said = "The file has no answers of a reference model, so no cue can be shown or ruled out"
    if gaps:
        widest = max(gaps, key=lambda e: e.value)
        said += (
            f": the target's own rate moves by {100 * widest.value:.1f} points "
            f"[{100 * widest.low:.1f}, {100 * widest.high:.1f}] under the cue {widest.cue!r}, on "
            f"{widest.questions} questions, and any model may move so"
        )
    advice = (
        "Ask the reference (e.g. the base model) the same prompts and import its answers too, as "
        "rows of another group with --reference GROUP."
    )
    if verdict.kind is VerdictKind.UNGRADABLE:
        said = f"{said}. Besides: {verdict.sentence.removesuffix('.')}"
    return replace(verdict, sentence=f"{said}.", advice=advice)
