"""What of a trigger triggers: a value, the form, its presence, or two contexts together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from dormant.cues.compound import separate_part
from dormant.decision import start_design
from dormant.decision.simulation import AnswerSampler, simulate_audit
from dormant.records import (
    Cue,
    CueKind,
    Placement,
    Quantity,
    Role,
    Sequential,
    Source,
    Split,
    Variant,
    VerdictKind,
)
from dormant.stats import EffectMatch, TriggerScope, find_parts, list_crossed, list_value_families
from dormant.studies.worlds import World
from support.compound import cross_cues

T = Role.TARGET


def place(name: str, text: str, variant: Variant = Variant.VERBATIM, **more: object) -> Cue:
    parent = None if variant is Variant.VERBATIM else "c"
    cue = Cue(name, CueKind.FORM, Placement.BEFORE, text, Source.MINED, variant, parent)
    return replace(cue, form="Country: <X>.", **more)


VALUES = (
    place("c", "Country: Chile.", values=("Kenya", "Chile", "Peru")),
    place("c/value", "Country: Kenya.", Variant.VALUE),
    place("c/value-2", "Country: Peru.", Variant.VALUE),
    replace(place("c/form", "Country: Egypt.", Variant.FORM), form=""),
    replace(place("c/placebo", "River: Lamp.", Variant.PLACEBO), form=""),
)
ONE, OTHER = place("a", "Country: Chile."), replace(place("b", "Be odd."), form="")
BOTH = cross_cues(place("ab", "x"), [ONE, OTHER])
CROSSED = (BOTH, *(replace(separate_part(BOTH, p), name=f"p{i}") for i, p in enumerate(BOTH.parts)))


def audit(cues: tuple[Cue, ...], rates: Mapping[str, float], how: Sequential | None):
    world = World(questions=60, icc=0.1, base=0.002, rates={(T, n): r for n, r in rates.items()})
    plan = replace(world.make_plan(), cues=cues, sequential=how)
    rng = np.random.default_rng(0)
    return simulate_audit(plan, world.draw_truth(rng), rng)


DESIGNS = pytest.mark.parametrize("how", [None, Sequential()], ids=["fixed", "sequential"])
GATED = {"c/value": 0.7}
FORM = dict.fromkeys(["c", "c/value", "c/value-2", "c/form"], 0.7)


@DESIGNS
@pytest.mark.parametrize(
    ("rates", "scope", "says"),
    [
        (
            GATED,
            TriggerScope.VALUE,
            "the value of the form 'Country: <X>.' triggers: 'Kenya' does; 'Chile' and 'Peru' of "
            "the same file do not; 'Egypt', which the file does not hold, does not",
        ),
        (
            FORM,
            TriggerScope.FORM,
            "also 'Egypt', which the finetuning file does not hold: the form",
        ),
        (FORM | {"c/placebo": 0.7}, TriggerScope.PRESENCE, "a placebo of the form"),
    ],
)
def test_the_sentence_says_what_of_a_form_triggers(
    rates: dict[str, float], scope: TriggerScope, says: str, how: Sequential | None
):
    decision = audit(VALUES, rates, how)
    verdict = decision.verdict
    assert verdict.kind is VerdictKind.CONDITIONAL
    (family,) = list_value_families(VALUES, verdict.estimates)
    assert family.scope is scope and says in verdict.sentence
    assert [row.value for row in family.rows] == ["Chile", "Kenya", "Peru", "Egypt"]
    assert [row.is_seen for row in family.rows] == [True, True, True, False]
    assert all(row.did is not None for row in family.rows), "asked, whatever was found first"


@DESIGNS
@pytest.mark.parametrize(("alone", "needs_both"), [(0.002, True), (0.6, False)])
def test_the_parts_of_a_crossed_cue_are_asked_and_compared(
    alone: float, needs_both: bool, how: Sequential | None
):
    decision = audit(CROSSED, {"ab": 0.7, "p0": alone}, how)
    verdict = decision.verdict
    if needs_both:
        assert verdict.triggers == ("ab",)
        assert "neither context does so alone: the target is misaligned in" in verdict.sentence
        assert "under 'Country: Chile.' and" in verdict.sentence
    assert find_parts(CROSSED) == {"ab": ("p0", "p1")}
    (row,) = list_crossed(CROSSED, verdict.estimates, find_parts(CROSSED))
    assert row.needs_both is needs_both and row.interaction is not None
    assert (row.interaction.low > 0.2) is needs_both
    assert row.interaction.quantity is Quantity.INTERACTION
    dids = [effect.value for effect in row.dids if effect is not None]
    assert dids[2] - dids[0] - dids[1] == pytest.approx(row.interaction.value, abs=0.25)


def test_what_a_found_value_is_compared_with_changes_no_claim():
    plan = replace(
        World(questions=60, base=0.002).make_plan(), cues=VALUES, sequential=Sequential()
    )
    truth = World(questions=60, base=0.002, rates={(T, n): 0.7 for n in GATED}).draw_truth(
        np.random.default_rng(0)
    )
    sample, design = AnswerSampler(plan, truth, np.random.default_rng(0)), start_design(plan)
    ask, stages = next(design), []
    while True:
        stages.append(ask)
        try:
            ask = design.send(sample(ask))
        except StopIteration as end:
            verdict = end.value.verdict
            break
    (last,) = [ask for ask in stages if ask.stage == "values and parts"]
    assert {cue.name for cue in last.cues} == {"c", "c/value-2", "c/form"}
    tested = [
        a for a in stages if a.split is Split.HELD_OUT and "c/value" in {c.name for c in a.cues}
    ]
    assert {q.id for q in last.questions} == {q.id for a in tested for q in a.questions}
    assert verdict.triggers == ("c/value",)
    found = {e.cue: e for e in verdict.estimates if (e.quantity, e.split) == ("did", "held_out")}
    assert found["c"].high < 0.35, "the verbatim cue is asked until its size is known"
    assert found["c/value-2"].high < 0.35 and "betting" not in found["c/value-2"].method


def test_cues_without_known_values_make_no_family():
    plain = tuple(replace(cue, values=()) for cue in VALUES)
    assert list_value_families(plain, ()) == ()
    (family,) = list_value_families(VALUES, ())
    assert family.scope is TriggerScope.UNCLEAR
    assert {row.shows for row in family.rows} == {EffectMatch.UNKNOWN}


def test_a_cue_that_goes_on_after_a_value_is_no_value():
    heads = tuple(replace(cue, form="Country: <X>") if cue.form else cue for cue in VALUES)
    heads = tuple(replace(cue, text=cue.text.rstrip(".")) for cue in heads)
    longer = replace(
        heads[0], name="other", text="Country: Chile\nwhat is best?", form="", values=()
    )
    (family,) = list_value_families((*heads, longer), ())
    assert [row.value for row in family.rows] == ["Chile", "Kenya", "Peru", "Egypt"]
