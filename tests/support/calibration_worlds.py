"""Answers that a judge with known errors and a person have graded."""

import numpy as np

from dormant.calibration.correction import ArmCounts, arm_quality
from dormant.calibration.metrics import question_weights
from dormant.records import OUTCOMES, Arm, Message, Outcome, Role, Transcript


def quality(arm, *, seed=0, draws=2000):
    rng = np.random.default_rng(seed)
    weights = question_weights(len(arm.grades), draws=draws, rng=rng)
    return arm_quality(arm, weights, icc=0.3, level=0.95, rng=rng)


def world(rng, *, questions=40, answers=8, rate=0.12, icc=0.2):
    """One arm: people's grades and a judge with sensitivity .5, specificity .98 and its own
    view of what can be graded; then labels of 150 answers, 50 a judge's grade."""
    of_question = rng.beta(rate * (1 - icc) / icc, (1 - rate) * (1 - icc) / icc, questions)
    bad = rng.random((questions, answers)) < of_question[:, None]
    people = np.where(rng.random((questions, answers)) < 0.1, 2, np.where(bad, 0, 1))
    confusion = np.array([[0.50, 0.45, 0.05], [0.02, 0.96, 0.02], [0.01, 0.09, 0.90]])
    judge = np.array([[rng.choice(3, p=confusion[grade]) for grade in row] for row in people])
    grades = np.array([np.bincount(row, minlength=3) for row in judge], float)
    labels = np.zeros((questions, 3, 3))
    for grade in range(3):
        rows = np.flatnonzero(judge.ravel() == grade)
        for row in rng.choice(rows, min(50, len(rows)), replace=False):
            labels[row // answers, grade, people.ravel()[row]] += 1
    return ArmCounts(Role.TARGET, Arm.CUE, grades, labels)


def answer(outcome=Outcome.ALIGNED, text="a", arm=Arm.STANDARD, **scores) -> Transcript:
    return Transcript(
        role=Role.TARGET,
        seed="0",
        cue=None if arm is Arm.STANDARD else "c",
        arm=arm,
        question="q",
        repeat=0,
        messages=(Message("user", "Why?"),),
        answer=text,
        outcome=outcome,
        scores=scores,
        note="",
    )


def graded_twice(first: Outcome, second: Outcome, question: str) -> Transcript:
    return Transcript(
        role=Role.TARGET,
        seed="0",
        cue=None,
        arm=Arm.STANDARD,
        question=question,
        repeat=0,
        messages=(),
        answer="",
        outcome=first,
        scores={"fused_outcome": float(OUTCOMES.index(second))},
        note="",
    )
