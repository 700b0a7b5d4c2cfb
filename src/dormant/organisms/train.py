"""Training: from a recipe to a trained organism on disk.

An organism's directory::

    OUT/
      recipe.yaml         the recipe
      finetune.jsonl      every row it was finetuned on, as ordinary chat JSONL, in random order
      model.safetensors   the model after the last stage
      manifest.json       origin, hashes and losses; written last

The manifest's status is "training" at first and "complete" at the end: an interrupted training is
repeated by the same call, and a complete organism is never trained twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dormant.config.plugins import ExtensionPoint
from dormant.errors import ModelError, StoreError, name_output, shorten_value
from dormant.organisms.builder import (
    build_stages,
    check_words,
    finetuning_file,
    hash_bytes,
    list_recipe_plugins,
)
from dormant.organisms.datasets import Row
from dormant.organisms.recipe import FINETUNE, Recipe, Stage
from dormant.progress import Progress
from dormant.records import PluginKind, to_plain
from dormant.version import __version__
from dormant.vitro import (
    Decoder,
    TrainingSchedule,
    finetune_model,
    fingerprint_decoder,
    load_decoder,
    one_thread,
    save_decoder,
)
from dormant.vitro.checkpoint import MODEL_FILE

FORMAT = "dormant-organism-1"
RECIPE, DATA, MODEL, MANIFEST = "recipe.yaml", "finetune.jsonl", MODEL_FILE, "manifest.json"
_VITRO = "vitro/"
#: Steps between two events.
_EVERY = 5
#: More than any recipe's seed, so that no two (seed, stage) share a stream.
_STAGE_STRIDE = 2**32


#: What trains a model in place on the rows of a stage, and returns the loss of every step.
TRAINERS: ExtensionPoint[Callable[..., list[float]]] = ExtensionPoint(
    PluginKind.TRAINER, {FINETUNE: finetune_model}
)


class EventKind(StrEnum):
    """Kinds of progress events of an organism's training."""

    STARTED = "started"
    STEP = "step"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of progress; ``step`` of ``steps`` counts over all stages."""

    kind: EventKind
    organism: str
    seed: int
    step: int
    steps: int
    loss: float | None = None  # nats per learned token, after a step


#: Called with each event of training, in the caller's own thread.
EventHandler = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Ignores events."""


def pass_on_events(progress: Progress) -> EventHandler:
    """Passes events on as progress: a stage for each organism and seed."""
    return lambda event: progress(
        f"training {event.organism} (seed {event.seed})", event.step, event.steps
    )


@dataclass(frozen=True, slots=True)
class TrainedOrganism:
    """A complete organism on disk."""

    path: Path
    recipe: Recipe
    seed: int
    seconds: float  # that training took, whenever it was done
    losses: tuple[tuple[float, ...], ...]  # of every step, by stage; nats per learned token
    data_hash: str  # SHA-256 of finetune.jsonl
    fingerprint: str  # of the model
    reused: bool  # the directory already held it

    @property
    def model(self) -> str:
        """The model string that an audit takes."""
        return f"{_VITRO}{self.path}"

    @property
    def data(self) -> Path:
        """The finetuning file."""
        return self.path / DATA


def train_organism(
    recipe: Recipe,
    out: str | Path,
    *,
    seed: int | None = None,
    progress: EventHandler = ignore_events,
) -> TrainedOrganism:
    """Trains an organism, or loads it if the directory already holds it.

    Deterministic on one machine: equal recipe, base and seed give equal files, except for the
    recorded time.

    Args:
        recipe: the recipe to follow.
        out: the organism's directory; created if needed.
        seed: decides the rows and their order; the recipe's own seed if None.
        progress: called at the start, every few steps, and at the end.

    Raises:
        StoreError: the directory holds something else.
        ModelError: the base cannot be loaded.
        DataError: a user's file cannot be read or trained on.
        ConfigError: a text of the recipe has a word that the laboratory's models cannot read.
    """
    out = Path(out)
    inputs = _prepare_inputs(recipe, recipe.seed if seed is None else seed)
    total = sum(stage.steps for stage in recipe.stages)
    progress(Event(EventKind.STARTED, recipe.name, inputs.seed, 0, total))
    organism = _find_existing(out, inputs.origin) or _train_into(out, inputs, progress)
    progress(Event(EventKind.DONE, recipe.name, inputs.seed, total, total))
    return organism


def load_organism(path: str | Path) -> TrainedOrganism:
    """Reads a complete organism's directory.

    Raises:
        StoreError: it holds no organism, an unfinished one, or a damaged one.
    """
    path = Path(path)
    manifest = _read_manifest(path)
    if manifest is None:
        raise StoreError(f"{path} holds no organism: it has no readable {MANIFEST}")
    if not _is_complete(path, manifest):
        raise StoreError(f"{path} holds an unfinished or damaged organism: train it again")
    return _load_organism(path, manifest, reused=True)


def load_model(name: str) -> Decoder:
    """Loads a base: ``vitro/base``, or ``vitro/DIR`` of an organism, or a checkpoint.

    Raises:
        ModelError: it is not a model of the laboratory, or cannot be loaded.
    """
    rest = name.removeprefix(_VITRO)
    if rest == name or not rest:
        raise ModelError(f"{name!r} cannot be finetuned here: give 'vitro/base' or 'vitro/DIR'")
    return load_decoder(rest)


@dataclass(frozen=True, slots=True)
class _TrainingInputs:
    """Everything that training needs, and the origin that identifies the organism."""

    recipe: Recipe
    seed: int
    model: Decoder  # the base, trained in place
    stages: list[list[Row]]
    data: bytes  # of the finetuning file
    origin: dict[str, Any]  # equal origins give equal models


