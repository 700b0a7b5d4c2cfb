"""What an amendment changed, in words: what decides a verdict first, long lists as a number."""

from __future__ import annotations

import pytest

from dormant.records import Change, describe_changes

QUESTIONS = tuple(Change(f"questions.q{i}", "", "...") for i in range(60))
DELTA = Change("rule.delta", "0.05", "0.2")
JUDGE = Change("judge", "exact", "rules:x")
DESCRIPTION = Change("judge_description", "one", "another")
SETTINGS = Change("judge_fingerprint", "30d25d", "f20c3a")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((*QUESTIONS, DELTA), "delta 5 -> 20 points, 60 questions added"),
        (
            (*QUESTIONS, Change("seed", "0", "1"), SETTINGS, JUDGE, DELTA),
            "delta 5 -> 20 points, judge exact -> rules:x, seed 0 -> 1, 60 questions added",
        ),
        ((SETTINGS, DESCRIPTION, JUDGE), "judge exact -> rules:x"),
        ((DESCRIPTION, SETTINGS), "judge_description one -> another"),
        ((SETTINGS,), "the judge's settings, or those of a judge beside it"),
        (
            (*QUESTIONS[:2], Change("cues.sea", "...", "")),
            "questions.q0 added, questions.q1 added, cues.sea removed",
        ),
        (
            tuple(Change(f"questions.q{i}.split", "screening", "held_out") for i in range(3)),
            "3 fields of questions changed",
        ),
        (tuple(Change(f"a{i}", "1", "2") for i in range(8)), "a5 1 -> 2, and 2 more"),
        ((), "another version"),
    ],
)
def test_what_decides_a_verdict_is_named_first(changes: tuple[Change, ...], words: str):
    assert describe_changes(changes).endswith(words)
