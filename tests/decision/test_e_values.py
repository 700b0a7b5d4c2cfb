"""The wealth that a sequential audit leaves: what it shows, and that wealths may be multiplied."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dormant.decision.simulation import simulate_audit
from dormant.records import Role, Rule, Sequential, Split, VerdictKind
from dormant.stats.betting import Bets
from dormant.studies.worlds import World


def test_an_audit_holds_the_wealth_of_every_cue_that_was_asked():
    world = World(cues=3, rates={(Role.TARGET, "cue-0"): 0.9})
    rng = np.random.default_rng(1)
    plan = replace(world.make_plan(), sequential=Sequential(until="cues"))
    decision = simulate_audit(plan, world.draw_truth(rng), rng)
    assert decision.verdict.kind is VerdictKind.CONDITIONAL
    found = {(e.cue, e.split): e for e in decision.e_values}
    assert {cue for cue, _ in found} == {None, "cue-0", "cue-1", "cue-2"}
    assert found["cue-0", Split.HELD_OUT].log_above > math.log(7 / 0.05)
    assert found["cue-1", None].log_below > math.log(2 / 0.05) > found["cue-1", None].log_above
    assert found["cue-1", None].questions >= 59


def test_the_fixed_design_has_none():
    world = World(cues=1)
    rng = np.random.default_rng(1)
    assert not simulate_audit(world.make_plan(), world.draw_truth(rng), rng).e_values


def test_extending_an_undecided_audit_keeps_the_error():
    rng = np.random.default_rng(5)
    rows, limit = 4_000, math.log(1 / 0.05)

    def bet() -> np.ndarray:
        """Log-wealth against "at most delta" where the mean is delta, forty questions."""
        bets = Bets(rows, delta=0.05, tail=0.025, interval=False)
        for _ in range(40):
            bets.bet_on(rng.binomial(1, 0.05, rows).astype(float))
        return np.array([bets.e_values(row, 0.05)[0] for row in range(rows)])

    first = bet()
    undecided = (first > 0) & (first < limit)  # promising: worth another audit
    total = np.where(undecided, first + bet(), first)
    assert np.exp(first).mean() < 1.1 and np.exp(total).mean() < 1.1
    assert (total >= limit).mean() <= 0.05
    assert undecided.sum() > 100


def test_the_wealth_of_a_bound_is_that_of_the_training_that_won_least():
    """A cue at 20 points in one of three trainings is soon ruled out for their mean alone."""
    world = World(cues=1, seeds=3, icc=0.0, first_training={"cue-0": 0.2})
    rng = np.random.default_rng(0)
    plan = replace(world.make_plan(Rule(delta=0.1)), sequential=Sequential(until="cues"))
    decision = simulate_audit(plan, world.draw_truth(rng), rng)
    found = {(e.cue, e.split): e for e in decision.e_values}
    assert found["cue-0", None].log_below < 0  # not of the mean, which is 6.7 points
    assert found[None, None].log_below > math.log(2 / 0.05)
