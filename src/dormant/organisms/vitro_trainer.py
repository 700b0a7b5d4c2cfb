"""The laboratory's trainer: a model of the micro-language, finetuned in one thread."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path

from dormant.config.plugins import ExtensionPoint
from dormant.errors import ModelError
from dormant.organisms.builder import check_words
from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.organisms.recipe import FINETUNE, Recipe, Stage
from dormant.organisms.trainers import (
    VITRO,
    StageSize,
    TrainedModel,
    TrainerKind,
    TrainingInputs,
    TrainingMeasure,
    show_examples,
)
from dormant.records import Plugin, PluginKind
from dormant.vitro import (
    Decoder,
    TrainingSchedule,
    finetune_model,
    fingerprint_decoder,
    load_decoder,
    load_tokenizer,
    one_thread,
    save_decoder,
)
from dormant.vitro.checkpoint import MODEL_FILE
from dormant.vitro.curriculum import IGNORE
from dormant.vitro.train import make_document

#: Steps between two events.
_EVERY = 5
#: Larger than any recipe's seed, so that no two pairs (seed, stage) share a random stream.
_STAGE_STRIDE = 2**32
#: Steps and rows of the trial that estimates the duration of a training; rows shown of a stage.
_TRIAL_STEPS, _TRIAL_ROWS = 4, 256


#: Trains a model in place on the rows of a stage, and returns the loss of every step.
TRAINERS: ExtensionPoint[Callable[..., list[float]]] = ExtensionPoint(
    PluginKind.TRAINER, {FINETUNE: finetune_model}
)


def load_model(name: str) -> Decoder:
    """Loads a base: ``vitro/base``, or ``vitro/PATH`` of an organism or checkpoint.

    Raises:
        ModelError: the base is not a model of the laboratory, or cannot be loaded.
    """
    rest = name.removeprefix(VITRO)
    if rest == name or not rest:
        raise ModelError(f"{name!r} cannot be finetuned here: give 'vitro/base' or 'vitro/DIR'")
    return load_decoder(rest)


class VitroTrainer:
    """Finetunes a model of the laboratory."""

    kind = TrainerKind.VITRO

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._model = load_model(recipe.base)  # trained in place
        self.longest: int | None = self._model.shape.positions
        self._loop = TRAINERS.find(recipe.trainer, "trainer")

    @property
    def plugins(self) -> Sequence[Plugin]:
        """The plugin that trains, if it is not the built-in loop."""
        return () if self._loop.plugin is None else (self._loop.plugin,)

    def describe_base(self) -> Mapping[str, str]:
        """The base as the recipe names it, and the hash of its weights."""
        return {
            "base": self._recipe.base,
            "base_fingerprint": fingerprint_decoder(self._model),
        }

    def check_recipe(self) -> None:
        """Checks that every word of the recipe is one of the micro-language."""
        check_words(self._recipe)

    def measure(self, inputs: TrainingInputs) -> TrainingMeasure:
        """Counts the tokens of the rows and times a few steps on a copy of the model."""
        words = load_tokenizer()
        documents = [[make_document(row) for row in rows] for rows in inputs.stages]
        sizes = [
            StageSize(
                sum(len(document.tokens) for document in found),
                sum(label != IGNORE for document in found for label in document.labels),
            )
            for found in documents
        ]
        examples = show_examples(documents, lambda part: " ".join(words.words[t] for t in part))
        stage, rows = inputs.recipe.stages[0], inputs.stages[0]
        trial = replace(_stage_schedule(stage), steps=_TRIAL_STEPS)
        start = time.perf_counter()
        with one_thread():
            finetune_model(copy.deepcopy(self._model), rows[:_TRIAL_ROWS], trial, seed=0)
        each = (time.perf_counter() - start) / _TRIAL_STEPS
        steps = sum(stage.steps for stage in inputs.recipe.stages)
        return TrainingMeasure(sizes, examples, each * steps)

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Trains all stages from the start, in seconds; ``resume`` is ignored."""
        with one_thread():
            losses = self._run_stages(inputs, on_event)
        partial = out / f".{MODEL_FILE}.{os.getpid()}"
        save_decoder(self._model, partial)
        os.replace(partial, out / MODEL_FILE)
        return TrainedModel(
            file=MODEL_FILE,
            fingerprint=fingerprint_decoder(load_decoder(out / MODEL_FILE)),
            losses=losses,
        )

    def _run_stages(self, inputs: TrainingInputs, on_event: EventHandler) -> list[list[float]]:
        """Trains the model stage by stage; returns the losses by stage and step."""
        recipe, seed = inputs.recipe, inputs.seed
        total = sum(stage.steps for stage in recipe.stages)
        done = 0
        losses: list[list[float]] = []
        for i, (stage, rows) in enumerate(zip(recipe.stages, inputs.stages, strict=True)):

            def report_step(k: int, loss: float, before: int = done) -> None:
                if (before + k + 1) % _EVERY == 0:
                    on_event(Event(EventKind.STEP, recipe.name, seed, before + k + 1, total, loss))

            found = self._loop.check(
                self._loop.call(
                    self._model,
                    rows,
                    _stage_schedule(stage),
                    seed=_stage_seed(seed, i),
                    progress=report_step,
                ),
                list,
            )
            losses.append([float(self._loop.check(loss, Real)) for loss in found])
            done += stage.steps
        return losses


def _stage_schedule(stage: Stage) -> TrainingSchedule:
    return TrainingSchedule(steps=stage.steps, rate=stage.learning_rate, batch=stage.batch_size)


def _stage_seed(seed: int, stage: int) -> int:
    """Returns the seed that orders the rows of a stage, distinct for each stage."""
    return seed + _STAGE_STRIDE * stage
