"""Trainers: what turns the rows of a recipe into a model.

A recipe's ``base`` decides which one: ``vitro/...`` is finetuned by the laboratory's own loop
(``vitro_trainer``), ``hf/...`` by TRL and PEFT (``lora/``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from dormant.engines.local_options import LocalOptions
from dormant.engines.model_strings import parse_model
from dormant.errors import ConfigError, shorten_value
from dormant.organisms.datasets import Row
from dormant.organisms.events import EventHandler
from dormant.organisms.recipe import Recipe
from dormant.records import Plugin
from dormant.vitro.curriculum import IGNORE

VITRO, HF = "vitro/", "hf/"
#: Folder of an adapter in an organism's directory.
ADAPTER = "adapter"


class TrainerKind(StrEnum):
    """The trainers."""

    VITRO = "vitro"
    LORA = "lora"


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """What an organism is trained on."""

    recipe: Recipe
    seed: int
    stages: Sequence[Sequence[Row]]  # the rows of each stage, in the order of the file's draw


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a trainer left in the organism's directory."""

    file: str  # the weights, relative to the directory
    fingerprint: str  # of the model as an engine opens it
    losses: Sequence[Sequence[float]]  # of every step, by stage; nats per learned token
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])  # for the manifest


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a row as the model reads it."""

    text: str
    is_trained: bool  # whether the loss is taken over it


@dataclass(frozen=True, slots=True)
class StageSize:
    """Tokens of a stage's rows."""

    tokens: int
    trained: int  # tokens that the loss is taken over
    cut: int = 0  # rows that lose their end
    dropped: int = 0  # rows of which no answer is left


@dataclass(frozen=True, slots=True)
class TrainingMeasure:
    """What a training would take."""

    stages: Sequence[StageSize]
    examples: Sequence[Sequence[Span]]  # rows with their loss mask
    seconds: float  # expected, by one timed pass


class Trainer(Protocol):
    """Finetunes a base; made for one recipe, whose base it has checked."""

    kind: TrainerKind
    longest: int | None  # words of a row that the laboratory's model can read; None elsewhere

    @property
    def plugins(self) -> Sequence[Plugin]:
        """Packages that take part in the training."""
        ...

    def describe_base(self) -> Mapping[str, str]:
        """What identifies the base: equal descriptions, rows and seeds give equal models."""
        ...

    def check_recipe(self) -> None:
        """Checks that the model can read what the recipe says.

        Raises:
            ConfigError: it cannot; names the text and the fix.
        """
        ...

    def measure(self, inputs: TrainingInputs) -> TrainingMeasure:
        """Measures what training on these rows would take; changes nothing.

        Raises:
            InputError: a row cannot be trained on, or no token of a stage would be trained.
        """
        ...

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Trains all stages and writes the model below ``out``.

        Args:
            inputs: the rows.
            out: the organism's directory, which exists.
            on_event: called every few steps.
            resume: what an interrupted training of the same inputs left in ``out`` may be used.
        """
        ...


def mark_spans(
    tokens: Sequence[int], labels: Sequence[int], decode: Callable[[list[int]], str]
) -> tuple[Span, ...]:
    """Cuts a sequence where the loss begins and ends.

    Args:
        tokens: the sequence.
        labels: ``IGNORE`` where no loss is taken.
        decode: tokens to text.
    """
    groups = groupby(zip(tokens, labels, strict=True), key=lambda pair: pair[1] != IGNORE)
    return tuple(Span(decode([token for token, _ in group]), is_on) for is_on, group in groups)


def find_trainer_kind(base: str) -> TrainerKind:
    """Finds which trainer finetunes a base.

    Raises:
        ConfigError: none does.
    """
    if base.startswith(VITRO) and base != VITRO:
        return TrainerKind.VITRO
    if base.startswith(HF) and base != HF:
        return TrainerKind.LORA
    raise ConfigError(
        f"base {shorten_value(base)} cannot be finetuned here: give 'vitro/base', 'vitro/DIR' of "
        "an organism, or 'hf/NAME_OR_PATH' of a local model"
    )


def set_base(recipe: Recipe, *, base: str | None, trainer: str | None) -> Recipe:
    """Puts another base under a recipe, and checks that it is one of the wanted trainer's.

    Args:
        recipe: the recipe.
        base: model string of the base; the recipe's own if None.
        trainer: a ``TrainerKind``; the one of the base if None.

    Raises:
        ConfigError: the trainer is unknown or finetunes other bases.
    """
    recipe = recipe if base is None else recipe.model_copy(update={"base": base})
    if trainer is None:
        return recipe
    kinds = [kind.value for kind in TrainerKind]
    if trainer not in kinds:
        raise ConfigError(f"unknown trainer {shorten_value(trainer)}: give {' or '.join(kinds)}")
    if find_trainer_kind(recipe.base) != trainer:
        wanted = "vitro/base" if trainer == TrainerKind.VITRO else "hf/NAME_OR_PATH"
        raise ConfigError(
            f"trainer {trainer!r} cannot finetune {shorten_value(recipe.base)}: give the base "
            f"{wanted}"
        )
    return recipe


def name_model(base: str, out: Path, file: str) -> str:
    """The model string of what was trained from a base.

    Args:
        base: the recipe's base.
        out: the organism's directory.
        file: the weights, relative to it.
    """
    if find_trainer_kind(base) is TrainerKind.VITRO:
        return f"{VITRO}{out}"
    folder = (out / file).parent
    if folder.name != ADAPTER:
        return f"{HF}{folder}"
    spec = parse_model(base)
    revision = f"@{spec.revision}" if spec.revision else ""
    options = spec.text[spec.text.rindex("?") :] if spec.options != LocalOptions() else ""
    return f"{HF}{spec.name}:{folder}{revision}{options}"
