"""The duration budget: which tests a session names as too slow."""

import pytest

from conftest import BUDGET, over_budget


def report(seconds: float, *marks: str, when: str = "call") -> pytest.TestReport:
    keywords = dict.fromkeys(marks, 1)
    return pytest.TestReport(
        "test_a", ("test_a.py", 1, "test_a"), keywords, "passed", None, when, duration=seconds
    )


def test_only_unmarked_tests_over_the_budget_are_named():
    assert over_budget([report(BUDGET + 5)]) == [f"test_a: {BUDGET + 5:.0f} s"]
    others = [report(BUDGET - 1), report(BUDGET + 5, "slow"), report(BUDGET + 5, "real")]
    assert not over_budget([*others, report(BUDGET + 5, when="setup")])
