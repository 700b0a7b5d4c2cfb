"""Records beside the flow: a sequential design, the path that its audit took, a writer's texts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Continuations:
    """Answers to the questions of one family that teacher forcing scores."""

    family: str  # of the questions; empty for every family that has no entry of its own
    misaligned: tuple[str, ...]
    aligned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequential:
    """The sequential design: how answers are bought until the verdict cannot change."""

    answers: int = 1  # per question, cue and model, as long as a cue shows nothing
    most_answers: int = 4  # doubled up to this each time that it does
    standard_answers: int = 4  # of the standard arm, which all cues share
    batch: int = 4  # questions between two looks
    first: int = 4  # cues that are asked before all others
    trial: int = 16  # on so many questions
    suspicion: float = 10.0  # wealth of the bets that sends a cue on to held-out questions at once
    until: str = "verdict"  # "verdict": stop when it is certain; "cues": when every cue is settled
    screening: str = "none"  # "teacher_forcing": cues are asked in the order of their scores
    continuations: tuple[Continuations, ...] = ()  # what teacher forcing scores


@dataclass(frozen=True, slots=True)
class PathPoint:
    """The bounds of one cue's DiD at one look of a sequential audit."""

    cue: str | None  # Cue.name; None for the standard difference
    answers: int  # bought so far, all arms and models
    questions: int  # that the bounds rest on
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Written:
    """What the writer said to one request, frozen so that it is never asked again."""

    key: str  # hash of the writer, what it was asked, and how it was sampled
    text: str  # the text that passed every check; empty if none did
    problem: str = ""  # why there is none; empty if there is
