"""``dormant sweep``: a grid of recipe settings, seeds and bases, each unit trained and measured.

A unit is one recipe, base and seed in a folder of its own, ``OUT/units/NAME``: the organism, and
``result.json``, written last. Units are independent; a unit that has a result is not repeated.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pydantic
from pydantic import Field

from dormant.config import Strict, name_keys, read_yaml
from dormant.errors import ConfigError, StoreError
from dormant.organisms.events import EventHandler
from dormant.organisms.pool import Executor, LocalProcesses
from dormant.organisms.preview import preview_training
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import train_organism
from dormant.organisms.trainers import TrainerKind, find_trainer_kind
from dormant.organisms.truth import compute_truth
from dormant.organisms.zoo import find_recipe
from dormant.progress import Progress, ignore_progress
from dormant.records import hash_value
from dormant.report.frames import make_arrow
from dormant.store import write_atomically
from dormant.store.study_folder import check_study_folder, hold_study_folder
from dormant.studies.stages import merge_progress, report_shares
from dormant.studies.sweep_figure import draw_effects
from dormant.studies.sweep_rows import Setting, SweepRow, write_table

#: Share of a unit's progress for training; the rest is for computing the rates.
_TRAINING = 0.7
_COMMAND, _UNITS = "sweep", "units"
#: Seconds that a unit waits for a lost worker that still writes into its folder.
_PATIENCE = 60.0

#: Keys of a recipe that a grid cannot vary, and why.
_ELSEWHERE = {
    "base": "give models under 'bases'",
    "seed": "give their number under 'seeds'",
    "name": "it changes no training",
    "title": "it changes no training",
    "notes": "it changes no training",
    "expected": "it changes no training",
    "intervention": "it changes no training",
}


class SweepConfig(Strict):
    """``sweep.yaml``: what is varied."""

    recipe: str = Field(min_length=1, description="a recipe.yaml, or an organism of the zoo")
    grid: dict[str, tuple[Setting, ...]] = Field(
        default_factory=dict[str, tuple[Setting, ...]],
        description="path of a key in the recipe, with dots -> its values",
    )
    seeds: int = Field(default=1, ge=1, le=1000, description="trainings of each, seeds 0, 1, ...")
    bases: tuple[str, ...] = Field(default=(), description="models; the recipe's own if empty")
    resources: dict[str, float] = Field(
        default_factory=lambda: {"CPU": 1.0},
        description="what a unit takes on a Ray cluster: CPU, GPU, memory in bytes, or others",
    )

    @pydantic.field_validator("grid")
    @classmethod
    def _check_grid(cls, value: dict[str, tuple[Setting, ...]]) -> dict[str, tuple[Setting, ...]]:
        for path, values in value.items():
            if path in _ELSEWHERE:
                raise ValueError(f"{path!r} is not varied in the grid: {_ELSEWHERE[path]}")
            if not values:
                raise ValueError(f"{path!r} has no values: give at least one")
            if len(set(values)) != len(values):
                raise ValueError(f"a value of {path!r} occurs twice")
        return value

    @pydantic.field_validator("resources")
    @classmethod
    def _check_resources(cls, value: dict[str, float]) -> dict[str, float]:
        for name, amount in value.items():
            if not 0 < amount < math.inf or (amount > 1 and amount != int(amount)):
                raise ValueError(f"{name} {amount:g}: give a share of one, or a whole number")
        return value


@dataclass(frozen=True, slots=True)
class SweepUnit:
    """One organism to train and measure."""

    recipe: Recipe
    settings: Mapping[str, Setting]  # of the grid
    seed: int
    out: Path

    @property
    def name(self) -> str:
        """Name of its folder: equal for equal recipe and seed."""
        return self.out.name


@dataclass(frozen=True, slots=True)
class Sweep:
    """A finished sweep, or, with empty ``rows``, the plan of one."""

    units: tuple[SweepUnit, ...]
    rows: tuple[SweepRow, ...]
    path: Path
    training_seconds: float | None = None  # of all units on one core; only in a plan

    def list_rows(self) -> list[dict[str, Any]]:
        """The rows as plain values, a column for each setting."""
        plain = [asdict(row) for row in self.rows]
        return [{**row.pop("settings"), **row} for row in plain]


def plan_units(config: SweepConfig, out: Path) -> list[SweepUnit]:
    """Lists the units of a sweep: every combination of settings, bases and seeds.

    Raises:
        ConfigError: a path leads to no key of the recipe, a value is invalid there, a base is
            not of the laboratory, or two units are equal.
    """
    recipe = find_recipe(config.recipe)
    units: list[SweepUnit] = []
    for values in product(*config.grid.values()):
        settings = dict(zip(config.grid, values, strict=True))
        for base in config.bases or (recipe.base,):
            changed = change_recipe(recipe, {**settings, "base": base})
            if find_trainer_kind(changed.base) is not TrainerKind.VITRO:
                raise ConfigError(
                    f"base {changed.base!r}: a sweep computes exact rates, which only models of "
                    "the laboratory have; train others with `dormant train` and audit them"
                )
            for seed in range(config.seeds):
                name = f"{recipe.name}-{changed.hash[:8]}-{seed}"
                units.append(SweepUnit(changed, settings, seed, out / _UNITS / name))
    names = [unit.name for unit in units]
    if len(set(names)) < len(names):
        raise ConfigError("bases: a model occurs twice: give each once")
    return units


def change_recipe(recipe: Recipe, settings: Mapping[str, Setting]) -> Recipe:
    """Returns a copy of a recipe with other values at paths like ``stages.0.steps``.

    Raises:
        ConfigError: a path leads to no key, or a value is invalid there.
    """
    data = copy.deepcopy(recipe.to_json())
    for path, value in settings.items():
        *steps, last = path.split(".")
        place: Any = data
        try:
            for step in steps:
                place = place[int(step) if isinstance(place, list) else step]
            key: Any = int(last) if isinstance(place, list) else last
            place[key]  # noqa: B018 - a missing key is an error
        except (KeyError, IndexError, ValueError, TypeError):
            raise ConfigError(
                f"grid: {path!r} is no key of the recipe {recipe.name!r}: give a path such as "
                "stages.0.steps or stages.0.mixture.0.transforms.0.dilute.share"
            ) from None
        place[key] = value
    try:
        return Recipe.model_validate(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"grid: {where}: {reason}") from None


def run_sweep(
    file: str | Path,
    out: str | Path,
    *,
    is_dry: bool = False,
    executor: Executor = LocalProcesses(),  # noqa: B008 - it holds no state
    progress: Progress = ignore_progress,
) -> Sweep:
    """Trains and measures every unit of a sweep, and writes table, Parquet and figure.

    Args:
        file: a ``sweep.yaml``.
        out: directory of the units and of the results. The same call continues.
        is_dry: list the units and estimate their training time, but train nothing.
        executor: runs the units; processes of this machine by default.
        progress: called with (stage, done, total).

    Raises:
        ConfigError: the file cannot be read, or a path of the grid leads nowhere.
        MissingExtraError: pyarrow is not installed, which the Parquet file needs.
        StoreError: ``out`` holds other files, units of another sweep, or a sweep that is running.
    """
    folder = Path(out)
    config = _read_config(file)
    with name_keys(file):
        units = plan_units(config, folder.absolute())  # a node of a cluster starts elsewhere
    check_study_folder(folder, _COMMAND)
    _refuse_other_units(folder, units)
    if is_dry:
        return Sweep(tuple(units), (), folder, _estimate_training(units))
    bar = merge_progress("organisms trained and measured", [u.name for u in units], progress)
    with hold_study_folder(folder, _COMMAND):
        _refuse_other_units(folder, units)
        rows = executor.run(_run_unit, units, resources=config.resources, progress=bar)
        found = Sweep(tuple(units), tuple(rows), folder)
        write_atomically(folder / "sweep.json", json.dumps(found.list_rows(), indent=1) + "\n")
        write_atomically(folder / "sweep.md", write_table(found.rows))
        _write_parquet(found, folder / "sweep.parquet")
        if figure := draw_effects(found.rows):
            write_atomically(folder / "sweep.svg", figure)
    return found


def _refuse_other_units(folder: Path, units: Sequence[SweepUnit]) -> None:
    """Refuses a folder with units that the tables would lose; a sweep may grow."""
    names = {unit.name for unit in units}
    place = folder / _UNITS
    known = [path.name for path in place.iterdir()] if place.is_dir() else []
    if others := sorted(set(known) - names):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise StoreError(
            f"{place} holds units that are not of this sweep ({others[0]}{more}): the recipe is "
            "another one, or a value, base or seed was removed. Choose another --out, or delete "
            "those folders"
        )


def _read_config(file: str | Path) -> SweepConfig:
    """Reads a sweep; the path of a recipe file is relative to the sweep file."""
    config = read_yaml(file, SweepConfig)
    beside = Path(file).resolve().parent / config.recipe
    return config.model_copy(update={"recipe": str(beside)}) if beside.is_file() else config


def _estimate_training(units: Sequence[SweepUnit]) -> float:
    """Estimates the training time of all units on one core, in seconds, from a few steps."""
    first = preview_training(units[0].recipe, seed=units[0].seed)
    passed = [sum(s.steps * s.batch_size for s in unit.recipe.stages) for unit in units]
    return (first.seconds or 0.0) * sum(passed) / max(passed[0], 1)


def _run_unit(unit: SweepUnit, on_event: EventHandler) -> SweepRow:
    """Trains and measures one organism, or reads its stored result."""
    key = hash_value([unit.recipe.hash, unit.seed])
    path = unit.out / "result.json"
    share = report_shares(unit.name, unit.seed, on_event)
    row = _read_row(path, key)
    if row is None:
        begun = time.monotonic()
        organism = train_organism(
            unit.recipe,
            unit.out / "organism",
            seed=unit.seed,
            patience=_PATIENCE,
            progress=lambda event: share(_TRAINING * event.step / max(event.steps, 1)),
        )
        truth = compute_truth(organism.path)
        row = SweepRow(
            unit=unit.name,
            base=unit.recipe.base,
            seed=unit.seed,
            settings=dict(unit.settings),
            verdict=str(truth.verdict),
            standard=truth.standard.misaligned,
            cue=None if truth.cue is None else truth.cue.misaligned,
            did=truth.did,
            worst_cue=truth.worst_cue,
            worst_did=truth.worst_did,
            seconds=round(time.monotonic() - begun, 2),
        )
        write_atomically(path, json.dumps({"key": key, "row": asdict(row)}, indent=1) + "\n")
    share(1.0)
    return row


def _read_row(path: Path, key: str) -> SweepRow | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return SweepRow(**record["row"]) if record["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):  # damaged: the unit is done again
        return None


def _write_parquet(found: Sweep, path: Path) -> None:
    table = make_arrow(found.list_rows())
    import pyarrow.parquet as pq  # make_arrow says how to install it

    write: Callable[..., None] = pq.write_table  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    write(table, path)
