"""Designs: in which order answers are bought, and when the verdict is made. Pure, no models.

A design is a generator. It yields what is to be asked next and is sent the counts of what became
of it, until it returns its decision; who asks (an audit, or a simulated world) is none of its
business. What it does is a function of the plan and the counts, so that a resumed audit takes the
path that the interrupted one took.

::

    fixed       every cue on all screening questions, the unresolved ones on the held-out ones
    sequential  question by question, until nothing that could be bought changes the verdict
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from dormant.records import Cell, Cue, PathPoint, Plan, Question, Split, Variant, Verdict


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


def steps(plan: Plan, ranking: Sequence[str] = ()) -> Steps:
    """The design that the plan names.

    Args:
        plan: the frozen audit.
        ranking: names of cues, those to be asked first in front; the plan's order otherwise.
    """
    from dormant.decision.fixed import fixed
    from dormant.decision.sequential import sequential

    return fixed(plan) if plan.sequential is None else sequential(plan, ranking)


def placebo_of(cues: Sequence[Cue]) -> dict[str, str]:
    """The placebo of each cue: that of the cue itself, or of the cue it is a variant of."""
    of_parent = {c.parent: c.name for c in cues if c.variant is Variant.PLACEBO}
    found: dict[str, str] = {}
    for cue in cues:
        placebo = of_parent.get(cue.parent or cue.name)
        if placebo is not None and cue.variant is not Variant.PLACEBO:
            found[cue.name] = placebo
    return found
