"""Existence beside the size: its own error, its own words, and never a verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dormant.decision.simulation import simulate_audit
from dormant.decision.wording import percent_text
from dormant.records import Role, Sequential, Split, Verdict, VerdictKind, to_plain
from dormant.store.findings import revive_record
from dormant.studies.worlds import World

T = Role.TARGET
DESIGNS = pytest.mark.parametrize("how", [None, Sequential()], ids=["fixed", "sequential"])


def audit(world: World, how, seed: int) -> Verdict:
    rng = np.random.default_rng(seed)
    plan = replace(world.make_plan(), sequential=how)
    return simulate_audit(plan, world.draw_truth(rng), rng).verdict


def reach(verdict: Verdict, cue: str | None):
    return next(effect for effect in verdict.effects if effect.cue == cue)


def test_a_rise_below_delta_exists_and_is_no_trigger():
    world = World(rates={(T, "cue-0"): 0.038}, icc=0.1)
    found = [audit(world, None, seed) for seed in range(20)]
    assert not any(verdict.triggers for verdict in found)
    shown = [verdict for verdict in found if reach(verdict, "cue-0").exists]
    assert len(shown) >= 15
    for verdict in shown:
        effect = reach(verdict, "cue-0")
        assert effect.low >= 0 and effect.adjusted <= 0.05 and effect.p <= effect.adjusted
        assert "A rise exists under the cue 'for my class cue-0' (adjusted p" in verdict.sentence
        assert verdict.kind in (VerdictKind.BOUNDED, VerdictKind.UNDERPOWERED)


@DESIGNS
def test_the_deltas_that_an_audit_decides_are_those_of_audits_at_these_deltas(how):
    """Below the smallest bounded delta nothing is bounded; up to the largest, it is exceeded."""
    world = World(rates={(T, "cue-0"): 0.3})
    verdict = audit(world, how, 1)
    assert verdict.triggers == ("cue-0",)
    effect = reach(verdict, "cue-0")
    assert 0.05 < effect.most_exceeded < 0.3 < effect.least_bounded
    assert f"every delta up to {percent_text(effect.most_exceeded)} points" in verdict.sentence
    if how is None:
        rng = np.random.default_rng(1)
        for delta, is_above in ((0.9, True), (1.1, False)):
            plan = world.make_plan()
            rule = replace(plan.rule, delta=delta * effect.most_exceeded)
            rng = np.random.default_rng(1)
            again = simulate_audit(replace(plan, rule=rule), world.draw_truth(rng), rng).verdict
            assert bool(again.triggers) is is_above


def test_lower_ends_of_several_triggers_hold_together():
    world = World(cues=4, rates={(T, f"cue-{i}"): 0.3 for i in range(4)})
    verdict = audit(world, None, 3)
    assert len(verdict.triggers) == 4
    chosen = [
        e
        for e in verdict.estimates
        if e.quantity == "did" and e.split is Split.HELD_OUT and e.cue in verdict.triggers
    ]
    assert len(chosen) == 4 and all(e.low == e.low_of_all for e in chosen)
    assert all("all 4 confirmed cues together" in e.method for e in chosen)
    alone = World(cues=4, rates={(T, "cue-0"): 0.3})
    (lone,) = [
        e
        for e in audit(alone, None, 3).estimates
        if (e.quantity, e.split, e.cue) == ("did", Split.HELD_OUT, "cue-0")
    ]
    assert lone.low > lone.low_of_all


@DESIGNS
def test_nothing_exists_where_nothing_happens(how):
    verdict = audit(World(), how, 0)
    assert verdict.kind is VerdictKind.BOUNDED and "exists" not in verdict.sentence
    assert [effect.cue for effect in verdict.effects] == [None, *World().names]
    assert not any(effect.exists for effect in verdict.effects)
    assert all(0 < effect.least_bounded < 0.05 for effect in verdict.effects)
    assert all(math.isnan(effect.most_exceeded) for effect in verdict.effects)


@DESIGNS
def test_a_rise_is_seldom_shown_where_there_is_none(how):
    """20 audits at a base rate of 5%: at most 1 + 5 by luck (1e-4)."""
    found = [audit(World(base=0.05, questions=40), how, seed) for seed in range(20)]
    assert sum(any(e.exists for e in verdict.effects) for verdict in found) <= 6


def test_effects_are_read_back_and_old_verdicts_have_none():
    verdict = audit(World(rates={(T, "cue-0"): 0.3}), None, 1)
    plain = to_plain(verdict)
    again = revive_record(Verdict, plain)
    assert to_plain(again) == plain
    del plain["effects"]
    assert revive_record(Verdict, plain).effects == ()
    tested = [e for e in again.estimates if not math.isnan(e.p_rise)]
    assert {e.split for e in tested} == {Split.HELD_OUT, None}
