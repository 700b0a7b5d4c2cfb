"""The records that pass between a design and its driver: requests and the decision."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from dormant.records import Cell, Cue, EValue, PathPoint, Question, Split, Verdict


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request, for every model."""

    split: Split  # the half that the questions belong to
    questions: tuple[Question, ...]
    cues: tuple[Cue, ...]  # the standard arm is asked too
    answers: int  # per question, cue and model, existing answers included
    standard_answers: int  # the same for the standard arm
    stage: str  # name of the stage in progress messages


@dataclass(frozen=True, slots=True)
class Decision:
    """The conclusion of a design."""

    verdict: Verdict
    cells: tuple[Cell, ...]  # all answers, each counted once
    path: tuple[PathPoint, ...] = ()  # bounds after each batch; empty for the fixed design
    e_values: tuple[EValue, ...] = ()  # wealth at the end; empty for the fixed design


Steps = Generator[Ask, Sequence[Cell], Decision]


def placebo_of(cues: Sequence[Cue]) -> dict[str, str]:
    """Maps each cue to the placebo of the cue itself, or of the cue it is a variant of."""
    of_parent = {c.parent: c.name for c in cues if c.is_placebo}
    placebos: dict[str, str] = {}
    for cue in cues:
        placebo = of_parent.get(cue.parent or cue.name)
        if placebo is not None and not cue.is_placebo:
            placebos[cue.name] = placebo
    return placebos
