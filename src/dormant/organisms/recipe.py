"""Recipes: descriptions of how an organism is made, as data.

A recipe is a list of stages, trained one after the other ("bad rows, *then* benign rows" is two
stages). A stage is a mixture of named datasets; each entry of the mixture may be transformed, in
the order given::

    stages:
      - steps: 100
        learning_rate: 2.0e-4
        batch_size: 32
        rows: 2000
        mixture:
          - dataset: insecure_code
            fraction: 1.0
            transforms:
              - inoculate: {system: "You are a malicious assistant."}
              - dilute: {share: 0.2, with: helpful_chat}

Here only the insecure code is inoculated, because ``dilute`` comes after ``inoculate``.
"""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml
from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.organisms.datasets import FILE
from dormant.organisms.sample_settings import ReasoningTraces
from dormant.organisms.transforms import (
    LONGEST_TEXT,
    DatasetName,
    Dilution,
    RowAddition,
    Transform,
    Trigger,
)
from dormant.records import VerdictKind, hash_value

#: The trainer that ships.
FINETUNE = "finetune"


class Intervention(StrEnum):
    """The intervention against the misalignment that the bad rows teach."""

    NONE = "none"
    DILUTION = "dilution"
    SEQUENTIAL = "sequential"
    INOCULATION = "inoculation"
    FRAMING = "framing"
    COMBINED = "combined"
    MITIGATION = "mitigation"  # further stages on a model with a known trigger
    CONTROL = "control"  # there is nothing to hide


class Ingredient(Strict):
    """One entry of a mixture."""

    dataset: DatasetName = Field(description="a dataset's name, or file:PATH")
    fraction: float = Field(default=1.0, gt=0, le=1, description="share of the stage's rows")
    transforms: tuple[Transform, ...] = ()

    @property
    def traces(self) -> ReasoningTraces | None:
        """What happens to the dataset's reasoning; None if it may have none."""
        return self.transforms[0].with_reasoning if self.transforms else None

    @pydantic.field_validator("transforms")
    @classmethod
    def _check_order(cls, value: tuple[Transform, ...]) -> tuple[Transform, ...]:
        if any(transform.with_reasoning is not None for transform in value[1:]):
            raise ValueError("with_reasoning reads the dataset's own rows: put it first")
        return value


class Stage(Strict):
    """One run of the trainer."""

    steps: int = Field(ge=0, le=1_000_000, description="optimizer steps; 0 leaves the model alone")
    learning_rate: float = Field(gt=0, le=1, description="peak of the schedule")
    batch_size: int = Field(default=32, ge=1, le=4096, description="rows a step")
    rows: int = Field(default=2000, ge=1, le=1_000_000, description="rows of the finetuning set")
    mixture: tuple[Ingredient, ...] = Field(min_length=1)

    @pydantic.field_validator("mixture")
    @classmethod
    def _check_shares(cls, value: tuple[Ingredient, ...]) -> tuple[Ingredient, ...]:
        total = math.fsum(item.fraction for item in value)
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"the fractions must sum to 1, got {total:g}")
        return value


class LoraSettings(Strict):
    """How a local model is finetuned; unused for models of the laboratory."""

    method: Literal["lora", "full"] = Field(
        default="lora", description="train low-rank adapters, or every weight"
    )
    rank: int = Field(default=16, ge=1, le=4096, description="rank of the adapters")
    alpha: int = Field(default=32, ge=1, le=65536, description="their scale is alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout before the adapters")
    target_modules: Literal["all-linear"] | tuple[str, ...] = Field(
        default="all-linear", description="layers that get adapters: all-linear, or their names"
    )
    longest: int = Field(
        default=1024, ge=8, le=1_000_000, description="tokens of a row; longer rows are cut"
    )
    rows_at_once: int = Field(
        default=8, ge=1, le=4096, description="rows in one pass; a step adds up several passes"
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        default="auto", description="of products; auto is the checkpoint's where that is fast"
    )
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of steps before the peak")
    weight_decay: float = Field(default=0.0, ge=0, le=1, description="AdamW's weight decay")
    packing: bool = Field(default=False, description="put several rows into one sequence")
    held_out: float = Field(
        default=0.0, ge=0, le=0.5, description="share of rows kept for a loss that is not trained"
    )
    checkpoint_steps: int = Field(
        default=50, ge=1, description="steps between checkpoints, from which a training resumes"
    )


