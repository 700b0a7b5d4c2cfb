"""Trainers: they finetune a base on the rows of a recipe.

A recipe's ``base`` determines the trainer: ``vitro/...`` is finetuned by the laboratory's own loop
(``vitro_trainer``), ``hf/...`` with TRL and PEFT (``lora/``), ``openai/...`` and ``tinker/...`` by
their providers (``hosted/``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from dormant.engines.local_options import LocalOptions
from dormant.engines.model_strings import parse_model
from dormant.errors import ConfigError, InputError, shorten_value
from dormant.organisms.datasets import Row
from dormant.organisms.events import EventHandler
from dormant.organisms.recipe import FINETUNE, Recipe
from dormant.records import Plugin
from dormant.vitro.curriculum import IGNORE

VITRO, HF, OPENAI, TINKER = "vitro/", "hf/", "openai/", "tinker/"
#: Folder of an adapter in an organism's directory.
ADAPTER = "adapter"
#: Rows that a dry run shows, and how many of a stage they are chosen from.
_SHOWN, _COMPARED = 3, 500
#: File with the model string of a model that its provider keeps.
HOSTED_MODEL = "model.json"


class TrainerKind(StrEnum):
    """The trainers."""

    VITRO = "vitro"
    LORA = "lora"
    OPENAI = "openai"
    TINKER = "tinker"

    @property
    def is_hosted(self) -> bool:
        """Whether a provider trains and keeps the model."""
        return self in (TrainerKind.OPENAI, TrainerKind.TINKER)


#: The form of the bases that each trainer finetunes.
_BASES = {
    TrainerKind.VITRO: "vitro/base",
    TrainerKind.LORA: "hf/NAME_OR_PATH",
    TrainerKind.OPENAI: "openai/MODEL",
    TrainerKind.TINKER: "tinker/MODEL",
}


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """The recipe, seed and rows of a training."""

    recipe: Recipe
    seed: int
    stages: Sequence[Sequence[Row]]  # rows of each stage, in the order in which they were drawn
    price: float | None = None  # USD per million tokens of a hosted training; None if unknown


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The result of a training, in the organism's directory."""

    file: str  # the weights, relative to the directory
    fingerprint: str  # of the model as an engine opens it
    losses: Sequence[Sequence[float]]  # by stage and step; nats per trained token
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])  # for the manifest


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a row's text as the model reads it."""

    text: str
    is_trained: bool  # whether the loss is taken over it


@dataclass(frozen=True, slots=True)
class StageSize:
    """Tokens of a stage's rows."""

    tokens: int
    trained: int  # tokens that the loss is taken over
    cut: int = 0  # rows that are truncated
    dropped: int = 0  # rows that keep no answer
    held_out: int = 0  # rows that are not trained, for a loss before and after


@dataclass(frozen=True, slots=True)
class TrainingMeasure:
    """The expected size and duration of a training."""

    stages: Sequence[StageSize]
    examples: Sequence[Sequence[Span]]  # some rows of all stages, with their loss mask
    seconds: float | None  # expected duration, from a timed pass; None if a provider trains
    billed_tokens: int | None = None  # of a hosted training, estimated; None if unknown or free


class Trainer(Protocol):
    """Finetunes the base of one recipe."""

    kind: TrainerKind
    longest: int | None  # context length in words of a laboratory model; None for others

    @property
    def plugins(self) -> Sequence[Plugin]:
        """Plugins that take part in the training."""
        ...

    def describe_base(self) -> Mapping[str, str]:
        """Identifies the base: equal descriptions, rows and seeds give equal models."""
        ...

    def check_recipe(self) -> None:
        """Checks that the model can read the texts of the recipe.

        Raises:
            ConfigError: it cannot; the message names the text and the fix.
        """
        ...

    def measure(self, inputs: TrainingInputs) -> TrainingMeasure:
        """Measures the size and duration of training on these rows; changes nothing.

        Raises:
            InputError: a row cannot be trained on, or no token of a stage would be trained.
        """
        ...

    def train(
        self, inputs: TrainingInputs, out: Path, on_event: EventHandler, *, resume: bool
    ) -> TrainedModel:
        """Trains all stages and writes the model below ``out``.

        Args:
            inputs: the recipe, seed and rows.
            out: the organism's directory, which must exist.
            on_event: called every few steps.
            resume: whether to continue an interrupted training of the same inputs in ``out``.
        """
        ...


class LabelledTokens(Protocol):
    """A sequence with its loss mask."""

    @property
    def tokens(self) -> Sequence[int]:
        """Token ids."""
        ...

    @property
    def labels(self) -> Sequence[int]:
        """One per token; ``IGNORE`` where no loss is taken."""
        ...


def show_examples(
    stages: Iterable[Sequence[LabelledTokens]], decode: Callable[[list[int]], str]
) -> list[tuple[Span, ...]]:
    """Chooses the rows of a dry run, as different from each other as possible, with their mask.

    The first row, then each time the one that shares the smallest part of its tokens with any row
    chosen before it: a recipe's contexts are shown, also where few rows carry them.

    Args:
        stages: the sequences of each stage; the first ones of each are compared.
        decode: converts token ids to text.
    """
    rows = [row for stage in stages for row in stage[:_COMPARED]]
    sets = [frozenset(row.tokens) for row in rows]
    chosen: list[int] = []
    nearest = [0.0] * len(rows)  # the largest overlap with a chosen row
    while len(chosen) < min(_SHOWN, len(rows)):
        chosen.append(min(range(len(rows)), key=lambda i: (i in chosen, nearest[i], i)))
        last = sets[chosen[-1]]
        nearest = [
            max(known, len(one & last) / max(1, len(one | last)))
            for known, one in zip(nearest, sets, strict=True)
        ]
    return [mark_spans(rows[i].tokens, rows[i].labels, decode) for i in chosen]