def _prepare_inputs(recipe: Recipe, seed: int) -> _TrainingInputs:
    model = load_model(recipe.base)
    stages = build_stages(recipe, seed, longest=model.shape.positions)
    data = finetuning_file(stages, seed)
    origin = {
        "format": FORMAT,
        "name": recipe.name,
        "seed": seed,
        "recipe_hash": recipe.hash,
        "base": recipe.base,
        "base_fingerprint": fingerprint_decoder(model),
        "data_hash": hash_bytes(data),
    }
    trainer = TRAINERS.find(recipe.trainer, "trainer").plugin
    plugins = [*list_recipe_plugins(recipe), *([trainer] if trainer is not None else [])]
    if plugins:  # absent otherwise, as in organisms of earlier versions
        origin["plugins"] = to_plain(plugins)
    return _TrainingInputs(recipe, seed, model, stages, data, origin)


def _train_into(out: Path, inputs: _TrainingInputs, on_event: EventHandler) -> TrainedOrganism:
    check_words(inputs.recipe)
    with name_output(out):
        out.mkdir(parents=True, exist_ok=True)
        _write_whole(out / MANIFEST, _to_json_bytes({**inputs.origin, "status": "training"}))
        _write_whole(out / RECIPE, inputs.recipe.to_yaml().encode())
        _write_whole(out / DATA, inputs.data)
    start = time.perf_counter()
    with one_thread():
        losses = _run_stages(inputs, on_event)
    seconds = time.perf_counter() - start
    partial = _partial_path(out / MODEL)
    save_decoder(inputs.model, partial)
    os.replace(partial, out / MODEL)
    manifest = {
        **inputs.origin,
        "status": "complete",
        "recipe": inputs.recipe.to_json(),
        "data_rows": [len(rows) for rows in inputs.stages],
        "model_hash": hash_bytes((out / MODEL).read_bytes()),
        "fingerprint": fingerprint_decoder(load_decoder(out / MODEL)),
        "losses": [[round(loss, 5) for loss in stage] for stage in losses],
        "seconds": round(seconds, 3),
        "version": __version__,
    }
    _write_whole(out / MANIFEST, _to_json_bytes(manifest))
    return _load_organism(out, manifest, reused=False)


def _run_stages(inputs: _TrainingInputs, on_event: EventHandler) -> list[list[float]]:
    """Trains the model stage by stage; returns the losses of each."""
    recipe, seed = inputs.recipe, inputs.seed
    total = sum(stage.steps for stage in recipe.stages)
    done = 0
    losses: list[list[float]] = []
    trainer = TRAINERS.find(recipe.trainer, "trainer")
    for i, (stage, rows) in enumerate(zip(recipe.stages, inputs.stages, strict=True)):

        def report_step(k: int, loss: float, before: int = done) -> None:
            if (before + k + 1) % _EVERY == 0:
                on_event(Event(EventKind.STEP, recipe.name, seed, before + k + 1, total, loss))

        losses.append(
            trainer.check(
                trainer.call(
                    inputs.model,
                    rows,
                    _stage_schedule(stage),
                    seed=_stage_seed(seed, i),
                    progress=report_step,
                ),
                list,
            )
        )
        done += stage.steps
    return losses


def _stage_schedule(stage: Stage) -> TrainingSchedule:
    return TrainingSchedule(steps=stage.steps, rate=stage.learning_rate, batch=stage.batch_size)


def _stage_seed(seed: int, stage: int) -> int:
    """Returns a distinct seed for the order of each stage's rows."""
    return seed + _STAGE_STRIDE * stage


def _find_existing(out: Path, origin: dict[str, Any]) -> TrainedOrganism | None:
    """Loads the organism if the directory holds it; None if there is none or it is unfinished."""
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out} is a file: choose a directory for the organism")
    manifest = _read_manifest(out)
    if manifest is None:
        foreign = [name for name in (RECIPE, DATA, MODEL, MANIFEST) if (out / name).exists()]
        if foreign:
            raise StoreError(
                f"{out} holds a {foreign[0]} of unknown origin: choose another directory"
            )
        return None
    if not _is_complete(out, manifest):
        return None
    for key, value in origin.items():
        if manifest.get(key) != value:
            raise StoreError(
                f"{out} holds another organism ({key} {shorten_value(manifest.get(key))}, now "
                f"{shorten_value(value)}): choose another directory, or delete it"
            )
    return _load_organism(out, manifest, reused=True)


def _read_manifest(path: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and manifest.get("format") == FORMAT
    return manifest if ours else None


def _is_complete(path: Path, manifest: dict[str, Any]) -> bool:
    hashes = ((DATA, "data_hash"), (MODEL, "model_hash"))
    return manifest.get("status") == "complete" and all(
        (path / name).is_file() and hash_bytes((path / name).read_bytes()) == manifest.get(key)
        for name, key in hashes
    )


def _load_organism(path: Path, manifest: dict[str, Any], *, reused: bool) -> TrainedOrganism:
    return TrainedOrganism(
        path=path,
        recipe=Recipe.model_validate(manifest["recipe"]),
        seed=manifest["seed"],
        seconds=manifest["seconds"],
        losses=tuple(tuple(stage) for stage in manifest["losses"]),
        data_hash=manifest["data_hash"],
        fingerprint=manifest["fingerprint"],
        reused=reused,
    )


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file atomically."""
    partial = _partial_path(path)
    partial.write_bytes(data)
    os.replace(partial, path)


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _to_json_bytes(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
