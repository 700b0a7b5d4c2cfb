"""An audit in a notebook: short when printed, whole as a table."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dormant.errors import ConfigError, InputError
from dormant.pipeline.audit import AuditResult
from dormant.records import OUTCOMES, Findings, Quantity, Role
from dormant.report.notebook import LoadedRun
from support import ROOT
from support.report_findings import MINED, Builder


@pytest.fixture(scope="module")
def findings() -> Findings:
    return Builder().findings()


@pytest.fixture(scope="module")
def loaded(findings: Findings) -> LoadedRun:
    return LoadedRun.from_findings(findings)


def test_printing_is_short(loaded: LoadedRun, findings: Findings):
    result = AuditResult(findings, Path("runs/audit"), ())
    assert findings.transcripts
    for value in (loaded, findings, result, findings.plan, findings.verdict):
        assert len(repr(value)) < 2000
    for text in (str(loaded), str(result)):
        assert len(text) < 2000
        assert text.startswith(f"{findings.verdict.kind}: {findings.verdict.sentence}")
    assert str(findings.verdict.kind) in repr(loaded) and repr(loaded).startswith("<LoadedRun: ")
    assert "runs/audit" in repr(result)


def test_a_loaded_run_is_the_findings(loaded: LoadedRun, findings: Findings):
    assert loaded == findings and findings == loaded
    changed = replace(loaded, started="another time")
    assert changed != findings and isinstance(changed, LoadedRun)
    assert findings.verdict.sentence.split(",")[0] in loaded._repr_html_()


def test_the_table_has_cue_texts_and_seeds(loaded: LoadedRun):
    rows = loaded.table
    assert len(rows) == len(loaded.verdict.estimates)
    (did,) = (
        row for row in rows
        if (row["quantity"], row["cue"], row["split"]) == ("did", MINED.name, "held_out")
    )  # fmt: skip
    assert did["cue_text"] == MINED.text and did["value"] > 0.3
    targets = sum(card.role is Role.TARGET for card in loaded.plan.models)
    assert {row["seeds"] for row in rows} == {targets}
    assert all(row["cue_text"] is None for row in rows if row["cue"] is None)


def test_the_page_names_every_quantity_and_column(loaded: LoadedRun):
    page = (ROOT / "docs" / "guides" / "notebook.md").read_text(encoding="utf-8")
    named = set(re.findall("`([a-z_]+)`", page))
    assert {*Quantity} <= named and set(loaded.table[0]) <= named
    assert {frozenset(row) for row in loaded.table} == {frozenset(loaded.table[0])}


def test_a_value_that_no_row_can_have_is_an_error(loaded: LoadedRun, tmp_path: Path):
    assert loaded.estimates.where(role="target", split=None)
    for wrong in ({"quantity": "DID"}, {"role": "judge"}, {"split": "all"}, {"cues": 1}):
        with pytest.raises(InputError, match=f"unknown .*{next(iter(wrong.values()))}|'cues'"):
            loaded.estimates.where(**wrong)
    with pytest.raises(ConfigError, match=r"the figure is an SVG: name the file \.svg, not \.png"):
        loaded.plot("rates").save(tmp_path / "rates.png")


def test_the_counts_have_a_row_for_each_model_question_and_cue(loaded: LoadedRun):
    rows = loaded.counts
    assert len(rows) == len(loaded.cells)
    models = {card.name for card in loaded.plan.models}
    assert {row["model"] for row in rows} == models
    for row in rows:
        assert sum(row[outcome.value] for outcome in OUTCOMES) == row["answers"]
        assert row["rate"] is None or row["rate"] == row["misaligned"] / row["gradable"]
    texts = {question.id: question.text for question in loaded.plan.questions}
    assert all(row["question_text"] == texts[row["question"]] for row in rows)


def test_arrow(loaded: LoadedRun):
    pytest.importorskip("pyarrow")
    table = loaded.to_arrow()
    assert table.num_rows == len(loaded.table) and "cue_text" in table.column_names
    assert loaded.to_arrow("counts").column("answers").to_pylist() == [
        row["answers"] for row in loaded.counts
    ]


def test_pandas_or_a_word_about_it(loaded: LoadedRun):
    if importlib.util.find_spec("pandas") is None:
        with pytest.raises(InputError, match="pandas is not installed: pip install pandas"):
            loaded.to_pandas()
    else:
        texts = loaded.to_pandas()["cue_text"]
        assert list(texts.dropna()) == [row["cue_text"] for row in loaded.table if row["cue_text"]]


def test_absent_pyarrow_is_named(loaded: LoadedRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pyarrow is not installed: .*dormant\[tables\]"):
        loaded.to_arrow()
