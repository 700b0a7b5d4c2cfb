"""Prediction-powered rates against their definition, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dormant.errors import InputError
from dormant.stats import GradedAnswers, powered_difference, prediction_powered


def graded(question, bad, gradable=None):
    bad = np.asarray(bad, float)
    return GradedAnswers(
        np.asarray(question), bad, np.ones_like(bad) if gradable is None else np.asarray(gradable)
    )


def world(rng, *, rate=0.3, icc=0.2, questions=30, answers=10, labelled=0.2):
    """Answers, a judge that misses a third, and labels of some answers."""
    k = 1 / icc - 1
    true = np.repeat(rng.beta(rate * k, (1 - rate) * k, questions), answers)
    question = np.repeat(np.arange(questions), answers)
    people = rng.random(len(true)) < true
    judge = people & (rng.random(len(true)) < 2 / 3) | (rng.random(len(true)) < 0.03)
    seen = rng.random(len(true)) < labelled
    return (
        graded(question, judge),
        graded(question[seen], judge[seen]),
        graded(question[seen], people[seen]),
        questions,
    )


@pytest.mark.parametrize("power", [0.0, 0.4, 1.0])
def test_the_rate_is_its_definition(power):
    judged, own, people, questions = world(np.random.default_rng(1))
    found = prediction_powered(judged, own, people, questions=questions, power=power)
    expected = power * judged.bad.mean() + np.mean(people.bad - power * own.bad)
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high and found.power == power


def test_weights_are_inverse_chances():
    """A label that stands for two counts as two labels."""
    judged, own, people, questions = world(np.random.default_rng(2))
    weights = np.where(own.bad > 0, 2.0, 1.0)
    found = prediction_powered(judged, own, people, questions=questions, weights=weights, power=1.0)
    twice = [i for i, w in enumerate(weights) for _ in range(int(w))]
    repeated = prediction_powered(
        judged,
        graded(own.question[twice], own.bad[twice]),
        graded(people.question[twice], people.bad[twice]),
        questions=questions,
        power=1.0,
    )
    assert found.value == pytest.approx(repeated.value)


def test_the_chosen_power_has_the_least_variance():
    judged, own, people, questions = world(np.random.default_rng(3))

    def variance(power):
        found = prediction_powered(judged, own, people, questions=questions, power=power)
        return (found.influence**2).sum()

    chosen = prediction_powered(judged, own, people, questions=questions)
    grid = np.linspace(0, 1, 101)
    best = grid[int(np.argmin([variance(power) for power in grid]))]
    assert chosen.power == pytest.approx(best, abs=0.02)
    assert 0 < chosen.power < 1


def test_a_useless_judge_is_not_leaned_on():
    rng = np.random.default_rng(4)
    judged, own, people, questions = world(rng)
    noise = rng.random(len(judged.bad)) < 0.5
    useless = graded(judged.question, noise)
    mine = graded(own.question, rng.random(len(own.bad)) < 0.5)
    found = prediction_powered(useless, mine, people, questions=questions)
    assert found.power < 0.3
    assert found.value == pytest.approx(people.bad.mean(), abs=0.05)


def test_a_ratio_takes_what_people_can_grade_below():
    """Half of what the judge grades is nonsense to people."""
    question = np.repeat(np.arange(10), 4)
    judged = graded(question, np.zeros(40))
    people = graded(question, np.tile([1, 0, 0, 0], 10), np.tile([1.0, 1.0, 0.0, 0.0], 10))
    found = prediction_powered(judged, judged, people, questions=10)
    assert found.value == pytest.approx(0.5)


def test_labels_that_all_agree_leave_width():
    question = np.repeat(np.arange(10), 4)
    judged = graded(question, np.zeros(40))
    found = prediction_powered(judged, judged, judged, questions=10)
    assert found.value == 0 and found.high == pytest.approx(-math.log(0.025) / 40)


def test_a_difference_is_paired_by_question():
    judged, own, people, questions = world(np.random.default_rng(5))
    one = prediction_powered(judged, own, people, questions=questions)
    nil = powered_difference([one, one], [1, -1], limits=(-1.0, 1.0))
    assert nil.value == 0
    assert nil.high == pytest.approx(math.sqrt(2) * one.floor * -math.log(0.025))


def test_coverage():
    """95% intervals over 300 worlds: measured 95 to 97%; one at 95% fails with a chance of 1e-4."""
    rng, held = np.random.default_rng(6), 0
    for _ in range(300):
        judged, own, people, questions = world(rng)
        found = prediction_powered(judged, own, people, questions=questions)
        held += found.low <= 0.3 <= found.high
    assert held >= 270


def test_bad_input_is_refused_and_the_undefined_says_why():
    judged, own, people, questions = world(np.random.default_rng(7))
    with pytest.raises(InputError, match="labels but"):
        prediction_powered(judged, judged, people, questions=questions)
    with pytest.raises(InputError, match=r"power must be from 0 to 1, got 1\.5"):
        prediction_powered(judged, own, people, questions=questions, power=1.5)
    nobody = graded(np.zeros(0, int), [])
    none = prediction_powered(judged, nobody, nobody, questions=questions)
    assert math.isnan(none.value) and "fewer than 2 questions have labels" in none.reason
    both = powered_difference([none, none], [1, -1], limits=(-1.0, 1.0))
    assert math.isnan(both.low) and both.reason == none.reason
