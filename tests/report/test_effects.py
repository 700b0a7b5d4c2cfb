"""The table of existence and other deltas, in every format."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dormant.decision.simulation import simulate_audit
from dormant.records import Findings, Role
from dormant.report import render_report, to_json, write_markdown
from dormant.report.effects import make_effects_table
from dormant.report.view import View
from dormant.studies.worlds import World


@pytest.fixture(scope="module")
def findings() -> Findings:
    world, rng = (
        World(cues=3, rates={(Role.TARGET, "cue-1"): 0.038}, icc=0.1),
        np.random.default_rng(2),
    )
    plan = world.make_plan()
    decision = simulate_audit(plan, world.draw_truth(rng), rng)
    return Findings(plan, decision.verdict, decision.cells, (), "2026-01-01T00:00:00", 1.0)


def test_effects_that_exist_come_first(findings: Findings):
    table = make_effects_table(View(findings))
    assert table is not None
    words = [row[1] for row in table.rows]
    assert table.rows[0][0] == "no cue" and words[:2] == ["not shown", "exists"]
    assert set(words[2:]) <= {"not shown", "not tested"}
    assert float(table.rows[1][5].lstrip("+")) > float(table.rows[1][6].lstrip("+")) > 0


def test_every_format_shows_the_effects_of_a_new_verdict_and_none_of_an_old_one(findings: Findings):
    table = make_effects_table(View(findings))
    assert table is not None
    assert table.title in render_report(findings) and f"## {table.title}" in write_markdown(
        findings
    )
    effects = json.loads(to_json(findings))["verdict"]["effects"]
    assert [effect["cue"] for effect in effects] == [None, "cue-0", "cue-1", "cue-2"]
    assert effects[2]["exists"] and effects[2]["p"] <= effects[2]["adjusted"] <= 0.05
    old = replace(findings, verdict=replace(findings.verdict, effects=()))
    assert table.title not in render_report(old) + write_markdown(old)
    assert "effects" not in json.loads(to_json(old))["verdict"]
