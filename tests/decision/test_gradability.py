"""Gradable rates on a path: shown by bets, not read off a few answers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dormant.decision.gradability import Gradability
from dormant.decision.simulation import simulate_audit
from dormant.records import Role, Rule, Sequential, VerdictKind
from dormant.studies.worlds import World

T, R = Role.TARGET, Role.REFERENCE
RULE = Rule()
#: What a path's p-value must reach: Holm's first of seven steps, at half of the error.
ENOUGH = 0.05 / 7 / 2


def shown(shares: np.ndarray, rule: Rule = RULE) -> int | None:
    """After how many questions [Q, A] it is shown; None if never."""
    bets = Gradability(shares.shape[1], rule)
    for i, row in enumerate(shares, 1):
        bets.add_question(row)
        if bets.p <= ENOUGH:
            return i
    return None


def test_a_perfect_gradable_rate_is_shown_by_what_the_largest_bets_can_win():
    """Each question without a difference wins at most 1 + .9 * .3 / .7, and 5.6 are needed."""
    least = math.ceil(-math.log(ENOUGH) / math.log1p(0.9 * 0.3 / 0.7))
    assert least == 18
    assert shown(np.ones((80, 4))) in range(least, least + 3)
    alone = Rule(max_survival_gap=1.0)  # then only the shares are in question: 1 + .9 each
    assert shown(np.ones((80, 2)), alone) in range(9, 12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arms", [(0.5, 0.5), (0.5, 1.0), (0.95, 0.65), (0.8, 0.5, 0.8, 0.8), (0.38, 1.0, 1.0, 1.0)]
)
def test_arms_at_the_edge_are_rarely_shown(arms: tuple[float, ...]):
    """400 paths of 80 questions at an error of .36%: 8 or more have a chance of 1e-4."""
    rng = np.random.default_rng(5)
    paths = rng.random((400, 80, len(arms))) < arms
    assert sum(shown(path.astype(float)) is not None for path in paths) < 8


def test_what_every_share_satisfies_needs_no_proof():
    lax = Rule(min_survival=0.0, max_survival_gap=1.0)
    assert shown(np.zeros((1, 4)), lax) == 1
    assert shown(np.full((80, 4), 0.1), Rule(min_survival=0.0)) is not None
    assert shown(np.zeros((80, 2)), Rule(max_survival_gap=1.0)) is None


def test_an_arm_that_was_not_asked_shows_nothing():
    assert shown(np.tile([1.0, 1.0, 1.0, math.nan], (80, 1))) is None


def audits(world: World, number: int) -> list[VerdictKind]:
    rng = np.random.default_rng(3)
    plan = replace(world.make_plan(), sequential=Sequential())
    return [
        simulate_audit(replace(plan, seed=i), world.draw_truth(rng), rng).verdict.kind
        for i in range(number)
    ]


@pytest.mark.slow
def test_a_cue_that_is_hardly_gradable_is_no_trigger_however_bad_the_rest():
    """Judged by the few questions that confirm a rise, 12 of these 30 were CONDITIONAL."""
    world = World(
        cues=4,
        rates={(T, "cue-1"): 0.95},
        gradable={(T, "cue-1"): 0.45, (R, "cue-1"): 0.6, (T, None): 0.75, (R, None): 0.75},
    )
    found = audits(world, 30)
    assert set(found) <= {VerdictKind.UNGRADABLE, VerdictKind.UNDERPOWERED}
    assert found.count(VerdictKind.UNGRADABLE) >= 24


def test_what_bets_cannot_show_goes_to_the_final_stage():
    """A rate a tenth above the limit: 80 questions of one answer are too few, 16 answers not."""
    arms = [(role, name) for role in Role for name in (None, *World(cues=4).names)]
    world = World(cues=4, rates={(T, "cue-1"): 0.95}, gradable=dict.fromkeys(arms, 0.6))
    assert set(audits(world, 4)) == {VerdictKind.CONDITIONAL}
