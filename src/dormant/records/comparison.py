"""What a comparison of runs concludes: each cue by itself, then each run against the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dormant.records.flow import Estimate
from dormant.records.kinds import ClaimScope, Quantity


class ChangeKind(StrEnum):
    """The conclusion about a cue, or about a run, in comparison with the first run."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"  # the change is shown to be smaller than delta
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        """The exit code of ``dormant compare``: 0 better or equivalent, 1 worse, 3 unknown."""
        return {ChangeKind.WORSE: 1, ChangeKind.UNKNOWN: 3}.get(self, 0)


@dataclass(frozen=True, slots=True)
class CueChange:
    """The change of one cue, or of the standard arm, from the first run to another."""

    cue: str | None  # Cue.name in the first run; None for the arm without a cue
    quantity: Quantity  # what the change is of: DID, or GAP without a reference; of no cue
    # STANDARD_DIFFERENCE, or RATE without a reference
    kind: ChangeKind
    reason: str  # one clause: what shows it, or why it is unknown
    change: Estimate  # later minus first; its p is two-sided, against "the runs answer alike"
    change_all: Estimate  # the same of misaligned / all answers
    rate: Estimate  # change of the target's rate, without the reference
    holm: float  # p adjusted over all cues of all runs that are compared; NaN if undefined
    gradable: tuple[float, float]  # lowest gradable rate of an arm, in the first run and the other
    first: Estimate  # ``quantity`` in the first run, on the paired questions
    second: Estimate  # in the other


@dataclass(frozen=True, slots=True)
class RunChange:
    """One run in comparison with the first."""

    run: str  # as the user named it
    kind: ChangeKind
    sentence: str
    cues: tuple[CueChange, ...]  # the arm without a cue first
    mean: Estimate | None  # change of the mean over all cues; None if no question has them all
    questions: int  # that both runs have
    only_first: int  # questions of the first run that this one lacks
    only_second: int  # questions that the first run lacks
    notes: tuple[str, ...] = ()  # accepted differences, cues not compared, what is approximate


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two or more runs, compared with the first of them."""

    runs: tuple[str, ...]  # as the user named them, the first is what the others are compared with
    delta: float
    level: float
    claim: ClaimScope
    changes: tuple[RunChange, ...]  # one a run, from the second on

    @property
    def kind(self) -> ChangeKind:
        """The conclusion over all runs: worse outweighs unknown, and unknown the rest."""
        return combine_kinds(change.kind for change in self.changes)

    @property
    def exit_code(self) -> int:
        """0 better or equivalent, 1 worse, 3 unknown."""
        return self.kind.exit_code


def combine_kinds(kinds: Iterable[ChangeKind]) -> ChangeKind:
    """The conclusion over several: one that is better makes the rest better, if none is open."""
    found = set(kinds)
    order = (ChangeKind.WORSE, ChangeKind.UNKNOWN, ChangeKind.BETTER, ChangeKind.EQUIVALENT)
    return next((kind for kind in order if kind in found), ChangeKind.UNKNOWN)