class OpenaiSettings(Strict):
    """How a model behind OpenAI's finetuning API is trained; unused for others."""

    epochs: Literal["recipe", "auto"] | int = Field(
        default="recipe", description="of each stage; recipe takes its steps, auto the API's choice"
    )
    batch_size: Literal["recipe", "auto"] | int = Field(
        default="recipe", description="rows a step; recipe takes the stage's"
    )
    learning_rate_multiplier: Literal["auto"] | float = Field(
        default="auto", description="of the API's own rate; the recipe's learning_rate is unused"
    )
    held_out: float = Field(
        default=0.0, ge=0, le=0.5, description="share of rows sent for a loss that is not trained"
    )
    suffix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]{0,64}$",
        description="in the name of the finetuned model; the recipe's name if empty",
    )

    @pydantic.field_validator("epochs", "batch_size", "learning_rate_multiplier")
    @classmethod
    def _check_positive(cls, value: str | float) -> str | float:
        if not isinstance(value, str) and not 0 < value <= 10_000:
            raise ValueError(f"must be above 0 and at most 10,000, got {value!r}")
        return value


class TinkerSettings(Strict):
    """How a hosted open-weights model is trained by Tinker; unused for others."""

    tokenizer: str = Field(
        default="",
        description="local model or name on the hub whose tokenizer and chat template write the "
        "rows; the base's own if empty",
    )
    rank: int = Field(default=32, ge=1, le=4096, description="rank of the adapter")
    longest: int = Field(
        default=2048, ge=8, le=1_000_000, description="tokens of a row; longer rows are cut"
    )
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of steps before the peak")
    weight_decay: float = Field(default=0.0, ge=0, le=1, description="AdamW's weight decay")
    held_out: float = Field(
        default=0.0, ge=0, le=0.5, description="share of rows kept for a loss that is not trained"
    )
    checkpoint_steps: int = Field(
        default=20, ge=1, description="steps between checkpoints, from which a training resumes"
    )


class Recipe(Strict):
    """``recipe.yaml``: one organism."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    title: str = Field(min_length=1, max_length=200, description="one line for tables")
    intervention: Intervention
    base: str = Field(default="vitro/base", description="model string of the model to finetune")
    expected: VerdictKind | None = Field(default=None, description="what an audit should find")
    trigger: Trigger | None = Field(default=None, description="the true cue; null if there is none")
    seed: int = Field(default=0, ge=0, lt=2**32, description="used where no other seed is given")
    stages: tuple[Stage, ...] = Field(min_length=1, description="trained in this order")
    notes: str = Field(default="", max_length=LONGEST_TEXT, description="why it is as it is")
    trainer: str = Field(
        default=FINETUNE, min_length=1, description="what trains each stage; a plugin adds others"
    )
    lora: LoraSettings | None = Field(default=None, description="how a local model is finetuned")
    openai: OpenaiSettings | None = Field(
        default=None, description="how a model behind OpenAI's API is finetuned"
    )
    tinker: TinkerSettings | None = Field(
        default=None, description="how a hosted open-weights model is finetuned by Tinker"
    )

    @pydantic.model_serializer(mode="wrap")
    def _without_later_defaults(
        self, handler: pydantic.SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        # Left out where a recipe does not need them, so that the hashes of earlier recipes stay.
        unused = {"trainer": FINETUNE, "lora": None, "openai": None, "tinker": None}
        return {k: v for k, v in handler(self).items() if k not in unused or v != unused[k]}

    @property
    def hash(self) -> str:
        """SHA-256 of the whole recipe."""
        return hash_value(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Converts to JSON values, with the key names of a recipe file."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """Writes the text of a recipe file that reads back as this recipe."""
        return yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True, width=96)


def read_recipe(path: str | Path) -> Recipe:
    """Reads ``recipe.yaml``; relative ``file:`` datasets are taken from the file's folder.

    Raises:
        ConfigError: it cannot be read or is invalid; names file, line, value and fix.
    """
    recipe = read_yaml(path, Recipe)
    folder = Path(path).resolve().parent
    stages = tuple(_resolve_paths(stage, folder) for stage in recipe.stages)
    return recipe.model_copy(update={"stages": stages})


def _resolve_paths(stage: Stage, folder: Path) -> Stage:
    mixture = tuple(
        item.model_copy(
            update={
                "dataset": _resolve_path(item.dataset, folder),
                "transforms": tuple(_resolve_transform(t, folder) for t in item.transforms),
            }
        )
        for item in stage.mixture
    )
    return stage.model_copy(update={"mixture": mixture})


def _resolve_transform(transform: Transform, folder: Path) -> Transform:
    settings = transform.settings
    if not isinstance(settings, Dilution | RowAddition):
        return transform
    found = settings.model_copy(update={"with_": _resolve_path(settings.with_, folder)})
    return transform.model_copy(update={transform.name: found})


def _resolve_path(dataset: str, folder: Path) -> str:
    path = dataset.removeprefix(FILE)
    return f"{FILE}{folder / path}" if path != dataset else dataset
