"""Power by simulation against the closed forms and against what must hold."""

from __future__ import annotations

import math

import pytest

from dormant import stats
from dormant.errors import InputError

PLAN = stats.Schedule(screening_questions=64, held_out_questions=64)


@pytest.mark.parametrize("effect", [0.1, 0.12, 0.15])
def test_simulation_and_closed_form_agree(effect):
    """Within .08: the closed form takes the mean as normal; 400 worlds have an error of .025."""
    found = stats.simulate(effect, PLAN, worlds=400).found
    closed = stats.chance_to_find(
        effect, questions=64, design=stats.Design(answers=16, tests=PLAN.candidates + 1)
    )
    assert found == pytest.approx(closed, abs=0.08)


def test_nothing_is_bounded_and_rarely_found_at_delta():
    """A cue exactly at delta: 600 worlds, at most 30 + 27 by luck (1e-6) at the allowed 5%."""
    at_delta = stats.simulate(PLAN.delta, PLAN, worlds=600)
    assert at_delta.found <= 0.02
    assert at_delta.bounded <= 0.095
    assert stats.simulate(0.0, PLAN, worlds=100).bounded == 1.0


def test_questions_come_before_answers():
    few = stats.Schedule(screening_questions=40, held_out_questions=40)
    steps = []
    takes = stats.needed(0.12, few, worlds=200, progress=lambda *step: steps.append(step))
    assert [done for _, done, _ in steps[:-1]] == list(range(len(steps) - 1))
    assert steps[-1][1] == steps[-1][2] >= len(steps) > 5  # the end is told, and was not passed
    assert takes.questions is not None and 60 <= takes.questions <= 100
    assert takes.answers is None  # ICC .3: 512 answers to 40 questions are not enough
    assert takes.chances.found < 0.6
    asked = stats.Schedule(screening_questions=takes.questions, held_out_questions=takes.questions)
    assert stats.simulate(0.12, asked, worlds=200).found >= 0.8


def test_a_correlation_of_nought_makes_answers_worth_as_much_as_questions():
    alike = stats.Schedule(screening_questions=40, held_out_questions=40, icc=0.0)
    assert stats.needed(0.12, alike, worlds=200).answers is not None


def test_the_smallest_effect_is_where_the_chance_is():
    effect = stats.simulated_smallest_effect(PLAN, worlds=200)
    assert stats.simulate(effect, PLAN, worlds=200).found >= 0.8
    assert stats.simulate(effect - 0.01, PLAN, worlds=200).found < 0.8
    nothing = stats.Schedule(screening_questions=1, held_out_questions=1)
    assert math.isnan(stats.simulated_smallest_effect(nothing, worlds=50))


def test_bad_input_is_refused_with_its_value():
    with pytest.raises(InputError, match=r"effect lies from 0 to 1, got 1\.2"):
        stats.simulate(1.2, PLAN)
    with pytest.raises(InputError, match=r"power lies between 0 and 1, got 1"):
        stats.needed(0.1, PLAN, power=1)
    with pytest.raises(InputError, match="at least 1"):
        stats.Schedule(screening_questions=0, held_out_questions=8)
    with pytest.raises(InputError, match="shares"):
        stats.Schedule(screening_questions=8, held_out_questions=8, icc=1.5)
