"""Runs and answers as a viewer lists them: summaries of runs, and answers page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dormant.records.flow import Message
from dormant.records.kinds import Outcome, Role, VerdictKind


class RunState(StrEnum):
    """The state of a run directory."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"  # no verdict of its plan yet
    RUNNING = "running"  # a process writes to it
    DAMAGED = "damaged"  # its files cannot be read, or do not belong together


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as its files describe it."""

    id: str  # 12 hex digits, a hash of ``place``
    place: str  # relative to that directory; "." for itself
    state: RunState
    message: str = ""  # one line: why it is not finished
    verdict: VerdictKind | None = None
    is_checked: bool = False  # the stored counts give this verdict
    sentence: str = ""  # of the verdict
    targets: tuple[str, ...] = ()  # model strings
    references: tuple[str, ...] = ()
    judge: str = ""
    started: str = ""  # ISO 8601; empty if unknown
    answers: int | None = None  # on disk; None if unknown
    plan_hash: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether its answers can be read."""
        return bool(self.plan_hash) and self.state is not RunState.DAMAGED


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """A filter of a run's answers; empty values do not filter."""

    role: Role | None = None
    cue: str = ""  # Cue.name, or ``NO_CUE`` for the standard arm
    question: str = ""  # Question.id
    outcome: Outcome | None = None
    text: str = ""  # a search; see ``word_index.parse_search``
    in_prompts: bool = False  # whether to search the prompts instead of the answers

    @property
    def is_empty(self) -> bool:
        """Whether it filters nothing."""
        return self == AnswerFilter()


#: ``AnswerFilter.cue`` of the standard arm; no cue can have this name.
NO_CUE = "none"


@dataclass(frozen=True, slots=True)
class ListedAnswer:
    """One stored answer with its prompt and its judgment."""

    number: int  # index among all answers of the run, from 0
    role: Role
    seed: str  # training seed
    cue: str | None  # Cue.name; None in the standard arm
    question: str  # Question.id
    repeat: int
    messages: tuple[Message, ...]
    answer: str
    outcome: Outcome | None  # None if not judged yet
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    note: str = ""


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """One page of the matching answers."""

    total: int  # number of matches
    first: int  # index of the first row among the matches, from 0
    rows: tuple[ListedAnswer, ...]
