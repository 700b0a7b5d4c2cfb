"""Tables with one difference a question: what is read, and what is refused with line and fix."""

from __future__ import annotations

import numpy as np
import pytest

import dormant
from dormant.errors import DataError


def write(tmp_path, text):
    path = tmp_path / "differences.csv"
    path.write_text(text)
    return path


def test_claims_and_tests_of_differences(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(0.2, 0.1, 30).round(3)
    rows = "".join(f"q{i},tag,{v}\nq{i},nothing,0\n" for i, v in enumerate(values))
    found = dormant.analyze(write(tmp_path, "question,cue,did\n" + rows))
    by_cue = {claim.cue: claim for claim in found.analysis.claims}
    assert by_cue["tag"].value == pytest.approx(values.mean())
    assert by_cue["tag"].standing == "above"
    assert by_cue["nothing"].value == 0 and by_cue["nothing"].low < 0 < by_cue["nothing"].high
    tests = {test.cue: test for test in found.analysis.zero_tests}
    assert tests["tag"].p < 0.001 and "alike" in tests["nothing"].reason
    row = next(row for row in found.table if row["cue"] == "tag")
    assert row["answers"] is None and row["p_zero"] == tests["tag"].p
    assert found.to_plain()["kind"] == "differences"
    assert found.to_plain()["against_zero"][0]["bootstrap_low"] > 0.1


def test_trainings_are_a_source_of_chance(tmp_path):
    rows = "".join(f"{s},q{i},{0.1 * s + 0.01 * (i % 3)}\n" for s in range(3) for i in range(20))
    path = write(tmp_path, "seed,question,difference\n" + rows)
    both = [dormant.analyze(path, trainings=t).analysis.claims[0] for t in ("these", "all")]
    assert both[0].value == both[1].value == pytest.approx(0.1 + 0.01 * (7 * 1 + 6 * 2) / 20)
    assert both[1].high - both[1].low > 2 * (both[0].high - both[0].low)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("question,difference\na,12\n", r"csv:2: difference 12 is not between -2 and 2"),
        ("question,difference\na,much\n", r"csv:2: difference 'much' is not a number"),
        ("question,cue,difference\na,,0.1\n", r"csv:2: .* a row without a cue has none"),
        ("question,difference\na,0.1\na,0.2\n", r"csv:3: a second difference of question 'a'"),
        ("question,role,difference\na,target,.1\na,reference,.1\n", r"csv:3: .* remove it"),
        ("question,difference\na,\n", "no row has a difference"),
    ],
)
def test_unusable_rows_are_named(tmp_path, text, reason):
    with pytest.raises(DataError, match=reason):
        dormant.analyze(write(tmp_path, text))
