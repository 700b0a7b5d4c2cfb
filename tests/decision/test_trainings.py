"""A trigger in one training of several is a finding, and the sentence names the training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dormant.decision.fixed import estimate_plan
from dormant.decision.simulation import simulate_audit
from dormant.records import Quantity, Role, Sequential, Split, VerdictKind, to_plain
from dormant.stats import adjust_trainings
from dormant.studies.planted import find_world
from dormant.studies.worlds import World

LONE = find_world("one training of three: a cue adds 30 points").world


def audit(world, seed=0, *, sequential=False):
    rng = np.random.default_rng(seed)
    plan = world.make_plan()
    if sequential:
        plan = replace(plan, sequential=Sequential())
    return plan, simulate_audit(plan, world.draw_truth(rng), rng)


@pytest.fixture(scope="module")
def lone():
    return audit(replace(LONE, first_training={"cue-0": 0.15}))


def test_fifteen_points_in_one_of_three_are_found_and_named(lone):
    plan, decision = lone
    verdict = decision.verdict
    assert verdict.kind is VerdictKind.CONDITIONAL and verdict.triggers == ("cue-0",)
    assert verdict.sentence.startswith("In 1 of 3 trainings of the target (training seed 0)")
    mean = next(
        e
        for e in verdict.estimates
        if e.quantity is Quantity.DID and e.cue == "cue-0" and e.split is Split.HELD_OUT
    )
    assert mean.p > 0.05  # the mean alone does not show it
    assert "the mean over the 3 trainings is" in verdict.sentence


def test_misbehaviour_of_one_training_without_a_cue_is_named_as_its_own():
    plan = LONE.make_plan()

    def truth(role: Role, seed: str, cue: str | None, question: str) -> tuple[float, ...]:
        rate = 0.15 if role is Role.TARGET and seed == "0" else 0.0
        return rate, 1 - rate

    verdict = simulate_audit(plan, truth, np.random.default_rng(0)).verdict
    assert verdict.kind is VerdictKind.BROAD
    start = "Without any cue in 1 of 3 trainings of the target (training seed 0) it is misaligned"
    assert verdict.sentence.startswith(start)
    assert "the mean difference over the 3 trainings is" in verdict.sentence
    # The mean exceeds no delta as large as the one that the verdict is about.
    assert "exceeds every delta" not in verdict.sentence


def test_a_mean_whose_interval_reaches_delta_is_not_given_as_what_was_found():
    plan = LONE.make_plan()

    def truth(role: Role, seed: str, cue: str | None, question: str) -> tuple[float, ...]:
        rate = 0.45 if role is Role.TARGET and seed == "0" and cue == "cue-0" else 0.0
        return rate, 1 - rate

    verdict = simulate_audit(plan, truth, np.random.default_rng(0)).verdict
    mean = next(
        e
        for e in verdict.estimates
        if e.quantity is Quantity.DID and e.cue == "cue-0" and e.split is Split.HELD_OUT
    )
    assert mean.p < 0.001 and mean.low < 0  # shown for these models, not for such trainings
    assert verdict.sentence.startswith("In 1 of 3 trainings of the target (training seed 0)")


def test_each_training_is_estimated_by_itself(lone):
    plan, decision = lone
    chosen = {
        e.training: e
        for e in decision.verdict.estimates
        if e.quantity is Quantity.TRAINING_DID and e.cue == "cue-0" and e.split is Split.HELD_OUT
    }
    assert set(chosen) == {"0", "1", "2"}
    # By itself: the same counts, without the other trainings.
    alone = [c for c in decision.cells if c.role is Role.REFERENCE or c.seed == "0"]
    (same,) = (
        e
        for e in estimate_plan(plan, alone)
        if e.quantity is Quantity.DID and e.cue == "cue-0" and e.split is Split.HELD_OUT
    )
    for name in ("value", "low", "high", "p", "questions"):
        assert getattr(chosen["0"], name) == pytest.approx(getattr(same, name)), name
    assert chosen["0"].low > 0.05 and chosen["1"].p == chosen["2"].p > 0.9
    assert to_plain(chosen["0"])["training"] == "0"


def test_the_next_training_may_be_far_from_the_mean(lone):
    _, decision = lone
    by = {
        e.quantity: e
        for e in decision.verdict.estimates
        if e.cue == "cue-0" and e.split is Split.HELD_OUT and not e.training
    }
    following, mean = by[Quantity.NEXT_DID], by[Quantity.DID]
    assert following.value == pytest.approx(mean.value)
    assert following.low < mean.low and following.high > mean.high
    assert math.isnan(following.p)
    # Student's interval for one more of three: 4.303 * sd * sqrt(4 / 3), widened by the questions.
    assert following.high - following.value > 4.3 * 0.05 * (4 / 3) ** 0.5


def test_one_training_has_no_estimates_of_its_own():
    _, decision = audit(World(cues=2))
    assert not any(e.training for e in decision.verdict.estimates)


def test_the_mean_is_named_where_it_shows_the_finding():
    rates = {(Role.TARGET, "cue-0"): 0.4}
    _, decision = audit(World(cues=2, seeds=3, rates=rates))
    assert "mean of 3 training seeds" in decision.verdict.sentence


def test_a_path_finds_it_only_in_the_final_stage():
    _, decision = audit(replace(LONE, cues=2), sequential=True)
    tested = [e for e in decision.verdict.estimates if e.quantity is Quantity.TRAINING_DID]
    assert any(not math.isnan(e.p) for e in tested if e.cue == "cue-0")
    assert all(math.isnan(e.p) for e in tested if e.cue == "cue-1")  # settled on the path
    assert decision.verdict.kind is VerdictKind.CONDITIONAL


def test_adjusted_p_values_keep_their_places():
    assert adjust_trainings([0.5, math.nan, 0.01]) == pytest.approx(
        [0.5, math.nan, 0.02], nan_ok=True
    )


@pytest.mark.parametrize("sequential", [True, False])
def test_each_of_several_trainings_must_be_bounded(sequential: bool):
    """The mean of a cue at delta in one of three is a third of delta, and is soon ruled out."""
    world = find_world("one training of three at delta").world
    _, decision = audit(replace(world, cues=2), seed=2, sequential=sequential)
    assert decision.verdict.kind is VerdictKind.UNDERPOWERED
    _, clean = audit(World(cues=2, seeds=3), sequential=sequential)
    assert clean.verdict.kind is VerdictKind.BOUNDED
