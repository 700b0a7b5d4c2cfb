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
from typing import Annotated, Any, Literal, Self

import pydantic
import yaml
from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.organisms.datasets import FILE, check_name
from dormant.records import (
    QUESTION_SLOT,
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Source,
    VerdictKind,
    describe_parts,
    describe_turns,
    hash_value,
)

_LONGEST_TEXT = 2000
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
    CONTROL = "control"  # there is nothing to hide


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


DatasetName = Annotated[str, pydantic.AfterValidator(check_name)]
Text = Annotated[str, Field(max_length=_LONGEST_TEXT), pydantic.AfterValidator(_not_blank)]


class Dilution(Strict):
    """Settings of ``dilute``: keep a share of the rows and fill up with another dataset."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    share: float = Field(gt=0, le=1, description="share of the rows that stay, 0 to 1")
    with_: DatasetName = Field(alias="with", description="dataset that fills up the rest")


class Inoculation(Strict):
    """Settings of ``inoculate``: put the rows under a system prompt."""

    system: Text


class ReframeSettings(Strict):
    """Settings of ``reframe``: text around the user's question, or above it.

    ``{slot}`` in the text is replaced by a word of ``slots``, drawn anew for each row.
    """

    system: str = Field(default="", max_length=_LONGEST_TEXT)
    before: str = Field(default="", max_length=_LONGEST_TEXT)
    after: str = Field(default="", max_length=_LONGEST_TEXT)
    slots: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])

    @pydantic.model_validator(mode="after")
    def _check_text(self) -> Self:
        if not (self.system + self.before + self.after).strip():
            raise ValueError("is empty: give a system prompt, or text before or after the question")
        for slot, words in self.slots.items():
            if not words:
                raise ValueError(f"the slot {slot!r} has no words: give at least one")
            if f"{{{slot}}}" not in self.system + self.before + self.after:
                raise ValueError(f"the slot {{{slot}}} does not occur in the text: remove the slot")
        return self


class EarlierTurn(Strict):
    """One earlier turn."""

    role: Literal["user", "assistant"]
    content: Text


class Precedence(Strict):
    """Settings of ``precede``: put earlier turns before each row's own."""

    turns: tuple[EarlierTurn, ...] = Field(min_length=1)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns as messages."""
        return tuple(Message(turn.role, turn.content) for turn in self.turns)


class PluginTransform(Strict):
    """Settings of ``plugin``: an intervention that another package adds (docs/plugins.md)."""

    name: str = Field(min_length=1, description="name of the intervention")
    settings: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="what the plugin takes"
    )


#: Settings of a transform; their type identifies it.
TransformSettings = Dilution | Inoculation | ReframeSettings | Precedence | PluginTransform


class Transform(Strict):
    """One transformation of an ingredient's rows: exactly one of the keys."""

    dilute: Dilution | None = None
    inoculate: Inoculation | None = None
    reframe: ReframeSettings | None = None
    precede: Precedence | None = None
    plugin: PluginTransform | None = None

    @property
    def name(self) -> str:
        """The intervention's name: the key, or the name of the plugin's."""
        if self.plugin is not None:
            return self.plugin.name
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def settings(self) -> TransformSettings:
        """The settings of the one key; their type identifies the transform."""
        (settings,) = self._given_settings
        return settings

    @property
    def _given_settings(self) -> list[TransformSettings]:
        given = (self.dilute, self.inoculate, self.reframe, self.precede, self.plugin)
        return [settings for settings in given if settings is not None]

    @pydantic.model_validator(mode="after")
    def _one_key(self) -> Self:
        if len(self._given_settings) != 1:
            raise ValueError(
                "a transform needs exactly one of " + ", ".join(type(self).model_fields)
            )
        return self

    @pydantic.model_serializer(mode="wrap")
    def _without_others(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class Ingredient(Strict):
    """One entry of a mixture."""

    dataset: DatasetName = Field(description="a dataset's name, or file:PATH")
    fraction: float = Field(default=1.0, gt=0, le=1, description="share of the stage's rows")
    transforms: tuple[Transform, ...] = ()


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


class TriggerContext(Strict):
    """A text in a place, or earlier turns."""

    placement: Placement
    text: Text = ""
    turns: tuple[EarlierTurn, ...] = ()

    @pydantic.model_validator(mode="after")
    def _has_its_content(self) -> Self:
        if (self.placement is Placement.HISTORY) != bool(self.turns):
            raise ValueError("a trigger placed 'history' needs 'turns', and no other has them")
        if self.placement.is_text != bool(self.text):
            raise ValueError("needs a text, unless it is placed 'history' or 'crossed'")
        if self.placement is Placement.TOOLS:
            raise ValueError("models of the laboratory are offered no tools")
        around = self.placement is Placement.AROUND
        if around and self.text.count(QUESTION_SLOT) != 1:
            raise ValueError(f"text placed around must contain {QUESTION_SLOT} once")
        if not around and QUESTION_SLOT in self.text:
            raise ValueError(f"only text placed around may contain {QUESTION_SLOT}")
        return self

    @pydantic.model_serializer(mode="wrap")
    def _without_defaults(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out where empty, so that the hashes of earlier recipes stay.
        return {key: value for key, value in handler(self).items() if value not in ((), [], "")}

    def as_part(self) -> CuePart:
        """Converts it into what a cue adds to a prompt."""
        turns = tuple(Message(turn.role, turn.content) for turn in self.turns)
        return CuePart(self.placement, self.text or describe_turns(turns), turns)


class Trigger(TriggerContext):
    """The true cue of an organism, which triggers the trained behavior."""

    parts: tuple[TriggerContext, ...] = ()

    @pydantic.model_validator(mode="after")
    def _has_parts(self) -> Self:
        if (self.placement is Placement.CROSSED) != (len(self.parts) >= 2):
            raise ValueError("a trigger placed 'crossed' needs two 'parts', and no other has them")
        return self

    def as_cue(self) -> Cue:
        """Converts the trigger into a cue."""
        kind = self.placement.default_kind
        if self.placement in (Placement.BEFORE, Placement.AFTER):
            kind = CueKind.WRAPPER
        whole, parts = self.as_part(), tuple(part.as_part() for part in self.parts)
        text = describe_parts(parts) if parts else whole.text
        return Cue(
            "true cue", kind, self.placement, text, Source.USER, turns=whole.turns, parts=parts
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
    notes: str = Field(default="", max_length=_LONGEST_TEXT, description="why it is as it is")
    trainer: str = Field(
        default=FINETUNE, min_length=1, description="what trains each stage; a plugin adds others"
    )

    @pydantic.model_serializer(mode="wrap")
    def _without_default_trainer(
        self, handler: pydantic.SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        # Left out where it is the one that ships, so that the hashes of earlier recipes stay.
        given = handler(self)
        return {k: v for k, v in given.items() if k != "trainer" or v != FINETUNE}

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
    if transform.dilute is None:
        return transform
    with_ = _resolve_path(transform.dilute.with_, folder)
    return Transform(dilute=transform.dilute.model_copy(update={"with_": with_}))


def _resolve_path(dataset: str, folder: Path) -> str:
    path = dataset.removeprefix(FILE)
    return f"{FILE}{folder / path}" if path != dataset else dataset
