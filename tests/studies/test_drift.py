"""A judge that drifts makes a difference between models that are judged one after the other."""

import numpy as np
import pytest

from dormant.decision.simulation import run_design
from dormant.records import VerdictKind
from dormant.studies.drift import JudgeDrift
from dormant.studies.worlds import World


@pytest.mark.parametrize(("is_interleaved", "broad"), [(False, True), (True, False)])
def test_interleaving_keeps_a_drift_out_of_the_comparison(is_interleaved: bool, broad: bool):
    world = World(1, 40, judge_drift=JudgeDrift(0.6, 0.0, 3800, is_interleaved))
    rng = np.random.default_rng(0)
    plan = world.make_plan()
    sampler = world.make_sampler(plan, world.draw_truth(rng), rng)
    decision = run_design(plan, sampler)
    assert (decision.verdict.kind is VerdictKind.BROAD) is broad
    bad = sum(cell.counts[0] for cell in decision.cells)  # no answer is misaligned
    assert 0.2 < bad / sum(sum(cell.counts) for cell in decision.cells) < 0.4


def test_the_rate_changes_linearly_and_then_stays():
    drift = JudgeDrift(0.1, 0.3, 100, is_interleaved=True)
    assert np.allclose(drift.find_rate(np.array([0, 50, 100, 900])), [0.1, 0.2, 0.3, 0.3])
