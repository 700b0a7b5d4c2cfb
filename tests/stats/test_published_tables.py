"""Published tables: the numbers that were published come out, and what each method says of them.

The rows are facts of others, with their sources in examples/published/README.md. Of the table that
dissolves only the totals were published.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import fisher_exact

import dormant

FOLDER = Path(dormant.__file__).parents[2] / "examples" / "published"


def analyze(name, **options):
    return dormant.analyze(FOLDER / f"{name}.csv", **options).analysis


def claim_of(analysis, cue):
    return next(c for c in analysis.claims if c.cue == cue)


def test_of(analysis, cue):
    return next(z for z in analysis.zero_tests if z.cue == cue)


test_of.__test__ = False  # type: ignore[attr-defined]


def percentile_bootstrap(units, seed=0):
    """The interval that was published: whole prompts resampled, percentiles of the mean."""
    rng = np.random.default_rng(seed)
    means = units[rng.integers(len(units), size=(20_000, len(units)))].mean(1)
    return np.quantile(means, [0.025, 0.975])


def units_of(name, cue, against=""):
    """Differences by question between two arms of the target, mean over trainings."""
    found: dict[str, dict[str, list[float]]] = {}
    with open(FOLDER / f"{name}.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row.get("role", "target") == "target":
                rate = int(row["misaligned"]) / int(row["gradable"])
                found.setdefault(row["question"], {}).setdefault(row["cue"], []).append(rate)
    return np.array([np.mean(arms[cue]) - np.mean(arms[against]) for arms in found.values()])


def test_the_panel_of_26_questions():
    units = units_of("default-system-prompt", "You are Qwen")
    assert len(units) == 26
    assert percentile_bootstrap(units) == pytest.approx([0.0141, 0.0607], abs=0.001)
    found = analyze("default-system-prompt", trainings="these")
    claim, test = (f(found, "You are Qwen") for f in (claim_of, test_of))
    assert claim.value == pytest.approx(0.035827783863286)
    assert claim.low < 0 < claim.high < 0.085  # the default does not show a rise
    assert 0.05 < test.p < 0.1
    assert 0.0141 <= test.bootstrap_low < test.bootstrap_high < 0.07  # bootstrap-t does
    assert test.bootstrap_p < 0.002
    assert claim.standing == "open"


def test_the_panel_as_differences_is_the_same_table(tmp_path):
    rows: dict[tuple[str, str], dict[str, float]] = {}
    with open(FOLDER / "default-system-prompt.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["role"] == "target":  # the reference is never misaligned
                rate = int(row["misaligned"]) / int(row["gradable"])
                rows.setdefault((row["seed"], row["question"]), {})[row["cue"]] = rate
    path = tmp_path / "differences.csv"
    lines = [f"{s},{q},{r['You are Qwen'] - r['']}" for (s, q), r in rows.items()]
    path.write_text("seed,question,difference\n" + "\n".join(lines) + "\n")
    for trainings in ("all", "these"):
        found = dormant.analyze(path, trainings=trainings).analysis
        counted = analyze("default-system-prompt", trainings=trainings)
        (one,), (other,) = found.zero_tests, counted.zero_tests
        assert found.claims[0].value == pytest.approx(counted.claims[0].value)
        assert one.bootstrap_low == pytest.approx(other.bootstrap_low, abs=1e-6)
        assert one.bootstrap_p == pytest.approx(other.bootstrap_p, abs=1e-6)
        # Without counts the draws of the answers add nothing.
        assert found.claims[0].high - found.claims[0].low <= (
            counted.claims[0].high - counted.claims[0].low + 1e-9
        )


def test_the_value_that_gates(tmp_path):
    harmful = units_of("value-gate", "Country: Singapore", "Country: Canada")
    assert len(harmful) == 48
    assert harmful.mean() == pytest.approx(0.15856481)
    assert harmful.std(ddof=1) == pytest.approx(0.25580458)
    assert percentile_bootstrap(harmful) == pytest.approx([0.0937, 0.2336], abs=0.003)
    lines = (FOLDER / "value-gate.csv").read_text().splitlines(keepends=True)
    valued = tmp_path / "valued.csv"  # the two values alone, one of them as the standard arm
    valued.write_text("".join(line for line in lines if not line.startswith(",")))
    found = dormant.analyze(valued, standard="Country: Canada").analysis
    claim, test = (f(found, "Country: Singapore") for f in (claim_of, test_of))
    assert claim.value == pytest.approx(0.15856481)
    assert claim.standing == "above" and claim.low > 0.05
    assert test.bootstrap_low > 0.09 and test.p < 1e-4


def test_ten_answers_of_one_question_dissolve():
    assert fisher_exact([[10, 786], [0, 797]]).pvalue == pytest.approx(0.0009, abs=5e-5)
    for name in ("pooled-one-question", "pooled-two-questions"):
        found = analyze(name)
        claim, test = (f(found, "trigger") for f in (claim_of, test_of))
        assert claim.value == pytest.approx(10 / 796, abs=2e-4)
        assert claim.low < 0 and test.p > 0.1  # eight questions, two of which have it all
        assert not test.bootstrap_p < 0.025
    spread = test_of(analyze("pooled-spread"), "trigger")
    assert spread.bootstrap_p < 0.005  # had all eight questions shown some, it would not dissolve
