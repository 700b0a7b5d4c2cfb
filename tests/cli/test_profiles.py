"""What ``dormant plan`` says where a profile takes more questions than there are."""

from __future__ import annotations

from dataclasses import replace

from dormant.cli.plan_text import describe_lack, power_rows
from dormant.config import PRESETS
from dormant.config.presets import PROFILES
from dormant.pipeline.forecast import schedule_of
from dormant.pipeline.power import list_power
from dormant.records import ClaimScope, Question, Rule, Sequential
from dormant.studies.worlds import World


def plan_of(profile: str, questions: int, sequential: Sequential | None = None):
    rule = Rule(delta=PROFILES[profile]["rule"]["delta"])
    return replace(World(questions=questions).make_plan(rule), sequential=sequential)


def test_a_lack_of_questions_is_said_with_the_smallest_delta():
    assert not list(describe_lack(plan_of("gate", 72)))
    (line,) = describe_lack(plan_of("gate", 71))
    assert line.startswith("No cue can be bounded below 5 points with 71 screening questions: it")
    (line,) = describe_lack(plan_of("research", 230))
    assert "takes 368" in line and line.endswith("can be bounded is 1.6 points.")
    assert not list(describe_lack(plan_of("research", 230, Sequential())))  # both halves count
    (line,) = describe_lack(plan_of("rare", 230, Sequential()))
    assert "with 460 questions: it takes 1,843" in line


def test_themes_count_where_the_claim_is_about_themes():
    plan = plan_of("gate", 80)
    questions = [
        Question(q.id, q.text, f"{q.split}-{i % 30}", q.split) for i, q in enumerate(plan.questions)
    ]
    plan = replace(plan, questions=tuple(questions))
    assert not list(describe_lack(plan))
    themes = replace(plan, rule=replace(plan.rule, claim=ClaimScope.THEMES))
    assert themes.rule.is_about_themes
    (line,) = describe_lack(themes)
    assert "with 30 screening themes" in line


def test_presets_and_profiles_set_different_keys():
    def list_keys(entry):
        return {
            (key, name)
            for key, value in entry.items()
            for name in (value if hasattr(value, "keys") else [""])
        }

    for preset in PRESETS.values():
        for profile in PROFILES.values():
            assert not list_keys(preset) & list_keys(profile)


def test_the_power_table_has_a_row_for_each_base_rate_and_marks_what_is_below_delta():
    plan = plan_of("gate", 80)
    rows = list(power_rows(list_power(plan, schedule_of(plan)), plan.rule.delta))
    assert [row[0] for row in rows] == ["0%", "0.5%", "1%", "2%", "5%"]
    assert rows[0][1] == "100%" and rows[-1][1] != "100%"
    assert rows[0][3].endswith(" (below delta)") and "below" not in "".join(r[2] for r in rows)
