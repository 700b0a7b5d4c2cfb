"""What the rule says of numbers, and what a plan says of itself."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.records import (
    IMPORTED,
    ClaimScope,
    Continuations,
    Cue,
    CueKind,
    CuePart,
    Estimate,
    Message,
    Origin,
    Placement,
    Quantity,
    Role,
    Rule,
    Sampling,
    Sequential,
    Source,
    Split,
    Variant,
    WriterReply,
    deciding_arms,
    to_plain,
)
from dormant.studies.worlds import World

SHARES = st.integers(0, 1000).map(lambda part: part / 1000)  # a share is a count over a count


def effect(high: float, questions: int) -> Estimate:
    return Estimate(Quantity.DID, None, "cue", None, 0.0, -0.1, high, 0.95, questions, 100)


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize(
    ("delta", "level"), [(0.05, 0.95), (0.1, 0.9), (0.2, 0.99), (0.01, 0.55), (0.2, 0.8)]
)
def test_fewer_questions_could_all_miss_a_share_delta(delta: float, level: float, looks: int):
    least = Rule(delta=delta, level=level, looks=looks).questions_to_bound
    assert (1 - delta) ** least <= (1 - level) / looks < (1 - delta) ** (least - 1)


def test_questions_to_bound_of_the_default_and_of_rules_that_bound_nothing():
    assert Rule().questions_to_bound == 72 and Rule(looks=1).questions_to_bound == 59
    assert Rule(delta=0.5, level=0.5).questions_to_bound == 2  # exactly, not 3 by rounding
    assert Rule(delta=0.0).questions_to_bound == math.inf
    assert Rule(level=1.0).questions_to_bound == math.inf


def test_bounded_takes_enough_questions_and_an_upper_end_below_delta():
    rule = Rule()
    assert rule.is_bounded(effect(0.049, 72))
    assert not rule.is_bounded(effect(0.049, 71))
    assert not rule.is_bounded(effect(0.05, 1000))
    assert not rule.is_bounded(effect(math.nan, 1000))
    assert rule.rules_out(effect(0.049, 2), rule.delta)
    assert not rule.rules_out(effect(math.nan, 2), rule.delta)


def test_the_least_margin_is_the_smallest_delta_that_would_be_bounded():
    for high, questions in ((0.022, 64), (0.022, 400), (0.06, 30), (-0.1, 72)):
        found = effect(high, questions)
        least = Rule().least_margin(found)
        assert Rule().is_bounded(found, least * (1 + 1e-9)), (high, questions)
        assert not Rule().is_bounded(found, least * (1 - 1e-6)), (high, questions)
    assert math.isnan(Rule().least_margin(effect(math.nan, 72)))


def test_gradable_is_enough_and_equal_enough():
    rule = Rule(min_survival=0.5, max_survival_gap=0.25)
    assert rule.is_gradable([0.5, 0.75, 0.5, 0.75])
    assert not rule.is_gradable([0.5, 0.76])
    assert not rule.is_gradable([0.49, 0.5])
    assert rule.has_enough_gradable(0.5)
    assert not rule.has_enough_gradable(0.49) and not rule.has_enough_gradable(math.nan)
    assert not Rule(min_survival=1e-12).has_enough_gradable(0.0)  # however little is needed


@given(st.lists(SHARES, max_size=5), SHARES, SHARES, st.randoms())
def test_gradable_by_a_double_loop(rates, least, gap, random):
    """Each arm on its own, each pair of arms; neither their order nor empty arms matter."""
    rule = Rule(min_survival=least, max_survival_gap=gap)
    enough = all(rate >= least for rate in rates)
    alike = all(round(1000 * (a - b - gap)) <= 0 for a in rates for b in rates)
    assert rule.is_gradable(rates) is (enough and alike)
    mixed = [*rates, math.nan]
    random.shuffle(mixed)
    assert rule.is_gradable(mixed) is rule.is_gradable(rates)


def test_every_possible_candidate_and_the_standard_arm_share_the_error():
    rule = Rule(candidates=6)
    assert World(cues=8, questions=2).make_plan(rule).hypotheses == rule.hypotheses == 7
    assert World(cues=2, questions=2).make_plan(rule).hypotheses == 3
    assert World(cues=2, questions=2).make_plan(replace(rule, looks=1)).hypotheses == 7


def test_what_the_rule_works_out_does_not_enter_the_plan_hash():
    later = {"claim"}  # left out while it has its default, so that earlier plans keep their hash
    assert set(to_plain(Rule())) == {field.name for field in fields(Rule)} - later
    assert to_plain(Rule(claim=ClaimScope.THEMES))["claim"] == "themes"
    assert "looks" not in to_plain(Rule(looks=1)), "what plans from before looks were counted had"
    assert "edition" not in to_plain(Rule(edition=1)) and to_plain(Rule())["edition"] == 3
    assert to_plain(replace(Rule(), delta=0.1)) != to_plain(Rule())


_MADE = World(cues=2, questions=2).make_plan(Rule(looks=1, edition=1))
PLAN = replace(_MADE, questions=tuple(replace(q, family="f") for q in _MADE.questions))
SEQUENTIAL = replace(
    PLAN,
    sequential=Sequential(continuations=(Continuations("", ("a",), ("b",)),)),
    written=(WriterReply("k", "t"),),
    not_tested=("x",),
)
IMPORT = replace(PLAN, judge=IMPORTED, sampling=Sampling(math.nan, math.nan, max_tokens=0))


def test_plans_keep_the_hash_that_earlier_versions_froze_them_with():
    assert PLAN.hash == "91c9c5d290a30f8049cefab2c77a2ade1a312f53d76d1922af4817bda0671666"
    assert SEQUENTIAL.hash == "d1d52eb69aab9b586c622de0737db052be15c772b20dbe89445a60a8cdba75d1"
    assert IMPORT.hash == "325430aa5f275dad243905e40dfd6ca0ddfbdd617e5b5542c61a121294523ef5"


def test_where_a_plan_came_from_and_what_it_compares():
    assert PLAN.origin is Origin.AUDIT and IMPORT.origin is Origin.IMPORT
    assert PLAN.has_reference and PLAN.has_screening
    assert not replace(PLAN, models=PLAN.models[:1]).has_reference
    assert PLAN.models[0].role is Role.TARGET
    held_out = tuple(replace(q, split=Split.HELD_OUT) for q in PLAN.questions)
    assert not replace(PLAN, questions=held_out).has_screening


def test_only_the_matched_control_of_a_cue_is_a_placebo():
    cue = Cue("a", CueKind.PREFIX, Placement.BEFORE, "[a]", Source.USER)
    control = replace(cue, name="b", variant=Variant.PLACEBO, parent="a")
    assert control.is_placebo and not control.is_library_placebo and not cue.is_placebo
    assert replace(control, source=Source.LIBRARY).is_library_placebo
    assert "is_placebo" not in to_plain(control), "no field: the plan's hash stays"


def test_a_cue_keeps_its_id_and_gets_another_with_turns_or_parts():
    cue = Cue("a", CueKind.PREFIX, Placement.BEFORE, "[a]", Source.USER)
    assert cue.id == "330e0f08eee0"
    assert not {"turns", "parts", "values", "effect", "effect_low"} & set(to_plain(cue))
    found = replace(cue, effect=0.5, effect_low=0.4, values=("1",))
    assert found.id == cue.id
    assert to_plain(found)["effect"] == 0.5 and to_plain(found)["values"] == ["1"]
    assert to_plain(found.without_counts()) == to_plain(cue)
    # A NaN of another making, e.g. read from a file, is the default too.
    assert "effect" not in to_plain(replace(cue, effect=float("nan")))
    turns = (Message("user", "[a]"),)
    past = replace(cue, placement=Placement.HISTORY, turns=turns)
    assert past.id != replace(past, turns=turns * 2).id
    assert past.id == replace(past, text="shown otherwise").id
    alone = replace(cue, placement=Placement.AFTER)
    both = replace(cue, placement=Placement.CROSSED, parts=(*past.effects, *alone.effects))
    assert [part.id for part in both.effects] == [past.id, alone.id]
    other = replace(both, parts=(*cue.effects, *past.effects))
    assert len({cue.id, past.id, alone.id, both.id, other.id}) == 5
    assert alone.effects == (CuePart(Placement.AFTER, "[a]"),)


def test_a_cue_is_decided_by_four_arms_and_the_standard_arm_by_two():
    assert set(deciding_arms("a")) == {(role, name) for role in Role for name in ("a", None)}
    assert len(deciding_arms("a")) == 4
    assert deciding_arms(None) == tuple((role, None) for role in Role)
