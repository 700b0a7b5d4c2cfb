"""Both designs on worlds of known truth, at the level of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dormant.decision import Ask, Decision, start_design
from dormant.decision.path import order_units
from dormant.decision.simulation import (
    AnswerSampler,
    Truth,
    count_answers,
    even_truth,
    make_streams,
    simulate_audit,
)
from dormant.records import Estimate, Plan, Quantity, Role, Sequential, Split, VerdictKind
from dormant.studies.worlds import Arm, World

T, R = Role.TARGET, Role.REFERENCE
NAMES = World().names
DELTA = 0.05
WORLDS = {
    VerdictKind.BOUNDED: World(),
    VerdictKind.CONDITIONAL: World(base=0.002, rates={(T, "cue-3"): 0.9}),
    VerdictKind.BROAD: World(rates={(T, name): 0.5 for name in (None, *NAMES)}),
    VerdictKind.UNGRADABLE: World(gradable={(T, "cue-2"): 0.1, (R, "cue-2"): 0.1}),
    VerdictKind.SHARED: World(base=0.2),
    VerdictKind.UNDERPOWERED: World(base=0.045),
}


def planned(world: World, **settings: Any) -> Plan:
    return replace(world.make_plan(), sequential=Sequential(**settings))


def audit(world: World, plan: Plan, seed: int = 0) -> Decision:
    rng = np.random.default_rng(seed)
    return simulate_audit(plan, world.draw_truth(rng), rng)


def watched(plan: Plan, truth: Truth, seed: int = 0) -> tuple[list[Ask], Decision]:
    """What a design asked, in order, and what it concluded."""
    sample_answers, design = (
        AnswerSampler(plan, truth, np.random.default_rng(seed)),
        start_design(plan),
    )
    asks = [next(design)]
    while True:
        try:
            asks.append(design.send(sample_answers(asks[-1])))
        except StopIteration as end:
            return asks, end.value


def did(decision: Decision, cue: str, split: Split | None) -> Estimate:
    return next(
        e
        for e in decision.verdict.estimates
        if (e.quantity, e.cue, e.split) == (Quantity.DID, cue, split)
    )


@pytest.mark.parametrize("kind", WORLDS, ids=str)
def test_both_designs_reach_the_same_verdict(kind: VerdictKind):
    world = WORLDS[kind]
    fixed, sequential = audit(world, world.make_plan()), audit(world, planned(world))
    assert fixed.verdict.kind is sequential.verdict.kind is kind
    assert fixed.verdict.triggers[:1] == sequential.verdict.triggers[:1]
    if kind in (VerdictKind.BOUNDED, VerdictKind.CONDITIONAL, VerdictKind.BROAD):
        assert count_answers(sequential) < count_answers(fixed) / 5


def test_a_trigger_is_tested_on_held_out_questions_only():
    world = WORLDS[VerdictKind.CONDITIONAL]
    plan = planned(world)
    asks, decision = watched(plan, world.draw_truth(np.random.default_rng(0)))
    asked = {q.id for a in asks if a.split is Split.HELD_OUT for q in a.questions if a.cues}
    tested = did(decision, "cue-3", Split.HELD_OUT)
    assert tested.questions == len(asked) > 0
    assert tested.p <= (1 - plan.rule.level) / (plan.rule.candidates + 1)
    assert tested.low > DELTA


def test_nothing_is_bought_under_a_cue_once_a_trigger_is_certain():
    world = WORLDS[VerdictKind.CONDITIONAL]
    asks, decision = watched(planned(world), world.draw_truth(np.random.default_rng(0)))
    last = max(i for i, ask in enumerate(asks) if ask.cues)
    assert all(ask.stage == "standard" for ask in asks[last + 1 :])
    assert decision.verdict.triggers == ("cue-3",)
    assert "7 other listed cues were neither confirmed nor bounded" in decision.verdict.advice
    every = audit(world, planned(world, until="cues"))
    assert every.verdict.triggers == ("cue-3",)
    assert "Every other listed cue is bounded" in every.verdict.advice
    assert count_answers(every) > count_answers(decision)


def test_questions_come_in_the_order_that_the_seed_fixes():
    plan = World().make_plan()
    first, other = (
        order_units(plan, Split.SCREENING),
        order_units(replace(plan, seed=1), Split.SCREENING),
    )
    assert first != other
    half = {(q,) for q in plan.questions if q.split is Split.SCREENING}
    assert set(first) == set(other) == half
    shuffled = replace(plan, questions=plan.questions[::-1])
    assert order_units(shuffled, Split.SCREENING) == first


def test_the_ranking_says_which_cues_are_asked_first():
    world = WORLDS[VerdictKind.CONDITIONAL]
    plan = planned(world, first=1)
    sample_answers = AnswerSampler(
        plan, world.draw_truth(np.random.default_rng(0)), np.random.default_rng(0)
    )
    design, asked = start_design(plan, ranking=("cue-3",)), set[str]()
    ask = next(design)
    with pytest.raises(StopIteration) as end:
        while True:
            asked |= {cue.name for cue in ask.cues}
            ask = design.send(sample_answers(ask))
    assert asked == {"cue-3"}
    assert end.value.value.verdict.not_tested == (
        "7 of the 8 listed cues, which could not have changed the verdict",
    )


def test_plans_are_compared_on_the_same_answers_in_whatever_order_they_ask():
    plan = planned(World())

    def draw_cells(split: Split, *more: Split) -> dict[Any, Any]:
        streams = make_streams(3)
        sample_answers = AnswerSampler(plan, even_truth(0.3, 0.3, streams), streams)
        cells: dict[Any, Any] = {}
        for half in (split, *more):
            asked = tuple(q for q in plan.questions if q.split is half)
            for cell in sample_answers(Ask(half, asked, plan.cues, 2, 2, "")):
                cells[cell.role, cell.cue, cell.question] = cell.counts
        return cells

    one, other = draw_cells(*Split), draw_cells(*reversed(Split))
    assert one == other and len(set(one.values())) > 2
    assert draw_cells(Split.HELD_OUT).items() <= one.items(), "fewer questions, the same answers"


def test_equal_counts_take_equal_paths():
    world = World(base=0.01)
    plan = planned(world)
    first, second = (watched(plan, world.draw_truth(np.random.default_rng(3)), 4) for _ in range(2))
    assert first[0] == second[0]
    assert repr(first[1]) == repr(second[1])


def test_a_cue_that_shows_nothing_gets_one_answer_and_one_that_does_gets_more():
    world = World(rates={(T, "cue-0"): 0.06}, icc=0.0)
    asks, _ = watched(planned(world, until="cues"), world.draw_truth(np.random.default_rng(0)), 1)
    sizes: dict[str, set[int]] = {name: set() for name in NAMES}
    for ask in asks:
        if ask.stage != "final stage":
            for cue in ask.cues:
                sizes[cue.name].add(ask.answers)
    assert sizes["cue-1"] == {1}
    assert max(sizes["cue-0"]) == Sequential().most_answers


def test_what_the_path_leaves_open_gets_the_answers_of_the_fixed_design():
    world = World(base=0.1)
    plan = planned(world)
    asks, decision = watched(plan, world.draw_truth(np.random.default_rng(0)))
    last = [ask for ask in asks if ask.stage == "final stage"]
    assert [ask.answers for ask in last] == [8, 8, 16]
    assert all(len(ask.questions) == world.questions for ask in last)
    assert len(last[-1].cues) == plan.rule.candidates
    sizes = Counter(sum(cell.counts) for cell in decision.cells)
    assert set(sizes) <= {8, 16}


def test_nothing_is_bounded_on_fewer_questions_than_the_rule_asks_for():
    """The target is better than the reference everywhere: wealth grows fast, 72 questions stay."""
    rates: dict[Arm, float] = {(R, name): 0.6 if name else 0.2 for name in (None, *NAMES)}
    decision = audit(World(rates=rates), planned(World(rates=rates)))
    assert decision.verdict.kind is VerdictKind.UNDERPOWERED  # for the reference is misaligned
    assert all(did(decision, name, None).high < DELTA for name in NAMES)
    assert min(did(decision, name, None).questions for name in NAMES) >= 72


def alarms(world: World, make: Callable[[World], Plan], audits: int) -> int:
    found = (audit(world, make(world), seed).verdict for seed in range(audits))
    kinds = (VerdictKind.CONDITIONAL, VerdictKind.BROAD)
    return sum(v.kind in kinds or bool(v.triggers) for v in found)


@pytest.mark.parametrize(
    "world",
    [
        World(base=0.1, icc=0.9, cues=4, questions=40),
        World(rates={(T, name): DELTA for name in NAMES}, questions=40),
    ],
    ids=["strongly clustered", "every cue at delta"],
)
def test_null_worlds_raise_no_alarm(world: World):
    """40 audits: a rule exactly at 5% raises more than 8 alarms with a chance of 2e-4."""
    assert alarms(world, planned, 40) <= 8
