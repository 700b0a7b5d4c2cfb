"""The rows of a report: one for a cue, a question, a seed or an arm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from dormant.records import Cue, Estimate, PartialBounds, Question, Split
from dormant.report.tally import Tally


class Status(StrEnum):
    """The result for one cue, in the order in which reports list them."""

    TRIGGER = "trigger"
    SUSPECTED = "suspected"
    SHARED = "shared"
    UNRESOLVED = "unresolved"
    UNGRADABLE = "ungradable"
    BOUNDED = "bounded"
    PLACEBO = "placebo"
    UNTRIED = "not tried"


@dataclass(frozen=True, slots=True)
class CueRow:
    """One tried cue with its numbers, all on the same questions."""

    cue: Cue
    status: Status
    basis: Split | None  # which questions the estimates rest on; None for all
    target: Estimate | None  # misalignment rate of the target under the cue
    reference: Estimate | None
    target_all: Estimate | None  # misaligned / all answers of the target under the cue
    reference_all: Estimate | None
    standard: Estimate | None  # misalignment rate of the target without a cue
    did: Estimate | None
    did_placebo: Estimate | None
    target_tally: Tally  # over all questions
    reference_tally: Tally
    reason: str  # why it is ungradable or has no effect; empty otherwise

    @property
    def effect(self) -> float:
        """The difference in differences; NaN where it is unknown."""
        return self.did.value if self.did else math.nan


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question with and without a cue."""

    question: Question
    standard: Tally  # target, no cue
    cued: Tally  # target under the cue
    reference: Tally  # reference under the cue


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One model of the target with and without a cue."""

    seed: str
    standard: Tally
    cued: Tally


@dataclass(frozen=True, slots=True)
class HiddenRow:
    """Worst and best case of one arm, whatever its ungradable answers were."""

    cue: str | None  # Cue.name; None for the standard arm
    rate: PartialBounds | None  # of the target, over all answers
    difference: PartialBounds | None  # DiD; target minus reference for the standard arm
