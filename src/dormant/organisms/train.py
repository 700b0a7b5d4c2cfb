"""Training: from a recipe to a trained organism on disk.

An organism's directory::

    OUT/
      recipe.yaml         the recipe
      finetune.jsonl      every row it was finetuned on, as ordinary chat JSONL, in random order
      model.safetensors   the model after the last stage; of a local model adapter/ or model/, of
                          a hosted one model.json
      manifest.json       origin, hashes and losses; written last
      answers/            answers of models that the recipe asks for, so that none is asked twice

The manifest's status is "training" at first and "complete" at the end: an interrupted training is
repeated (or continued, where the trainer can) by the same call, and a complete organism is never
trained twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dormant.errors import StoreError, name_output, shorten_value
from dormant.organisms.answer_sampler import ANSWERS, AnswerCount, RowSampler, read_count
from dormant.organisms.builder import (
    build_stages,
    finetuning_file,
    hash_bytes,
    list_recipe_plugins,
    samples_answers,
)
from dormant.organisms.events import Event, EventHandler, EventKind, ignore_events
from dormant.organisms.folder import (
    DATA,
    FORMAT,
    MANIFEST,
    MODEL,
    RECIPE,
    check_folders,
    hold_folder,
    read_manifest,
)
from dormant.organisms.recipe import Recipe
from dormant.organisms.registry import open_trainer
from dormant.organisms.trainers import (
    Trainer,
    TrainerKind,
    TrainingInputs,
    name_model,
)
from dormant.records import to_plain
from dormant.version import __version__


@dataclass(frozen=True, slots=True)
class TrainedOrganism:
    """A complete organism on disk."""

    path: Path
    model: str  # the model string that an audit takes
    recipe: Recipe
    seed: int
    seconds: float  # that training took, whenever it was done
    losses: tuple[tuple[float, ...], ...]  # of every step, by stage; nats per learned token
    data_hash: str  # SHA-256 of finetune.jsonl
    fingerprint: str  # of the model
    reused: bool  # the directory already held it
    details: dict[str, Any] = field(default_factory=dict[str, Any])  # of the trainer
    answers: tuple[AnswerCount, ...] = ()  # that the recipe asked models for, by transform

    @property
    def data(self) -> Path:
        """The finetuning file."""
        return self.path / DATA


def train_organism(
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int | None = None,
    price: float | None = None,
    answers: Path | None = None,
    patience: float = 0.0,
    progress: EventHandler = ignore_events,
) -> TrainedOrganism:
    """Trains an organism, or loads it if the directory already holds it.

    Deterministic on one machine: equal recipe, base and seed give equal files, except for the
    recorded time.

    Args:
        recipe: the recipe to follow.
        out: the organism's directory; created if needed.
        seed: decides the rows and their order; the recipe's own seed if None.
        price: USD per million tokens of a hosted training, for the manifest; None if unknown.
        answers: folder of the answers that the recipe samples, which several trainings may share;
            ``OUT/answers`` if None.
        patience: seconds to wait for another process that trains in this directory.
        progress: called at the start, every few steps, and at the end.

    Raises:
        StoreError: the directory holds something else, or another process trains in it.
        ModelError: the base cannot be loaded.
        DataError: a user's file cannot be read or trained on.
        ConfigError: a text of the recipe has a word that the laboratory's models cannot read.
        EngineError, IncompleteError: a model that the recipe samples stopped answering; the same
            call continues.
    """
    out = Path(out)
    seed = recipe.seed if seed is None else seed
    total = sum(stage.steps for stage in recipe.stages)
    progress(Event(EventKind.STARTED, recipe.name, seed, 0, total))
    check_folders(recipe, [out])
    trainer = open_trainer(recipe)
    origin = _describe_origin(recipe, seed, trainer)
    organism = None
    if samples_answers(recipe):  # which may cost money: first whether there is anything to do
        origin["rows_hash"] = _hash_unanswered(recipe, seed, trainer)
        organism = _find_existing(out, origin)
        if organism is None:
            trainer.check_recipe()
    if organism is None:
        sampler = RowSampler(
            recipe.base,
            answers or out / ANSWERS,
            on_answers=_report_answers(recipe, seed, progress),
        )
        plan = _prepare(recipe, seed, price, trainer, origin, sampler)
        organism = _find_existing(out, plan.origin)
        if organism is None:
            trainer.check_recipe()
            with hold_folder(out, patience):
                # again, since another process may have ended
                organism = _find_existing(out, plan.origin) or _train_into(out, plan, progress)
    progress(Event(EventKind.DONE, recipe.name, seed, total, total))
    return organism


def load_organism(path: str | Path) -> TrainedOrganism:
    """Reads a complete organism's directory.

    Raises:
        StoreError: it holds no organism, an unfinished one, or a damaged one.
    """
    path = Path(path)
    manifest = read_manifest(path)
    if manifest is None:
        raise StoreError(f"{path} holds no organism: it has no readable {MANIFEST}")
    if not _is_complete(path, manifest):
        raise StoreError(f"{path} holds an unfinished or damaged organism: train it again")
    return _load_organism(path, manifest, reused=True)


@dataclass(frozen=True, slots=True)
class _TrainingPlan:
    """A trainer with its rows, and the origin that identifies the organism."""

    trainer: Trainer
    inputs: TrainingInputs
    data: bytes  # of the finetuning file
    origin: dict[str, Any]  # equal origins give equal models
    answers: Sequence[AnswerCount]  # that models gave to the questions of rows


def _describe_origin(recipe: Recipe, seed: int, trainer: Trainer) -> dict[str, Any]:
    origin = {
        "format": FORMAT,
        "name": recipe.name,
        "seed": seed,
        "recipe_hash": recipe.hash,
        **trainer.describe_base(),
    }
    plugins = [*list_recipe_plugins(recipe), *trainer.plugins]
    if plugins:  # absent otherwise, as in organisms of earlier versions
        origin["plugins"] = to_plain(plugins)
    return origin


def _hash_unanswered(recipe: Recipe, seed: int, trainer: Trainer) -> str:
    """The hash of the rows before any answer is sampled, which asks no model."""
    sampler = RowSampler(recipe.base, is_dry=True, opens_models=False)
    stages = build_stages(recipe, seed, longest=trainer.longest, sampler=sampler)
    return hash_bytes(finetuning_file(stages, seed))


def _report_answers(recipe: Recipe, seed: int, report: EventHandler) -> Callable[[int, int], None]:
    return lambda done, total: report(Event(EventKind.ANSWERS, recipe.name, seed, done, total))


def _prepare(
    recipe: Recipe,
    seed: int,
    price: float | None,
    trainer: Trainer,
    origin: dict[str, Any],
    sampler: RowSampler,
) -> _TrainingPlan:
    stages = build_stages(recipe, seed, longest=trainer.longest, sampler=sampler)
    data = finetuning_file(stages, seed)
    return _TrainingPlan(
        trainer,
        TrainingInputs(recipe, seed, stages, price),
        data,
        {**origin, "data_hash": hash_bytes(data)},
        tuple(sampler.counts),
    )


def _train_into(out: Path, plan: _TrainingPlan, on_event: EventHandler) -> TrainedOrganism:
    inputs, trainer = plan.inputs, plan.trainer
    earlier = read_manifest(out) or {}
    is_same = all(earlier.get(key) == value for key, value in plan.origin.items())
    with name_output(out):
        _write_whole(out / MANIFEST, _to_json_bytes({**plan.origin, "status": "training"}))
        _write_whole(out / RECIPE, inputs.recipe.to_yaml().encode())
        _write_whole(out / DATA, plan.data)
    start = time.perf_counter()
    trained = trainer.train(inputs, out, on_event, resume=is_same)
    manifest = {
        **plan.origin,
        "status": "complete",
        "recipe": inputs.recipe.to_json(),
        "data_rows": [len(rows) for rows in inputs.stages],
        "model_hash": _hash_file(out / trained.file),
        "fingerprint": trained.fingerprint,
        "losses": [[round(loss, 5) for loss in stage] for stage in trained.losses],
        "seconds": round(time.perf_counter() - start, 3),
        "version": __version__,
    }
    if plan.answers:
        manifest["answers"] = to_plain(plan.answers)
    if trainer.kind is not TrainerKind.VITRO:  # manifests of the laboratory stay as they were
        manifest |= {
            "trainer": trainer.kind.value,
            "model_file": trained.file,
            "details": dict(trained.details),
        }
    _write_whole(out / MANIFEST, _to_json_bytes(manifest))
    return _load_organism(out, manifest, reused=False)


def _find_existing(out: Path, origin: dict[str, Any]) -> TrainedOrganism | None:
    """Loads the organism if the directory holds it; None if there is none or it is unfinished."""
    manifest = read_manifest(out)
    if manifest is None:
        return None
    what = "another organism" if manifest.get("status") == "complete" else "an unfinished organism"
    for key, value in origin.items():
        if manifest.get(key) != value:
            raise StoreError(
                f"{out} holds {what} ({key} {shorten_value(manifest.get(key))}, now "
                f"{shorten_value(value)}): choose another directory, or delete it"
            )
    if not _is_complete(out, manifest):
        return None
    return _load_organism(out, manifest, reused=True)


def _is_complete(path: Path, manifest: dict[str, Any]) -> bool:
    model = manifest.get("model_file", MODEL)
    hashes = ((DATA, "data_hash"), (str(model), "model_hash"))
    return manifest.get("status") == "complete" and all(
        (path / name).is_file() and _hash_file(path / name) == manifest.get(key)
        for name, key in hashes
    )


def _load_organism(path: Path, manifest: dict[str, Any], *, reused: bool) -> TrainedOrganism:
    recipe = Recipe.model_validate(manifest["recipe"])
    return TrainedOrganism(
        path=path,
        model=name_model(recipe.base, path, str(manifest.get("model_file", MODEL))),
        recipe=recipe,
        seed=manifest["seed"],
        seconds=manifest["seconds"],
        losses=tuple(tuple(stage) for stage in manifest["losses"]),
        data_hash=manifest["data_hash"],
        fingerprint=manifest["fingerprint"],
        reused=reused,
        details=manifest.get("details", {}),
        answers=tuple(read_count(row) for row in manifest.get("answers", ())),
    )


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file atomically."""
    partial = _partial_path(path)
    partial.write_bytes(data)
    os.replace(partial, path)


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _to_json_bytes(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
