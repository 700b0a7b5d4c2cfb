"""Contexts that a recipe puts around rows: triggers, with their texts and turns."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field

from dormant.config import Strict
from dormant.records import (
    QUESTION_SLOT,
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Source,
    describe_parts,
    describe_turns,
)

LONGEST_TEXT = 2000


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Text = Annotated[str, Field(max_length=LONGEST_TEXT), pydantic.AfterValidator(_not_blank)]


class EarlierTurn(Strict):
    """One earlier turn."""

    role: Literal["user", "assistant"]
    content: Text


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
