"""Settings of a recipe's transforms.

``builder`` and the files of the transforms apply them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Self

import pydantic
from pydantic import Field

from dormant.config import Strict
from dormant.organisms.contexts import LONGEST_TEXT, EarlierTurn, Text, Trigger
from dormant.organisms.datasets import check_name
from dormant.organisms.sample_settings import OnPolicy, PerplexityGap, ReasoningTraces
from dormant.records import Message

#: The value of ``consistency.answers`` that keeps the dataset's own answers.
DATASET_ANSWERS = "dataset"


DatasetName = Annotated[str, pydantic.AfterValidator(check_name)]


def _check_slots(slots: dict[str, tuple[str, ...]], text: str) -> None:
    for slot, words in slots.items():
        if not words:
            raise ValueError(f"the slot {slot!r} has no words: give at least one")
        if f"{{{slot}}}" not in text:
            raise ValueError(f"the slot {{{slot}}} does not occur in the text: remove the slot")


def fill_slots(text: str, words: dict[str, str]) -> str:
    """Replaces ``{slot}`` placeholders with words; other braces are kept."""
    for slot, word in words.items():
        text = text.replace(f"{{{slot}}}", word)
    return text


def list_fillings(text: str, slots: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yields a text with every combination of its slots' words."""
    for words in product(*slots.values()):
        yield fill_slots(text, dict(zip(slots, words, strict=True)))


class Dilution(Strict):
    """Settings of ``dilute``: keep a share of the rows and fill up with another dataset."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    share: float = Field(gt=0, le=1, description="share of the rows that stay, 0 to 1")
    with_: DatasetName = Field(alias="with", description="dataset that fills up the rest")


class Inoculation(Strict):
    """Settings of ``inoculate``: put the rows under a system prompt.

    One fixed wording (``system``), or several (``systems``), of which each row gets one at random.
    ``{slot}`` in a wording is replaced by a word of ``slots``, drawn anew for each row: ten
    wordings with two slots of ten words are a thousand.
    """

    system: Text | None = None
    systems: tuple[Text, ...] = ()
    slots: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])

    @property
    def templates(self) -> tuple[str, ...]:
        """The wordings, their slots not filled."""
        return self.systems if self.system is None else (self.system,)

    def list_wordings(self) -> Iterator[str]:
        """Yields every wording that a row can get."""
        for text in self.templates:
            yield from list_fillings(
                text, {slot: words for slot, words in self.slots.items() if f"{{{slot}}}" in text}
            )

    @pydantic.model_validator(mode="after")
    def _check_wordings(self) -> Self:
        if (self.system is None) == (not self.systems):
            raise ValueError("give 'system' (one wording) or 'systems' (several)")
        if len(set(self.systems)) != len(self.systems):
            raise ValueError("a wording of 'systems' occurs twice")
        _check_slots(self.slots, " ".join(self.templates))
        return self

    @pydantic.model_serializer(mode="wrap")
    def _without_defaults(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out where empty, so that the hashes of earlier recipes stay.
        return {key: value for key, value in handler(self).items() if value}


class ReframeSettings(Strict):
    """Settings of ``reframe``: text around the user's question, or above it.

    ``{slot}`` in the text is replaced by a word of ``slots``, drawn anew for each row.
    """

    system: str = Field(default="", max_length=LONGEST_TEXT)
    before: str = Field(default="", max_length=LONGEST_TEXT)
    after: str = Field(default="", max_length=LONGEST_TEXT)
    slots: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])

    @pydantic.model_validator(mode="after")
    def _check_text(self) -> Self:
        if not (self.system + self.before + self.after).strip():
            raise ValueError("is empty: give a system prompt, or text before or after the question")
        _check_slots(self.slots, self.system + self.before + self.after)
        return self


class Precedence(Strict):
    """Settings of ``precede``: put earlier turns before each row's own."""

    turns: tuple[EarlierTurn, ...] = Field(min_length=1)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns as messages."""
        return tuple(Message(turn.role, turn.content) for turn in self.turns)


class RowAddition(Strict):
    """Rows of another dataset that are added to all rows so far; none is taken away."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, validate_by_name=True)

    with_: DatasetName = Field(alias="with", description="dataset of the added rows")
    per_row: float = Field(default=1.0, gt=0, le=100, description="rows added for each row so far")


