"""Figures as images: well-formed, with every row, inert; and tables that frames are made of."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from dormant.errors import ConfigError, InputError
from dormant.records import Findings
from dormant.report.frames import RowTable
from dormant.report.notebook import LoadedRun
from support.report_findings import Builder

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run() -> LoadedRun:
    return LoadedRun.from_findings(Builder().findings())


@pytest.mark.parametrize("name", ["rates", "outcomes", "questions"])
def test_a_figure_is_an_image_with_words(run: LoadedRun, name: str):
    image = ET.fromstring(run.plot(name)._repr_svg_())
    assert image.tag == f"{SVG}svg" and image.find(f"{SVG}title") is not None
    assert (image.findtext(f"{SVG}desc") or "").strip()
    fewer = ET.fromstring(run.plot(name, limit=2).svg)
    assert len(list(fewer.iter())) < len(list(image.iter()))
    assert any("more" in (text.text or "") for text in fewer.iter(f"{SVG}text"))


def test_the_effects_of_the_figure_are_those_of_the_table(run: LoadedRun):
    texts = [text.text or "" for text in ET.fromstring(run.plot().svg).iter(f"{SVG}text")]
    shown = {text.replace("\N{MINUS SIGN}", "-").split()[0] for text in texts if "pp" in text[-3:]}
    known = {f"{100 * row['value']:+.1f}" for row in run.estimates.where(quantity="did")}
    assert len(shown) >= 5 and shown <= known


def test_hostile_labels_stay_text(run: LoadedRun):
    hostile = "</text><script>alert(1)</script>\u202e"
    cues = tuple(replace(cue, text=hostile) for cue in run.plan.cues)
    findings: Findings = replace(run, plan=replace(run.plan, cues=cues))
    image = ET.fromstring(LoadedRun.from_findings(findings).plot().svg)
    assert not [node for node in image.iter() if "script" in node.tag]
    assert "\u202e" not in ET.tostring(image, encoding="unicode")


def test_what_cannot_be_drawn_is_said(run: LoadedRun, tmp_path: Path):
    with pytest.raises(InputError, match="unknown figure 'rate': give one of rates, outcomes"):
        run.plot("rate")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="fixed design has no path"):
        run.plot("path")
    with pytest.raises(InputError, match="limit must be at least 1"):
        run.plot(limit=0)
    assert run.plot().save(tmp_path / "a.svg").read_text("utf-8").startswith("<svg xmlns")
    with pytest.raises(ConfigError, match="cannot be written"):
        run.plot().save(tmp_path / "absent" / "a.svg")


def test_tables_are_read_through_the_arrow_interface(run: LoadedRun):
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    estimates = run.estimates
    for frame in (pl.DataFrame(estimates), estimates.to_polars()):
        assert frame["value"].to_list() == [row["value"] for row in estimates]
    assert list(pd.DataFrame.from_arrow(estimates)["questions"]) == [
        row["questions"] for row in estimates
    ]
    assert list(estimates.to_pandas()["quantity"]) == [row["quantity"] for row in estimates]


def test_a_table_is_a_list_that_displays(run: LoadedRun):
    estimates = run.estimates
    assert list(estimates) == run.table and estimates[:3][2] == estimates[2]
    assert f"20 of {len(estimates):,} rows" in estimates._repr_html_()
    assert "<script>" not in RowTable([{"a": "<script>", "b": None}])._repr_html_()
    with pytest.raises(InputError, match="unknown column 'kind'"):
        estimates.where(kind="did")
    assert len(RowTable([])) == 0 and "0 rows" in RowTable([])._repr_html_()
