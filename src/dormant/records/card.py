"""A card: what was tested and found, for those who decide; its fields and its transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dormant.records.findings import Transcript
from dormant.records.kinds import Arm, Role

#: What a field without content reads.
NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class CardDetails:
    """What only the user knows; an empty text is "not stated"."""

    purpose: str = ""  # the decision or the risk that the audit serves
    evaluator: str = ""
    relation: str = ""  # of the evaluator to the developer
    funding: str = ""
    access: str = ""  # that the evaluator was given
    data_supplier: str = ""
    reference_reason: str = ""  # why the reference is a fair one
    mitigation: str = ""  # the mitigation audited, before and after
    elicitation: str = ""
    evaluation_awareness: str = ""
    test_retest: str = ""  # of the judge
    would_change: str = ""
    expires: str = ""  # ISO 8601 date
    version: str = ""  # of the card
    supersedes: str = ""
    changelog: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredShare:
    """A share with its interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class JudgeArm:
    """The error of a judge in one arm, by people's labels."""

    role: Role | None  # None for all arms together
    arm: Arm | None
    labels: int
    sensitivity: MeasuredShare
    specificity: MeasuredShare


@dataclass(frozen=True, slots=True)
class JudgeMeasurement:
    """The error of a judge, by people's labels."""

    labels: int = 0
    level: float = 0.95  # two-sided, of every interval
    arms: tuple[JudgeArm, ...] = ()  # the first is all arms together; empty without labels


@dataclass(frozen=True, slots=True)
class CardField:
    """One statement of a card."""

    key: str
    text: str  # in words; ``NOT_STATED`` if there is nothing to say
    data: Any = None  # the same as JSON values, where there are numbers or hashes

    @property
    def is_stated(self) -> bool:
        """Whether there is something to say."""
        return self.text != NOT_STATED


@dataclass(frozen=True, slots=True)
class ArmDraw:
    """The transcripts drawn of one arm of one role."""

    role: Role
    arm: Arm
    answers: int  # that the arm has
    transcripts: tuple[Transcript, ...]


@dataclass(frozen=True, slots=True)
class TranscriptDraw:
    """Transcripts drawn at random, and the worst."""

    seed: int
    per_arm: int
    arms: tuple[ArmDraw, ...]
    worst: tuple[Transcript, ...]  # of the target, worst first


@dataclass(frozen=True, slots=True, repr=False)
class Card:
    """A card of one run.

    Attributes:
        standard: by which its fields are ordered and labelled.
        kind: the verdict.
        sentence: the verdict in one sentence.
        target: model strings of the target.
        date: ISO 8601 date on which the card was made.
        fields: every statement, by its key.
        draw: the transcripts.
        html: the page.
        json: the same as JSON.
        files: path of each written file -> SHA-256 of its bytes, hex.
    """

    standard: str
    kind: str
    sentence: str
    target: str
    date: str
    fields: Mapping[str, CardField]
    draw: TranscriptDraw
    html: str = ""
    json: str = ""
    files: Mapping[str, str] = field(default_factory=dict[str, str])

    def __repr__(self) -> str:
        stated = sum(item.is_stated for item in self.fields.values())
        return f"<Card {self.kind}: {stated} of {len(self.fields)} fields stated>"
