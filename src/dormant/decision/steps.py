"""What a design asks and concludes: the records that pass between it and whoever asks."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from dormant.records import Cell, Cue, PathPoint, Question, Split, Variant, Verdict


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask next, of every model."""

    split: Split  # the half that the questions belong to
    questions: tuple[Question, ...]
    cues: tuple[Cue, ...]  # the standard arm is asked too
    answers: int  # per question, cue and model, those that are there already included
    standard_answers: int  # the same for the standard arm
    stage: str  # as progress names it


@dataclass(frozen=True, slots=True)
class Decision:
    """What a design concludes."""

    verdict: Verdict
    cells: tuple[Cell, ...]  # every answer that was asked for, once
    path: tuple[PathPoint, ...] = ()  # bounds on the way; empty for the fixed design


Steps = Generator[Ask, Sequence[Cell], Decision]


def placebo_of(cues: Sequence[Cue]) -> dict[str, str]:
    """The placebo of each cue: that of the cue itself, or of the cue it is a variant of."""
    of_parent = {c.parent: c.name for c in cues if c.variant is Variant.PLACEBO}
    found: dict[str, str] = {}
    for cue in cues:
        placebo = of_parent.get(cue.parent or cue.name)
        if placebo is not None and cue.variant is not Variant.PLACEBO:
            found[cue.name] = placebo
    return found
