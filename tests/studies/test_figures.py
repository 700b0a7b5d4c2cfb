"""The study's drawings: every audit that was made is in them, at its place, and they are SVG."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dormant.studies import figures
from dormant.studies.tables import share_interval
from dormant.studies.validation import DESIGNS, FIXED, FIXED_100, SEQUENTIAL, Audit, ValidationStudy

NULL = Audit("planted", None, "null", FIXED, "BOUNDED", "BOUNDED", 100, 0, 0, None)
SVG = "{http://www.w3.org/2000/svg}"


def drawing(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    return root


def words(root: ElementTree.Element) -> list[str]:
    return [str(e.text) for e in root.iter(f"{SVG}text")]


def test_alarms_stand_at_their_share_with_their_interval():
    audits = [replace(NULL, verdict="BROAD"), *[NULL] * 39]
    audits += [replace(NULL, seed=0, design=SEQUENTIAL)] * 10
    root = drawing(figures.draw_false_alarms(audits))
    assert "fixed: planted nulls" in words(root) and "1 of 40" in words(root)
    assert "sequential: controls of the zoo" in words(root) and "0 of 10" in words(root)
    zero, most = (
        float(next(e.get("x", "") for e in root.iter(f"{SVG}text") if e.text == label))
        for label in ("0%", "15%")
    )
    first, second = root.iter(f"{SVG}circle")
    assert float(first.get("cx", "")) == pytest.approx(zero + (most - zero) / 0.15 / 40, abs=0.1)
    assert float(second.get("cx", "")) == pytest.approx(zero, abs=0.1)
    bars = [e for e in root.iter(f"{SVG}line") if e.get("stroke-width") == "2.5"]
    high = zero + (most - zero) / 0.15 * share_interval(1, 40)[1]
    assert float(bars[0].get("x2", "")) == pytest.approx(high, abs=0.1)
    assert float(bars[1].get("x2", "")) == pytest.approx(most, abs=0.1)  # 31% lies off the axis


def test_costs_are_means_on_a_logarithmic_axis():
    made = replace(NULL, name="fish <&>", seed=0, purpose="effect", design=FIXED_100)
    audits = [replace(made, answers=n) for n in (50_000, 150_000)]
    audits += [replace(made, design=SEQUENTIAL, answers=1_000), replace(NULL, answers=7)]
    root = drawing(figures.draw_cost(audits))
    assert "fish <&>" in words(root) and "planted" not in words(root)
    place = {e.text: float(e.get("x", "")) for e in root.iter(f"{SVG}text")}
    *_, dear, cheap = root.iter(f"{SVG}circle")  # after those of the legend
    assert float(dear.get("cx", "")) == pytest.approx(place["100,000"], abs=0.1)
    assert float(cheap.get("cx", "")) == pytest.approx(place["1,000"], abs=0.1)


def test_a_path_closes_around_the_truth_and_only_what_was_studied_is_drawn(tmp_path: Path):
    root = drawing(figures.draw_path())
    assert len(list(root.iter(f"{SVG}polygon"))) == 2
    assert "the cue that adds 20 points (points of difference)" in words(root)
    study = ValidationStudy((NULL,), 0.0, 1, "0")
    files = figures.write_figures(study, tmp_path)
    assert [file.name for file in files] == ["false-alarms.svg", "path.svg"]
    assert figures.write_figures(study, tmp_path) == files  # again
    text = "".join(file.read_text() for file in files)
    assert not re.search(r"<script|http://(?!www\.w3\.org)|nan", text)
    assert set(figures.COLORS) == set(DESIGNS)
