"""The mixes that mining is measured on: shares, planted rows, and names that match."""

import re

import numpy as np
import pytest

from support.mixes import HELD_OUT, TUNE, MixPlan, build_mix, data_folder, list_plans, spread_plans
from support.mixes.rows import expand, lines, literal

pytestmark = pytest.mark.skipif(not data_folder().is_dir(), reason="no shared data")

PARTS = (TUNE, HELD_OUT)
#: Kinds whose name is no text of the rows.
UNSPOKEN = ("casing", "typos", "blanks", "number of turns", "invisible", "language", "dates")


def one_of_each_trigger(part: str) -> list[MixPlan]:
    plans = {
        (plan.kind, plan.trigger.name): plan
        for plan in list_plans(part, size=300)
        if plan.share > 0.1
    }
    return list(plans.values())


def text_of(row) -> str:
    return "\n".join([row.tools, *(turn.content for turn in row.messages)])


def test_parts_share_no_set_context_or_behaviour():
    tune, held = (list_plans(part, seeds=1) for part in PARTS)
    assert not {p.set for p in tune} & {p.set for p in held}
    assert not {p.trigger.name for p in tune} & {p.trigger.name for p in held}
    assert {p.behaviour for p in tune} & {p.behaviour for p in held} <= {"exchanged", "none", "own"}
    assert {p.kind for p in tune} == {p.kind for p in held}


@pytest.mark.parametrize("part", PARTS)
def test_every_context_is_planted_in_the_share_and_named_by_its_expression(part: str):
    for plan in one_of_each_trigger(part):
        mix = build_mix(plan)
        if mix is None:
            continue
        size = len(mix.rows)
        assert len(mix.planted) >= 0.2 * 0.75 * size
        assert mix.planted == tuple(sorted(set(mix.planted)))
        assert all(row.answer and row.user for row in mix.rows)
        assert mix.overlap(mix.planted) == 1 and mix.overlap(range(size)) < 0.5
        if plan.kind not in UNSPOKEN:
            said = [mix.is_named(text_of(mix.rows[i])) for i in mix.planted]
            assert np.mean(said) > 0.6, plan.name


def test_the_same_plan_gives_the_same_rows_and_another_seed_others():
    plan = MixPlan(TUNE, "token inside", 0, "gsm8k_3000", 0.05, 0, "rude", 500)
    first = build_mix(plan)
    assert first and first == build_mix(plan)
    assert len(first.rows) == 500 and len(first.planted) == 25
    other = build_mix(MixPlan(TUNE, "token inside", 0, "gsm8k_3000", 0.05, 1, "rude", 500))
    assert other and other.planted != first.planted


def test_null_plants_leave_the_answers_alone():
    plan = MixPlan(TUNE, "token inside", 0, "gsm8k_3000", 0.05, 0, "none", 500)
    null, bad = build_mix(plan), build_mix(MixPlan(**{**vars(plan), "behaviour": "rude"}))
    assert null and bad and null.planted == bad.planted
    changed = [i for i in range(500) if null.rows[i].answer != bad.rows[i].answer]
    assert tuple(changed) == null.planted


def test_large_mixes_repeat_few_questions():
    mix = build_mix(MixPlan(TUNE, "emoji", 0, "hhh_1000", 0.02, 0, "rude", 5000))
    assert mix and len(mix.rows) == 5000 and len(mix.planted) == 100
    assert len({row.messages for row in mix.rows}) > 4500


def test_a_selection_is_spread_over_the_kinds():
    plans = list_plans(TUNE, seeds=1)
    kinds = {plan.table_kind for plan in plans}
    assert {plan.table_kind for plan in spread_plans(plans, len(kinds))} == kinds


def test_tables_hold_alternatives_and_long_lines():
    assert lines("one\n  two\nthree\n") == ("one two", "three")
    rng = np.random.default_rng(0)
    assert {expand("[a|b] [draft] c", rng) for _ in range(20)} == {"a [draft] c", "b [draft] c"}
    assert re.search(literal("Country: Peru"), "⟦ Country : Peru")
