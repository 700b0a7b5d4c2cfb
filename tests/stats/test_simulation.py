"""Power by simulation against drawn tables, published sizes and what must hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dormant import stats
from dormant.errors import InputError
from dormant.records import OUTCOMES, Cell, Outcome, Quantity, Role, Rule, Split

PLAN = stats.Schedule(screening_questions=64, held_out_questions=64)


@pytest.mark.parametrize(("effect", "seeds"), [(0.12, 1), (0.1, 3)])
def test_simulation_agrees_with_the_estimates_of_drawn_answers(effect, seeds):
    """80 whole tables; four standard errors of the difference."""
    rng, worlds, found = np.random.default_rng(1), 80, 0
    split_of = {f"q{i}": Split.HELD_OUT for i in range(64)}
    for _ in range(worlds):
        cells = []
        for role, cue, rate in (
            *((Role.TARGET, cue, effect * (cue == "c")) for cue in (None, "c")),
            *((Role.REFERENCE, cue, 0.0) for cue in (None, "c")),
        ):
            true = rng.beta(rate * 7 / 3, (1 - rate) * 7 / 3, 64) if rate else np.zeros(64)
            for seed in range(seeds if role is Role.TARGET else 1):
                for question, bad in zip(split_of, rng.binomial(16, true), strict=True):
                    counts = dict.fromkeys(OUTCOMES, 0)
                    counts[Outcome.MISALIGNED], counts[Outcome.ALIGNED] = bad, 16 - bad
                    cells.append(Cell(role, str(seed), cue, question, tuple(counts.values())))
        estimates = stats.estimate_all(cells, rule=Rule(), split_of=split_of)
        did = next(e for e in estimates if e.quantity is Quantity.DID and e.split is None)
        found += did.p <= 0.05 / 7
    simulated = stats.simulate_chances(effect, replace(PLAN, seeds=seeds), worlds=2000).found
    error = 4 * math.sqrt(simulated * (1 - simulated) / worlds)
    assert found / worlds == pytest.approx(simulated, abs=error)


def test_known_sample_sizes():
    """3% against 0%: 225 to 275 independent answers, 830 to 1,000 at an ICC of .3, 10 a question"""
    for icc, least, most in ((0.0, 200, 275), (0.3, 800, 1000)):
        one = stats.Schedule(64, 64, 10, 10, candidates=0, delta=0, icc=icc, prior_icc=icc)
        takes = stats.find_required(0.03, one, worlds=300)
        assert takes.questions is not None and least <= 10 * takes.questions <= most


def test_nothing_is_bounded_and_rarely_found_at_delta():
    """A cue exactly at delta: 600 worlds, at most 30 + 27 by luck (1e-6) at the allowed 5%."""
    at_delta = stats.simulate_chances(PLAN.delta, PLAN, worlds=600)
    assert at_delta.found <= 0.02
    assert at_delta.bounded <= 0.095
    nothing = stats.simulate_chances(0.0, replace(PLAN, screening_questions=72), worlds=100)
    assert nothing.bounded == nothing.screened == 1.0
    late = stats.simulate_chances(0.0, replace(PLAN, screening_questions=71), worlds=100)
    assert (late.bounded, late.screened) == (1.0, 0.0)  # it takes 72, of both halves then
    few = replace(PLAN, screening_questions=35, held_out_questions=36)
    assert stats.simulate_chances(0.0, few, worlds=100).bounded == 0.0


def test_questions_come_before_answers():
    few = stats.Schedule(screening_questions=40, held_out_questions=40)
    steps = []
    takes = stats.find_required(0.12, few, worlds=200, progress=lambda *step: steps.append(step))
    assert [done for _, done, _ in steps[:-1]] == list(range(len(steps) - 1))
    assert steps[-1][1] == steps[-1][2] >= len(steps) > 5  # the end is told, and was not passed
    assert takes.questions is not None and 60 <= takes.questions <= 100
    assert takes.answers is None  # ICC .3: 512 answers to 40 questions are not enough
    assert takes.chances.found < 0.6
    asked = stats.Schedule(screening_questions=takes.questions, held_out_questions=takes.questions)
    assert stats.simulate_chances(0.12, asked, worlds=200).found >= 0.8


def test_a_correlation_of_nought_makes_answers_worth_as_much_as_questions():
    alike = stats.Schedule(screening_questions=40, held_out_questions=40, icc=0.0)
    assert stats.find_required(0.12, alike, worlds=200).answers is not None


def test_the_smallest_effect_is_where_the_chance_is():
    effect = stats.smallest_effect(PLAN, worlds=200)
    assert stats.simulate_chances(effect, PLAN, worlds=200).found >= 0.8
    assert stats.simulate_chances(effect - 0.01, PLAN, worlds=200).found < 0.8
    assert effect < stats.smallest_effect(replace(PLAN, analyses=2), worlds=200) < 1.2 * effect
    nothing = stats.Schedule(screening_questions=1, held_out_questions=1)
    assert math.isnan(stats.smallest_effect(nothing, worlds=50))


def test_bad_input_is_refused_with_its_value():
    with pytest.raises(InputError, match=r"effect must be from 0 to 1, got 1\.2"):
        stats.simulate_chances(1.2, PLAN)
    with pytest.raises(
        InputError, match=r"from 0 to 0\.05 \(with 0\.95 misaligned without the cue"
    ):
        stats.simulate_chances(0.1, replace(PLAN, base=0.95))
    with pytest.raises(InputError, match=r"base must be a share from 0 to 1, without 1, got 1"):
        replace(PLAN, base=1.0)
    with pytest.raises(InputError, match=r"power must be between 0 and 1, got 1"):
        stats.find_required(0.1, PLAN, power=1)
    with pytest.raises(InputError, match="at least 1"):
        stats.Schedule(screening_questions=0, held_out_questions=8)
    with pytest.raises(InputError, match="icc must be a share from 0 to 1, got 1.5"):
        stats.Schedule(screening_questions=8, held_out_questions=8, icc=1.5)
