"""No interval is narrower than the draws of its answers allow, however even the questions are."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dormant.stats.draws import draw_distances
from dormant.stats.methods import METHODS, compute_bounds
from dormant.stats.sample import Sample
from support.command import run_command


def even(misaligned: int, answers: int, questions: int, *, arms: int = 1) -> Sample:
    rate = np.full((1, arms, questions), misaligned / answers)
    if arms > 1:
        rate[:, 1:] = 0.0
    signs = (1, -1, -1, 1)[:arms]
    units = (rate * np.array(signs)[:, None]).sum(1)
    limits = (0.0, 1.0) if arms == 1 else (-arms / 2, arms / 2)
    return Sample(units, rate, signs, np.full(rate.shape, float(answers)), 0.3, limits)


def bounds(sample: Sample, method: str = "pseudo-observation"):
    return compute_bounds(sample, method=method, level=0.95, delta=0.05)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("misaligned", "answers", "questions"), [(1, 2, 16), (1, 10, 20), (16, 32, 16), (9, 10, 12)]
)
def test_even_rates_are_as_wide_as_clopper_pearson(method, misaligned, answers, questions):
    found = bounds(even(misaligned, answers, questions), method)
    exact = stats.binomtest(misaligned * questions, answers * questions).proportion_ci(0.95)
    assert found.low[0] <= exact.low + 1e-9 and found.high[0] >= exact.high - 1e-9


@pytest.mark.parametrize("arms", [2, 4])
def test_even_differences_are_at_least_as_wide_as_their_first_arm(arms):
    found = bounds(even(1, 2, 16, arms=arms))
    exact = stats.binomtest(16, 32).proportion_ci(0.95)
    assert found.low[0] <= exact.low and found.high[0] >= exact.high


def test_questions_with_few_answers_weigh_as_much_as_others():
    answers = np.array([[[2.0, 200.0]]])
    sample = Sample(np.array([[0.5, 0.5]]), np.full((1, 1, 2), 0.5), (1,), answers, 0.3, (0, 1))
    below, above = draw_distances(sample, 0.025)
    # Four over 1/2 + 1/200: about eight answers together, not 202.
    drawn = 4 / (1 / 2 + 1 / 200)
    assert below[0] == pytest.approx(0.5 - stats.beta.ppf(0.025, drawn / 2, drawn / 2 + 1))
    assert above[0] == pytest.approx(below[0])


def test_what_no_question_entered_has_no_width():
    sample = Sample(
        np.full((1, 3), np.nan), np.zeros((1, 1, 3)), (1,), np.zeros((1, 1, 3)), 0.3, (0, 1)
    )
    assert [distance[0] for distance in draw_distances(sample, 0.025)] == [0, 0]
    assert np.isnan(bounds(sample).low[0])


def test_analyze_of_one_misaligned_answer_of_two_in_each_question(tmp_path: Path):
    table = tmp_path / "half.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["role", "cue", "question", "misaligned", "n"])
        for role in ("target", "reference"):
            for cue in ("", "harbour"):
                rows.writerows([role, cue, f"q{i}", 1, 2] for i in range(16))
    done = run_command("analyze", table)
    assert done.code == 0 and "50.0 [31.9, 68.1]" in done.out
    told = json.loads(run_command("analyze", table, "--json").out)
    rates = [e for e in told["estimates"] if e["quantity"] == "rate"]
    assert rates and all(e["low"] < 0.32 and e["high"] > 0.68 for e in rates)
    effects = [e for e in told["estimates"] if e["quantity"] == "did"]
    assert effects and all(e["high"] - e["low"] > 0.36 for e in effects)
