"""Sweeps: every unit once, the same rows again, errors that name the key."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import pyarrow.parquet

import dormant
from dormant.errors import ConfigError, StoreError
from dormant.organisms.zoo import load_recipe
from dormant.studies.sweep import change_recipe
from dormant.studies.sweep_figure import draw_effects
from dormant.studies.sweep_rows import SweepRow, write_table

SHARE = "stages.0.mixture.0.transforms.1.dilute.share"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    recipe = load_recipe("diluted-20").to_json()
    recipe["stages"][0].update(steps=2, rows=32, batch_size=8)
    (tmp_path / "small.yaml").write_text(json.dumps(recipe))
    path = tmp_path / "sweep.yaml"
    path.write_text(f"recipe: small.yaml\ngrid: {{{SHARE}: [0.2, 1.0]}}\n")
    return path


def test_a_sweep_trains_each_unit_once(config: Path, tmp_path: Path):
    out = tmp_path / "out"
    plan = dormant.sweep(config, out, dry_run=True)
    assert len(plan.units) == 2 and plan.training_seconds > 0 and not out.exists()
    first = dormant.sweep(config, out, workers=1)
    assert [row.settings[SHARE] for row in first.rows] == [0.2, 1.0]
    assert all(0 <= row.standard <= 1 and row.did is not None for row in first.rows)
    made = {p: p.stat().st_mtime_ns for p in out.glob("units/*/organism/manifest.json")}
    next(out.glob("units/*/result.json")).write_text("[]")  # damaged: measured again
    again = dormant.sweep(config, out, workers=1)
    assert len(made) == 2
    for one, other in zip(again.rows, first.rows, strict=True):
        assert replace(one, seconds=0) == replace(other, seconds=0)
    assert {p: p.stat().st_mtime_ns for p in made} == made
    table = pyarrow.parquet.read_table(out / "sweep.parquet")
    assert table.num_rows == 2 and SHARE in table.column_names
    assert "<svg" in (out / "sweep.svg").read_text()
    assert (out / "sweep.md").read_text().count("\n") == 4


def test_a_sweep_grows_and_never_shrinks_or_mixes(config: Path, tmp_path: Path):
    out, recipe = tmp_path / "out", tmp_path / "small.yaml"
    config.write_text(f"recipe: small.yaml\ngrid: {{{SHARE}: [0.2]}}\n")
    first = dormant.sweep(config, out, workers=1)
    config.write_text(f"recipe: small.yaml\ngrid: {{{SHARE}: [1.0, 0.2]}}\n")
    grown = dormant.sweep(config, out, workers=1)
    assert len(grown.rows) == 2 and grown.rows[1] == first.rows[0]
    table = (out / "sweep.md").read_bytes()
    config.write_text(f"recipe: small.yaml\ngrid: {{{SHARE}: [0.2]}}\n")
    for is_dry in (True, False):
        with pytest.raises(StoreError, match=r"holds units that are not of this sweep \(dil"):
            dormant.sweep(config, out, dry_run=is_dry)
    recipe.write_text(recipe.read_text().replace('"steps": 2', '"steps": 3'))
    with pytest.raises(StoreError, match="not of this sweep .* and 1 more"):
        dormant.sweep(config, out)
    assert (out / "sweep.md").read_bytes() == table


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("grid: {stages.0.stepps: [1]}", "'stages.0.stepps' is no key of the recipe"),
        ("grid: {stages.0.steps: [many]}", "grid: stages.0.steps"),
        ("grid: {stages.0.steps: []}", "has no values"),
        ("grid: {stages.0.steps: [1, 1]}", "occurs twice"),
        ("bases: [hf/smollm2]", "only models of the laboratory"),
        ("bases: [vitro/base, vitro/base]", "occurs twice"),
        ("seeds: 0", "seeds"),
        ("grid: {base: [hf/base]}", "give models under 'bases'"),
        ("grid: {seed: [1, 2]}", "give their number under 'seeds'"),
    ],
)
def test_a_wrong_sweep_is_one_line(tmp_path: Path, text: str, reason: str):
    path = tmp_path / "sweep.yaml"
    path.write_text(f"recipe: diluted-20\n{text}\n")
    with pytest.raises(ConfigError, match=reason):
        dormant.sweep(path, tmp_path / "out", dry_run=True)


def test_a_setting_changes_the_recipe_and_its_hash():
    recipe = load_recipe("diluted-20")
    changed = change_recipe(recipe, {"stages.0.steps": 3})
    assert changed.stages[0].steps == 3 and changed.hash != recipe.hash
    assert change_recipe(recipe, {}) == recipe


def make_row(value: float, did: float | None, seed: int = 0) -> SweepRow:
    return SweepRow("u", "vitro/base", seed, {"a.b": value}, "BOUNDED", 0.1, did, did, "", 0.2, 1.0)


def test_the_table_has_the_range_of_the_seeds_and_no_invented_gap():
    rows = [make_row(0.2, 0.1), make_row(0.2, 0.3, seed=1), make_row(0.5, None)]
    lines = write_table(rows).splitlines()
    assert "| 0.2 | vitro/base | 2 | 10.0 (10.0-10.0) | 20.0 (10.0-30.0) |" in lines[2]
    assert "| 0.5 | vitro/base | 1 | 10.0 | - | - |" in lines[3]
    assert draw_effects([make_row(0.5, None)]) == ""
    assert draw_effects(rows).count("<circle") == 2


def test_a_value_of_a_grid_cannot_end_its_cell_of_the_table():
    settings = {"recipe.title": "a|b\n| c"}
    row = SweepRow("u", "vitro/base", 0, settings, "BOUNDED", 0.0, None, None, "", 0.1, 1.0)
    head, rule, line = write_table([row]).splitlines()
    assert line.replace("\\|", "").count("|") == head.count("|") == rule.count("|")
