"""Options over a file, presets and durations: what wins, and where an error is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dormant.cli.options import audit_config
from dormant.config import AuditConfig, check_values, format_duration, parse_duration
from dormant.errors import ConfigError

MODELS = {"target": "vitro/a", "reference": "vitro/base", "judge": "exact"}
LINES = "target: vitro/a\nreference: vitro/base\njudge: exact\n"


def merge(tmp_path: Path, text: str, **options: Any) -> AuditConfig:
    path = tmp_path / "audit.yaml"
    path.write_text(text)
    return audit_config(path, options)


def refuse(tmp_path: Path, text: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        merge(tmp_path, text, **options)
    return str(caught.value).removeprefix(str(tmp_path))


def test_a_file_that_needs_an_option_is_right_with_it(tmp_path: Path):
    found = merge(tmp_path, LINES + "cues: {mine: 1}\n", data="rows.jsonl")
    assert (found.data, found.cues.mine) == ("rows.jsonl", 1)
    assert merge(tmp_path, "judge: exact\n", target=("vitro/a",), reference="vitro/base")
    bad = LINES + "cues: {mine: 1, file: c.yaml}\n"
    assert "is used instead of mining" in refuse(tmp_path, bad, data="rows.jsonl")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (LINES + "rule: {delta: 7}\n", {"seed": 1}, "/audit.yaml:4: rule.delta: "),
        ("rule: {delta: 7}\n" + LINES[16:], {"target": ("a",)}, "/audit.yaml:1: rule.delta: "),
        (LINES + "rule: {delta: 0.1}\n", {"delta": 7.0}, "--delta: "),
        (LINES + "cues: 5\n", {"mine": 1}, "/audit.yaml:4: cues: expected keys and values"),
        (LINES + "cues: {mine: 2}\n", {"seed": 1}, "/audit.yaml:1: data is missing"),
        ("targt: vitro/a\n", {"seed": 1}, "/audit.yaml:1: unknown key 'targt'"),
        ("target: vitro/a\n", {"judge": "exact"}, "/audit.yaml:1: the key 'reference' is missing"),
        (LINES, {"variants": "verbatim,parafrase"}, "--variants: unknown variant 'parafrase'"),
        (LINES, {"preset": "cheap"}, "--preset: "),
        (LINES, {"profile": "tiny"}, "--profile: "),
        (LINES, {"budget_time": "2"}, "--budget-time: give a number with a unit"),
        (LINES + "budget: {time: soon}\n", {}, "/audit.yaml:4: budget.time: give a number"),
    ],
)
def test_an_error_is_where_its_value_came_from(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
):
    assert refuse(tmp_path, text, **options).startswith(message)


def test_a_profile_sets_delta_and_a_preset_the_rest():
    both = check_values(
        {**MODELS, "data": "d", "preset": "frugal", "profile": "research"}, AuditConfig
    )
    assert (both.rule.delta, both.rule.confirm_answers, both.design) == (0.01, 8, "sequential")
    assert (both.cues.later_margin, both.cues.mine) == (0.03, 10)
    own = check_values({**MODELS, "profile": "rare", "rule": {"delta": 0.02}}, AuditConfig)
    assert own.rule.delta == 0.02 and own.cues.later_margin == 0.15  # nothing is mined
    gate = check_values({**MODELS, "profile": "gate"}, AuditConfig)
    plain = check_values(MODELS, AuditConfig)
    assert (gate.rule, gate.cues) == (plain.rule, plain.cues)


def test_a_preset_fills_what_is_not_given():
    frugal = check_values({**MODELS, "preset": "frugal"}, AuditConfig)
    assert (frugal.design, frugal.cues.library_limit, frugal.rule.confirm_answers) == (
        "sequential",
        6,
        8,
    )
    assert [str(variant) for variant in frugal.cues.variants] == ["verbatim"]
    own = {"preset": "frugal", "design": "fixed", "cues": {"library_limit": 3}}
    changed = check_values({**MODELS, **own}, AuditConfig)
    assert (changed.design, changed.cues.library_limit) == ("fixed", 3)
    assert changed.rule.candidates == 3


def test_a_preset_mines_only_where_something_is_mined():
    for given in ({}, {"data": "d.jsonl", "cues": {"file": "cues.yaml"}}):
        assert check_values({**MODELS, **given, "preset": "frugal"}, AuditConfig).cues.mine == 20
    assert check_values({**MODELS, "data": "d", "preset": "frugal"}, AuditConfig).cues.mine == 10


def test_a_preset_without_a_reference_keeps_the_fixed_design():
    alone = check_values({**MODELS, "reference": "none", "preset": "frugal"}, AuditConfig)
    assert (alone.design, alone.rule.candidates) == ("fixed", 3)


def test_the_design_is_sequential_wherever_there_is_a_reference():
    assert check_values(MODELS, AuditConfig).design == "sequential"
    assert check_values({**MODELS, "reference": "None"}, AuditConfig).design == "fixed"
    assert check_values({**MODELS, "design": "fixed"}, AuditConfig).design == "fixed"
    assert check_values({**MODELS, "preset": "thorough"}, AuditConfig).design == "fixed"


def test_an_option_overrides_the_preset_of_a_file(tmp_path: Path):
    found = merge(tmp_path, LINES + "preset: frugal\n", preset="thorough", library_limit=2)
    assert (found.preset, found.design, found.cues.library_limit) == ("thorough", "fixed", 2)


def test_without_a_preset_nothing_changes():
    assert check_values(MODELS, AuditConfig).cues.library_limit is None


def test_variants_and_placebos_as_text(tmp_path: Path):
    found = merge(tmp_path, LINES, variants="verbatim, paraphrase", placebos=False)
    assert [str(v) for v in found.cues.variants] == ["verbatim", "paraphrase"]
    assert not found.cues.placebos
    every = merge(tmp_path, LINES, variants="all").cues
    assert every.variants == merge(tmp_path, LINES).cues.variants


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2 days", 172800)]
)
def test_durations_are_read(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under 1 s"),
        (41.2, "41 s"),
        (600, "10 min"),
        (9000, "2 h 30 min"),
        (7200, "2 h"),
        (9.5 * 86400, "9 days 12 h"),
        (40 * 86400, "40 days"),
        (float("nan"), "time not known"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str):
    assert format_duration(seconds) == text
