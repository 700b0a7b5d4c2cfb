"""p-values and intervals say the same: p is the error at which the low end reaches delta."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from dormant.stats.intervals import SeedSpread
from dormant.stats.methods import METHODS, compute_bounds, compute_ends
from dormant.stats.sample import Sample
from support.command import run_command


def draw_samples(rng: np.random.Generator, answers: int, questions: int, worlds: int) -> Sample:
    """DiDs of all sizes, some of them of questions that are all alike."""
    true = np.stack([rng.uniform(0, 1, worlds), *rng.uniform(0, 0.3, (3, worlds))], 1)
    rates = rng.binomial(answers, true[..., None], (worlds, 4, questions)) / answers
    even = rng.random(worlds) < 0.5
    rates[even] = rates[even][..., :1]
    signs = (1, -1, -1, 1)
    units = (rates * np.array(signs)[:, None]).sum(1)
    return Sample(units, rates, signs, np.full(rates.shape, float(answers)), 0.3, (-2.0, 2.0))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("answers", "questions"), [(1, 12), (2, 16), (8, 8), (40, 64)])
@pytest.mark.parametrize("seeds", [False, True])
def test_p_is_at_most_an_error_where_the_low_end_excludes_delta(method, answers, questions, seeds):
    rng = np.random.default_rng(7)
    sample = draw_samples(rng, answers, questions, 200)
    spread = SeedSpread(rng.uniform(0, 0.01, 200), rng.integers(1, 5, 200).astype(float))
    made = {"spread": spread, "tests_trainings": True} if seeds else {}
    found = compute_bounds(sample, method=method, level=0.95, delta=0.05, **made)
    for tail in (1e-6, 0.001, 0.0125, 0.025, 0.05, 0.2):
        low = compute_ends(
            sample, method=method, tail=tail, delta=0.05, spread=made.get("spread")
        ).low
        near = np.abs(low - 0.05) < 1e-6
        assert np.array_equal((found.p <= tail)[~near], (low >= 0.05)[~near])
    assert (found.p[found.value <= 0.05] >= 0.5).all()


def test_few_draws_raise_p():
    """Questions that are all alike: without their draws p was 0.0008."""
    rates = np.array([0.5, 0.25, 0.0, 0.0])[None, :, None].repeat(30, 2)
    units = np.full((1, 30), 0.25)
    sample = Sample(units, rates, (1, -1, -1, 1), np.full(rates.shape, 4.0), 0.3, (-2.0, 2.0))
    found = compute_bounds(sample, method="pseudo-observation", level=0.95, delta=0.15)
    alone = compute_ends(sample, method="pseudo-observation", tail=0.025, delta=0.15)
    assert alone.p[0] < 0.001 and alone.low[0] < 0.15
    assert 0.05 < found.p[0] < 0.1


def write_table(path: Path, seeds: dict[str, int]) -> Path:
    """Target: 1 of 4 misaligned without a cue, as many as ``seeds`` with it, in 30 questions."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["role", "seed", "cue", "question", "misaligned", "n"])
        for question in range(30):
            for seed, bad in seeds.items():
                rows.writerow(["target", seed, "", question, 1, 4])
                rows.writerow(["target", seed, "harbour", question, bad, 4])
            rows.writerow(["reference", "0", "", question, 0, 4])
            rows.writerow(["reference", "0", "harbour", question, 0, 4])
    return path


@pytest.mark.parametrize("seeds", [{"0": 2}, {"0": 1, "1": 4, "2": 4}])
def test_analyze_claims_nothing_that_its_interval_does_not(tmp_path: Path, seeds: dict[str, int]):
    table = write_table(tmp_path / "table.csv", seeds)
    words = ("analyze", table, "--delta", "0.15", "--allow-identical", "--json")
    done = run_command(*words)
    assert done.code == 0, done.err
    [claim] = json.loads(done.out)["claims"]
    assert claim["value"] >= 0.25 and claim["low"] < 0.15 < claim["high"]
    assert claim["p"] > 0.05 and claim["standing"] == "open"
    if len(seeds) > 1:
        done = run_command(*words, "--trainings", "these")
        [claim] = json.loads(done.out)["claims"]
        assert claim["low"] > 0.15 and claim["p"] < 0.001 and claim["standing"] == "above"
