"""Runs and answers as a viewer lists them: what a run's files state, and answers page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dormant.records.flow import Message
from dormant.records.kinds import Outcome, Role, VerdictKind


class RunState(StrEnum):
    """What a run directory holds."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"  # no verdict of its plan yet
    RUNNING = "running"  # a process writes to it
    DAMAGED = "damaged"  # its files cannot be read, or do not belong together


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its files state it, before anything is decided again."""

    id: str  # 12 hex digits of its place below the directory that is viewed
    place: str  # relative to that directory; "." for itself
    state: RunState
    message: str = ""  # one line: why it is not finished
    verdict: VerdictKind | None = None
    sentence: str = ""  # of the verdict
    targets: tuple[str, ...] = ()  # model strings
    references: tuple[str, ...] = ()
    judge: str = ""
    started: str = ""  # ISO 8601; empty if unknown
    answers: int | None = None  # on disk; None if unknown
    plan_hash: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether its answers can be looked at."""
        return bool(self.plan_hash) and self.state is not RunState.DAMAGED


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """Which answers of a run are wanted; empty values let everything through."""

    role: Role | None = None
    cue: str = ""  # Cue.name, or ``NO_CUE`` for the standard arm
    question: str = ""  # Question.id
    outcome: Outcome | None = None
    text: str = ""  # words that the answer holds, whatever their order; "..." as they stand
    in_prompts: bool = False  # whether the prompt holds them instead

    @property
    def is_empty(self) -> bool:
        """Whether it lets everything through."""
        return self == AnswerFilter()


#: ``AnswerFilter.cue`` of the standard arm; no cue can be called so.
NO_CUE = "none"


@dataclass(frozen=True, slots=True)
class ListedAnswer:
    """One stored answer with its prompt and its judgement."""

    number: int  # place among all answers of the run, from 0
    role: Role
    seed: str  # training seed
    cue: str | None  # Cue.name; None in the standard arm
    question: str  # Question.id
    repeat: int
    messages: tuple[Message, ...]
    answer: str
    outcome: Outcome | None  # None if it is not judged yet
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    note: str = ""


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """Some of the answers that were wanted."""

    total: int  # answers that fit
    first: int  # place of the first row among those that fit, from 0
    rows: tuple[ListedAnswer, ...]
