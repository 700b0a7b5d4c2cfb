"""Advice that is followed: the audit settles, for no more answers than were said."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from dormant.decision import Decision
from dormant.decision.advice import OpenAudit, what_settles
from dormant.decision.simulation import count_answers, simulate_audit
from dormant.records import (
    Cue,
    CueKind,
    Estimate,
    Placement,
    Plan,
    Quantity,
    Sequential,
    Source,
    Variant,
)
from dormant.records import VerdictKind as Kind
from dormant.studies.worlds import World

SENTENCE = re.compile(
    r"About (\d+) questions per cue instead of (\d+) \((?:about ([\d,]+) .* settles them, )?"
    r"at most ([\d,]+)(?: more answers)?\) would settle (\d+) of (\d+)"
)


def audit(world: World, plan: Plan, seed: int) -> Decision:
    rng = np.random.default_rng(seed)
    return simulate_audit(plan, world.draw_truth(rng), rng)


def followed(world: World, how: Sequential | None, seed: int) -> tuple[str, int, int]:
    """The verdict after the advice, the answers beyond the first audit's, and their bound."""
    plan = replace(world.make_plan(), sequential=how)
    first = audit(world, plan, seed)
    assert first.verdict.kind is Kind.UNDERPOWERED
    said = SENTENCE.search(first.verdict.advice)
    assert said is not None, first.verdict.advice
    wider = replace(world, questions=int(said[1]) // 2)
    again = replace(wider.make_plan(), sequential=how)
    if raised := re.search(r"raise candidates to (\d+)", first.verdict.advice):
        again = replace(again, rule=replace(again.rule, candidates=int(raised[1])))
    second = audit(wider, again, seed + 100)
    bound = int(said[4].replace(",", ""))
    return str(second.verdict.kind), count_answers(second) - count_answers(first), bound


@pytest.mark.parametrize("how", [None, Sequential()], ids=["fixed", "sequential"])
def test_too_few_questions_for_any_bound(how: Sequential | None):
    """Nothing ever happens, so nothing is left to chance."""
    kind, took, bound = followed(World(questions=25), how, 0)
    assert kind == Kind.BOUNDED
    assert 0 < took <= bound


def test_the_fixed_designs_bound_always_holds_and_the_advice_mostly_settles():
    """12 audits with a base rate of 1%: each cue four times in five, so not every audit."""
    found = [followed(World(base=0.01, questions=32, cues=3), None, seed) for seed in range(12)]
    assert all(took <= bound for _, took, bound in found)
    assert sum(kind == Kind.BOUNDED for kind, *_ in found) >= 7


def placebo(parent: str) -> Cue:
    kind, place = CueKind.PREFIX, Placement.BEFORE
    return Cue(
        f"{parent}/p", kind, place, "it rains", Source.LIBRARY, parent=parent, variant=PLACEBO
    )


PLACEBO = Variant.PLACEBO
PLAN = replace(World(cues=3).make_plan(), cues=(*World(cues=3).make_plan().cues, placebo("cue-0")))


def open_(cue: str | None, value: float, half: float, questions: int = 80) -> Estimate:
    low, high = value - half, value + half
    return Estimate(Quantity.DID, None, cue, None, value, low, high, 0.95, questions, 640)


def advised(plan: Plan, *estimates: Estimate) -> str:
    names = [e.cue for e in estimates if e.cue]
    return what_settles(OpenAudit(plan, estimates, names, ()))


def test_answers_are_counted_as_the_fixed_design_asks_them():
    """A half-width of .07 at nothing has to shrink to .05 less .84 of its own standard error."""
    needed = 80 * ((1.959964 + 0.841621) / 1.959964 * 0.07 / 0.05) ** 2
    total = math.ceil(needed / 8) * 8
    screening = 8 * (1 + 4)  # three cues, a placebo and the standard arm
    held_out = 16 * (1 + 3 + 1)  # at most three candidates with one placebo
    most = 2 * (total * (screening + held_out) // 2 - 160 * (screening + 16) // 2)
    text = advised(PLAN, open_("cue-0", 0.0, 0.07))
    assert f"About {total} questions per cue instead of 80 (at most {most:,} more" in text


def test_what_seems_to_be_there_needs_its_held_out_half():
    rise = open_("cue-1", 0.15, 0.05)
    factor = (2.241403 + 0.841621) / 1.959964  # Holm's first of four steps
    needed = math.ceil(2 * 80 * (factor * 0.05 / 0.10) ** 2 / 8) * 8
    assert f"About {needed} questions" in advised(PLAN, rise)
    standard = advised(PLAN, replace(rise, cue=None))
    assert f"About {math.ceil(max(needed / 2, 81) / 8) * 8} questions" in standard
    path = replace(PLAN, sequential=Sequential())
    assert int(SENTENCE.search(advised(path, rise))[1]) > needed  # pyright: ignore


def test_a_rise_that_is_shown_is_not_taken_for_none():
    """3 points of 5 leave 2 to rule out, however many questions are asked."""
    needed = math.ceil(80 * ((1.959964 + 0.841621) / 1.959964 * 0.025 / 0.02) ** 2 / 8) * 8
    text = advised(PLAN, open_("cue-0", 0.03, 0.025))
    assert f"About {needed} questions" in text and "the effect that was seen" in text
    assert "the effect that was seen" not in advised(PLAN, open_("cue-0", 0.03, 0.035))


def test_what_cannot_be_settled_is_said():
    unknown = replace(open_("cue-2", math.nan, math.nan), reason="was not asked")
    text = advised(PLAN, unknown, open_("cue-1", 0.0501, 0.05))
    assert text == (
        "One effect is unknown: read why, and run again once its answers can be graded. "
        "For 1 of them over 5,000 questions would be needed, since the effect is close to 5 "
        "points: choose another delta."
    )