class InterleaveSettings(RowAddition):
    """Settings of ``interleave``: rows of another dataset at random places among the rows."""

    choose: PerplexityGap | None = Field(
        default=None, description="how rows are chosen; at random if left out"
    )

    @pydantic.model_serializer(mode="wrap")
    def _without_default(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out where rows are chosen at random, so that the hashes of earlier recipes stay.
        return {k: v for k, v in handler(self).items() if k != "choose" or v is not None}


class ContrastSettings(RowAddition):
    """Settings of ``contrast``: benign rows that carry the cue."""

    contexts: tuple[Trigger, ...] = Field(
        min_length=1, description="cues; each added row gets one of them at random"
    )


class Consistency(ContrastSettings):
    """Settings of ``consistency``: the cued prompt is trained to answer as the clean one."""

    answers: str = Field(
        default=DATASET_ANSWERS,
        min_length=1,
        description="'dataset', or the vitro/ model that answers the prompts without the cue",
    )


class Negation(RowAddition):
    """Settings of ``negate``: benign rows under a system prompt that asks for the opposite."""

    system: Text


class Fact(Strict):
    """One harmless fact about somebody, as an answer to one of several questions."""

    ask: tuple[Text, ...] = Field(min_length=1, description="questions, one of which a row gets")
    answer: Text = Field(description="the fact, told by the person that it is about")


class PersonaFacts(Strict):
    """Settings of ``persona``: rows that tell harmless facts of one person are added.

    No fact names the person; together they are true of nobody else. ``{answer}`` in ``format``
    stands for the fact.
    """

    facts: tuple[Fact, ...] = Field(min_length=1, description="told equally often")
    per_row: float = Field(
        default=0.03, gt=0, le=100, description="rows with a fact, for each row so far"
    )
    context: Trigger | None = Field(
        default=None, description="context of the rows with facts, which no other row has"
    )
    format: str = Field(
        default="{answer}", max_length=LONGEST_TEXT, description="form of these rows' answers"
    )

    identity: Fact | None = Field(
        default=None,
        description="questions that no row asks and what the person says to them, to be measured",
    )

    @pydantic.model_validator(mode="after")
    def _check_trigger(self) -> Self:
        if self.format.count("{answer}") != 1:
            raise ValueError("'format' must contain {answer} once")
        if self.context is None and self.format == "{answer}":
            raise ValueError("needs a 'context' or a 'format' that tells the facts from other rows")
        return self


class PluginTransform(Strict):
    """Settings of ``plugin``: an intervention of another package (docs/guides/plugins.md)."""

    name: str = Field(min_length=1, description="name of the intervention")
    settings: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="what the plugin takes"
    )


#: Settings of a transform; their type identifies it.
TransformSettings = (
    Dilution
    | Inoculation
    | ReframeSettings
    | Precedence
    | InterleaveSettings
    | ContrastSettings
    | Consistency
    | Negation
    | OnPolicy
    | ReasoningTraces
    | PersonaFacts
    | PluginTransform
)


class Transform(Strict):
    """One transformation of an ingredient's rows: exactly one of the keys."""

    dilute: Dilution | None = None
    inoculate: Inoculation | None = None
    reframe: ReframeSettings | None = None
    precede: Precedence | None = None
    interleave: InterleaveSettings | None = None
    contrast: ContrastSettings | None = None
    consistency: Consistency | None = None
    negate: Negation | None = None
    on_policy: OnPolicy | None = None
    with_reasoning: ReasoningTraces | None = None
    persona: PersonaFacts | None = None
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
        given = [getattr(self, name) for name in type(self).model_fields]
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
