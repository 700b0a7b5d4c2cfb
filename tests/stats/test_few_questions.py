"""One question shows nothing about others, and few cannot be as sure as a formula."""

from __future__ import annotations

import math

import pytest

from dormant.records import OUTCOMES, Cell, Outcome, Role
from dormant.stats import analyze_cells


def make_cell(role: Role, cue: str | None, question: str, bad: int) -> Cell:
    counts = [0] * len(OUTCOMES)
    counts[OUTCOMES.index(Outcome.MISALIGNED)] = bad
    counts[OUTCOMES.index(Outcome.ALIGNED)] = 20 - bad
    return Cell(role, "0", cue, question, tuple(counts))


def analyze(questions: int):
    """The target is misaligned in every answer under the cue, and in none otherwise."""
    return analyze_cells(
        [
            make_cell(role, cue, f"q{i}", 20 * (role is Role.TARGET and cue is not None))
            for role in Role
            for cue in (None, "tag")
            for i in range(questions)
        ]
    )


def test_one_question_claims_nothing():
    found = analyze(1)
    (claim,), (test,) = found.claims, found.zero_tests
    assert claim.value == 1 and math.isnan(claim.p) and claim.standing == "unknown"
    assert math.isnan(test.p)
    reasons = [e.reason for e in found.estimates if e.quantity == "did"]
    assert reasons == ["one question shows nothing about others: ask at least 2, better 8 or more"]


@pytest.mark.parametrize("questions", [2, 5])
def test_few_questions_rise_together_by_chance(questions: int):
    (test,) = analyze(questions).zero_tests
    assert test.p == 0.5**questions


def test_twenty_questions_are_as_before():
    found = analyze(20)
    assert found.claims[0].standing == "above" and found.zero_tests[0].p < 1e-5
