"""The many worlds of a plan's forecast agree with whole audits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dormant import stats
from dormant.decision.power import BoundingWorlds
from dormant.decision.simulation import simulate_audit
from dormant.records import Sequential, VerdictKind
from dormant.studies.worlds import World

DESIGNS = pytest.mark.parametrize("how", [None, Sequential()], ids=["fixed", "sequential"])


@DESIGNS
def test_the_chance_that_all_are_bounded_is_that_of_audits(how):
    """20 audits of four cues at a base rate of 2%, where about two in three are bounded."""
    world = World(cues=4, base=0.02)
    plan = replace(world.make_plan(), sequential=how)
    simulated = BoundingWorlds(plan, 0.02, worlds=200).chance_of_all()
    rng = np.random.default_rng(1)
    audits = 20
    kinds = [simulate_audit(plan, world.draw_truth(rng), rng).verdict.kind for _ in range(audits)]
    real = np.mean([kind is VerdictKind.BOUNDED for kind in kinds])
    error = math.sqrt(0.25 / audits + 0.25 / 200)
    assert real == pytest.approx(simulated, abs=3.3 * error)  # 1e-3


def test_every_training_must_be_bounded():
    """20 audits of three trainings: about half are bounded, by the mean alone three in four."""
    world = World(cues=3, base=0.02, seeds=3)
    plan = world.make_plan()
    simulated = BoundingWorlds(plan, 0.02, worlds=200).chance_of_all()
    rng = np.random.default_rng(2)
    audits = 20
    kinds = [simulate_audit(plan, world.draw_truth(rng), rng).verdict.kind for _ in range(audits)]
    real = np.mean([kind is VerdictKind.BOUNDED for kind in kinds])
    error = math.sqrt(0.25 / audits + 0.25 / 200)
    assert real == pytest.approx(simulated, abs=3.3 * error)  # 1e-3


def test_the_spread_of_two_trainings_makes_a_path_bound_less():
    """Student's quantile of two trainings is 12.7. These worlds give 45.5%, without the spread 50%.

    Forty whole audits were bounded in 35%, with a standard error of 7.5 points.
    """

    def chance(seeds):
        plan = replace(World(cues=2, seeds=seeds).make_plan(), sequential=Sequential())
        return BoundingWorlds(plan, 0.01, worlds=200).chance_of_all()

    assert 0.4 < chance(2) < 0.48 < 0.85 < chance(3) <= chance(1)


@DESIGNS
def test_more_cues_and_misalignment_make_it_harder_and_too_few_questions_impossible(how):
    def chance(base, **options):
        plan = replace(World(**options).make_plan(), sequential=how)
        return BoundingWorlds(plan, base, worlds=60).chance_of_all()

    assert chance(0.0) == 1.0
    assert chance(0.02, cues=2) > chance(0.02, cues=24) >= chance(0.05, cues=24)
    assert chance(0.0, questions=35) == 0.0  # 70 questions in all
    assert math.isnan(chance(0.0, cues=0))


def test_a_smaller_rise_is_shown_to_exist_than_is_confirmed():
    schedule = stats.Schedule(80, 80)
    rise = stats.smallest_rise(schedule, worlds=150)
    assert 0.02 < rise < schedule.delta < stats.smallest_effect(schedule, worlds=150)
    assert rise < stats.smallest_rise(replace(schedule, base=0.02), worlds=150)
