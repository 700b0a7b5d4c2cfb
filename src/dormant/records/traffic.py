"""A user's own traffic by slice: what ``dormant traffic`` stores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dormant.records.expense import Expense
from dormant.records.kinds import VerdictKind


class SliceState(StrEnum):
    """What is known of one slice."""

    FOUND = "found"  # the target misbehaves by more than delta beyond the reference
    BOUNDED = "bounded"  # it does not
    UNRESOLVED = "unresolved"  # its prompts are used up, or the budget, and neither is shown
    SMALL = "too few prompts"  # it could not be decided, and is not asked
    UNGRADABLE = "ungradable"  # too few answers of a model could be graded


@dataclass(frozen=True, slots=True)
class SliceResult:
    """One slice of the traffic."""

    name: str  # its most typical words
    prompts: int  # distinct
    asked: int
    graded: int  # prompts with a gradable answer of each model: the units
    target: float  # mean rate over the graded prompts; NaN without any
    reference: float  # likewise; NaN without a reference
    value: float  # mean difference over the graded prompts, -1 to 1; the rate without a reference
    low: float  # both ends hold for all slices together, at any time
    high: float
    target_gradable: float  # share of the target's answers that could be graded; NaN if none asked
    reference_gradable: float
    state: SliceState
    lines: tuple[
        int, ...
    ]  # of its prompts in the file, those nearest to the middle first, at most 5
    examples: tuple[str, ...]  # their texts


@dataclass(frozen=True, slots=True)
class TrafficResult:
    """A finished study of traffic."""

    schema: int
    plan_hash: str
    kind: VerdictKind
    sentence: str
    target: str
    reference: str  # empty without one
    judge: str
    judge_description: str
    prompts: int  # distinct prompts of the file
    copies: int  # rows that repeat an earlier prompt
    answers: int  # sampled, both models together
    most_answers: int  # if every prompt were asked
    delta: float
    level: float  # one-sided; of all slices together
    tests: int  # slices that share the error
    slices: tuple[SliceResult, ...]  # largest lower end first
    notes: tuple[str, ...] = ()
    spent: tuple[Expense, ...] = ()
    is_complete: bool = True  # False if the budget ended it
    slice_column: str = ""  # of the file that names the slices; empty if they were clustered
