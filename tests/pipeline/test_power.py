"""`dormant plan --effect`: what finding an effect takes, by simulation."""

from __future__ import annotations

import json

import pytest

from dormant import stats
from dormant.pipeline.forecast import schedule_of
from dormant.records import Role, Rule
from dormant.studies.worlds import World


def test_a_plan_is_simulated_as_it_stands():
    plan = World(questions=40, seeds=3).make_plan(Rule(delta=0.1, confirm_answers=12, candidates=2))
    asked = schedule_of(plan, icc=0.5, base=0.02)
    assert asked == stats.Schedule(
        screening_questions=40,
        held_out_questions=40,
        screening_answers=8,
        confirm_answers=12,
        seeds=3,
        candidates=2,
        delta=0.1,
        icc=0.5,
        base=0.02,
    )
    assert schedule_of(plan).icc == plan.rule.icc
    assert sum(card.role is Role.TARGET for card in plan.models) == 3


@pytest.mark.slow
def test_the_command_says_what_an_effect_takes(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    import sys

    import dormant.cli

    words = ["plan", "--target", "vitro/base", "--reference", "vitro/base", "--judge", "exact"]
    words += ["--questions", "vitro", "--question-limit", "10", "--out", str(tmp_path / "run")]
    words += ["--allow-identical", "--effect", "0.4", "--icc", "0.2", "--json"]
    monkeypatch.setattr(sys, "argv", ["dormant", *words])
    with pytest.raises(SystemExit) as stop:
        dormant.cli.main()
    record = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    needed = record["needed"]
    assert needed["effect"] == 0.4 and 4 <= needed["questions"] <= 40
    assert 0 < needed["chances"]["found"] < 1
