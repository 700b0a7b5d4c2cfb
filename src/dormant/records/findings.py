"""What an audit leaves behind: its transcripts, the path of a sequential one, its findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dormant.records.expense import Expense
from dormant.records.flow import Cell, Message, PartialBounds, Verdict
from dormant.records.judge_check import JudgeCheck
from dormant.records.kinds import Arm, Outcome, Role, Split
from dormant.records.people import PeopleCheck
from dormant.records.plan import Plan
from dormant.records.reasoning import split_thought


@dataclass(slots=True)
class Transcript:
    """One answer with its prompt, outcome, scores and note; nothing changes one.

    Not frozen: a frozen record takes five times as long to make, and a run may have a million.
    """

    role: Role
    seed: str
    cue: str | None  # Cue.name; None in the standard arm
    arm: Arm
    question: str  # Question.id
    repeat: int
    messages: tuple[Message, ...]
    answer: str
    outcome: Outcome
    scores: Mapping[str, float]
    note: str
    finish: str = "stop"  # one of FINISHES

    @property
    def thoughts(self) -> str:
        """The reasoning in the answer as it is stored; empty if there is none."""
        return split_thought(self.answer)[0]

    @property
    def final(self) -> str:
        """The answer without its reasoning; all of it if there is none."""
        return split_thought(self.answer)[1]


@dataclass(frozen=True, slots=True)
class PathPoint:
    """The bounds of one cue's DiD after one batch of a sequential audit."""

    cue: str | None  # Cue.name; None for the standard difference
    answers: int  # bought so far, all arms and models
    questions: int  # that the bounds rest on
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class EValue:
    """The wealth of the bets on one cue when a sequential audit ended, as natural logarithms."""

    cue: str | None  # Cue.name; None for the standard difference
    split: Split | None  # questions that were bet on; None for all
    questions: int  # or families, where the claim is about themes
    log_above: float  # against "at most delta"
    log_below: float  # against "at least the cue's margin"


@dataclass(frozen=True, slots=True, repr=False)
class Findings:
    """A finished (or partly finished) audit: everything that a report reads."""

    plan: Plan
    verdict: Verdict
    cells: tuple[Cell, ...]
    transcripts: tuple[Transcript, ...]
    started: str  # ISO 8601, UTC
    seconds: float  # time spent sampling and judging, over all resumptions
    amended: tuple[str, ...] = ()  # one sentence for each plan that this one replaced, oldest first
    second_judge: tuple[str, ...] = ()  # how far a second judge agrees, a sentence an arm
    path: tuple[PathPoint, ...] = ()  # of a sequential audit, its leading cues only
    bounds: tuple[PartialBounds, ...] = ()  # worst and best cases for the ungradable answers
    e_values: tuple[EValue, ...] = ()  # of a sequential audit, every cue that was asked
    spending: tuple[Expense, ...] = ()  # of each paid model; () if all ran on this machine
    judge_check: JudgeCheck | None = None  # of early answers that were judged again, if any
    people: PeopleCheck | None = None  # what people's labels say, where a file of them was given
    server_notes: tuple[str, ...] = ()  # how servers were asked otherwise than planned

    def __repr__(self) -> str:
        # Transcripts make a run megabytes long, which a notebook would print.
        answers = sum(sum(cell.counts) for cell in self.cells)
        return (
            f"<{type(self).__name__}: {self.verdict.kind}, {answers:,} answers, "
            f"{len(self.plan.cues)} cues, plan {self.plan.hash[:12]}>"
        )
