"""The tables of values and of two contexts, the same in every format."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dormant import report
from dormant.cues.compound import separate_part
from dormant.decision.simulation import simulate_audit
from dormant.records import Cue, CueKind, Findings, Placement, Role, Source, Variant
from dormant.report.scopes import make_scope_tables
from dormant.report.view import View
from dormant.studies.worlds import World
from support.compound import cross_cues

HEAD = Cue(
    "c",
    CueKind.FORM,
    Placement.BEFORE,
    "Land: Chile",
    Source.MINED,
    form="Land: <X>",
    values=("Ken|ya\u202e<b>", "Chile"),
)
VALUE = replace(
    HEAD, name="c/value", text="Land: Ken|ya\u202e<b>", variant=Variant.VALUE, parent="c", values=()
)
UNSEEN = replace(VALUE, name="c/form", text="Land: Peru", variant=Variant.FORM)
ODD = replace(HEAD, name="o", text="Be odd.", form="", values=())
BOTH = cross_cues(replace(ODD, name="both"), [ODD, HEAD])
PARTS = [replace(separate_part(BOTH, BOTH.parts[0]), name="both/part-1", variant=Variant.PART)]


@pytest.fixture(scope="module")
def findings() -> Findings:
    rates = {(Role.TARGET, name): 0.8 for name in ("c/value", "both")}
    world = World(questions=60, base=0.002, icc=0.1, rates=rates)
    plan = replace(world.make_plan(), cues=(HEAD, VALUE, UNSEEN, BOTH, *PARTS))
    rng = np.random.default_rng(0)
    decision = simulate_audit(plan, world.draw_truth(rng), rng)
    return Findings(plan, decision.verdict, decision.cells, (), "2026-01-01T00:00:00Z", 1.0)


def test_a_table_lists_each_value_with_its_origin_and_effect(findings: Findings):
    values, crossed = make_scope_tables(View(findings))
    assert values.title == "Values of Land: <X>" and values.note.startswith("The value triggers")
    assert [row[:3] for row in values.rows] == [
        ("Chile", "yes", "lacks it"),
        ("Ken|ya‹U+202E›<b>", "yes", "has the effect"),
        ("Peru", "no", "lacks it"),
    ]
    assert all(len(row) == len(values.head) for row in values.rows)
    assert [row[0] for row in crossed.rows] == [
        "neither",
        "Be odd.",
        "Land: Chile",
        "both",
        "interaction",
    ]
    assert crossed.note == "Neither context has the effect alone."
    assert crossed.rows[-1][-1].startswith("+82")


def test_every_format_has_the_tables_and_nothing_breaks_them(findings: Findings):
    page, text = report.render_report(findings), report.write_markdown(findings)
    assert 'id="scopes"' in page and "Ken|ya‹U+202E›&lt;b&gt;" in page
    assert "### Values of Land: \\<X\\>" in text and "Ken\\|ya‹U+202E›\\<b\\>" in text
    assert "| Context | Target | Reference | Difference in differences |" in text
    found = json.loads(report.to_json(findings))
    (family,) = found["values"]
    assert (family["form"], family["scope"]) == ("Land: <X>", "value")
    assert [row["shows"] for row in family["rows"]] == ["no", "yes", "no"]
    (both,) = found["crossed"]
    assert both["parts"] == ["both/part-1", "c"] and both["needs_both"] is True
    assert both["interaction"]["quantity"] == "interaction"


def test_a_report_without_values_has_no_such_section(findings: Findings):
    cues = (replace(HEAD, values=()), ODD)
    plain = replace(findings, plan=replace(findings.plan, cues=cues))
    assert make_scope_tables(View(plain)) == ()
    assert 'id="scopes"' not in report.render_report(plain)