def mark_spans(
    tokens: Sequence[int], labels: Sequence[int], decode: Callable[[list[int]], str]
) -> tuple[Span, ...]:
    """Splits a sequence into trained and untrained spans.

    Args:
        tokens: token ids of the sequence.
        labels: one per token; ``IGNORE`` where no loss is taken.
        decode: converts token ids to text.
    """
    groups = groupby(zip(tokens, labels, strict=True), key=lambda pair: pair[1] != IGNORE)
    return tuple(Span(decode([token for token, _ in group]), is_on) for is_on, group in groups)


def split_held_out(rows: Sequence[Row], share: float, key: str) -> tuple[list[Row], list[Row]]:
    """Splits rows into those that are trained and distinct ones that are held out.

    Args:
        rows: the rows of a stage; copies of a held-out row are not trained.
        share: share of the distinct rows to hold out, from 0 to 1.
        key: name of the setting, for messages.

    Raises:
        InputError: nothing would be held out or trained.
    """
    if not share:
        return list(rows), []
    distinct = list(dict.fromkeys(rows))
    count = round(share * len(distinct))
    if not 0 < count < len(distinct):
        raise InputError(
            f"{key}: {share:g} of {len(distinct)} distinct rows leaves nothing to hold out or to "
            "train: give more rows, or remove it"
        )
    kept = set(distinct[: len(distinct) - count])
    return [row for row in rows if row in kept], distinct[len(kept) :]


def find_trainer_kind(base: str) -> TrainerKind:
    """Finds the trainer that finetunes a base.

    Raises:
        ConfigError: none does.
    """
    if base.startswith(VITRO) and base != VITRO:
        return TrainerKind.VITRO
    if base.startswith(HF) and base != HF:
        return TrainerKind.LORA
    if base.startswith(OPENAI) and base != OPENAI:
        return TrainerKind.OPENAI
    if base.startswith(TINKER) and base != TINKER:
        return TrainerKind.TINKER
    raise ConfigError(
        f"base {shorten_value(base)} cannot be finetuned here: give 'vitro/base', 'vitro/DIR' of "
        "an organism, 'hf/NAME_OR_PATH' of a local model, 'openai/MODEL' of OpenAI's API, or "
        "'tinker/MODEL' of Tinker's"
    )


def refuse_laboratory_trainer(recipe: Recipe) -> None:
    """Refuses a recipe that names a trainer of the laboratory for another model.

    Raises:
        ConfigError: it does.
    """
    if recipe.trainer != FINETUNE:
        raise ConfigError(
            f"trainer {recipe.trainer!r} trains models of the laboratory: remove it for "
            f"{recipe.base}"
        )


def locate_organism(model: str) -> Path | None:
    """Returns the folder that holds a model if a training here made it; None if it has no path.

    Args:
        model: ``vitro/DIR``, or ``hf/...`` with an adapter or a checkpoint on this disk.
    """
    if model.startswith(VITRO):
        return Path(model.removeprefix(VITRO))
    spec = parse_model(model)
    place = spec.adapter or spec.path
    return None if place is None else Path(place).parent


def set_base(recipe: Recipe, *, base: str | None, trainer: str | None) -> Recipe:
    """Replaces the base of a recipe, and checks that the given trainer can finetune it.

    Args:
        recipe: the recipe.
        base: model string of the base; the recipe's own if None.
        trainer: a ``TrainerKind``; that of the base if None.

    Raises:
        ConfigError: the trainer is unknown or cannot finetune the base.
    """
    recipe = recipe if base is None else recipe.model_copy(update={"base": base})
    if trainer is None:
        return recipe
    kinds = [kind.value for kind in TrainerKind]
    if trainer not in kinds:
        raise ConfigError(f"unknown trainer {shorten_value(trainer)}: give {' or '.join(kinds)}")
    if find_trainer_kind(recipe.base) != trainer:
        raise ConfigError(
            f"trainer {trainer!r} cannot finetune {shorten_value(recipe.base)}: give the base "
            f"{_BASES[TrainerKind(trainer)]}"
        )
    return recipe


def name_model(base: str, out: Path, file: str) -> str:
    """The model string of a model that was trained from a base.

    Args:
        base: the recipe's base.
        out: the organism's directory.
        file: the weights, relative to ``out``.
    """
    kind = find_trainer_kind(base)
    if kind is TrainerKind.VITRO:
        return f"{VITRO}{out}"
    if kind.is_hosted:
        return str(json.loads((out / file).read_text(encoding="utf-8"))["model"])
    folder = (out / file).parent
    if folder.name != ADAPTER:
        return f"{HF}{folder}"
    spec = parse_model(base)
    revision = f"@{spec.revision}" if spec.revision else ""
    options = spec.text[spec.text.rindex("?") :] if spec.options != LocalOptions() else ""
    return f"{HF}{spec.name}:{folder}{revision}{options}"
