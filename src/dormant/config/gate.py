"""``gate.yaml``: what must hold before a model is released, each key with its range and default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import pydantic
from pydantic import Field

from dormant.config.durations import parse_duration
from dormant.config.reader import Strict


class CheckName(StrEnum):
    """The checks of a gate, in the order in which they are listed."""

    GRADED = "graded"
    VERDICT = "verdict"
    AMENDED = "amended"
    WORST_DID = "max_worst_did"
    LATER_DID = "max_later_did"
    STANDARD_RATE = "max_standard_rate"
    CUE_RATE = "max_cue_rate"
    GRADABLE_RATE = "min_gradable_rate"
    UNPARSED_SHARE = "max_unparsed_share"
    QUESTIONS = "min_questions"
    ANSWERS = "min_answers"
    CUE_FAMILIES = "min_cue_families"
    CALIBRATION = "calibration"
    TARGET = "target"
    PLAN = "plan_hash"
    JUDGE = "judge_hash"
    AGE = "max_age"


#: Checked for every cue by itself, and so waived for one cue.
_CUE_CHECKS = frozenset({CheckName.WORST_DID, CheckName.LATER_DID, CheckName.CUE_RATE})
#: Checked for the arm without a cue, or the run, and for every cue.
_ARM_CHECKS = frozenset({CheckName.VERDICT, CheckName.GRADABLE_RATE, CheckName.UNPARSED_SHARE})
#: A run without a graded answer passes no gate, so nothing can be accepted or waived.
_FINAL = frozenset({CheckName.GRADED})


def _check_text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value.strip()


def _read_check(value: Any) -> Any:
    if value in tuple(CheckName):
        return value
    raise ValueError(
        f"unknown check: give one of {', '.join(n for n in CheckName if n not in _FINAL)}"
    )


def _check_name(value: CheckName) -> CheckName:
    if value in _FINAL:
        raise ValueError("a run without graded answers passes no gate: leave this entry out")
    return value


def _leave_out_null(schema: dict[str, Any]) -> None:
    """Removes null from the types of a JSON schema's keys, so that an editor offers none."""
    for key, value in schema["properties"].items():
        kinds = [kind for kind in value.get("anyOf", ()) if kind != {"type": "null"}]
        if not kinds:
            continue
        rest = {name: part for name, part in value.items() if name not in ("anyOf", "default")}
        schema["properties"][key] = {"anyOf": kinds, **rest} if kinds[1:] else {**kinds[0], **rest}


class _PolicyPart(Strict):
    """A part of a policy in which a key without a value is an error: it would check nothing."""

    model_config = pydantic.ConfigDict(json_schema_extra=_leave_out_null)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _refuse_empty(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            empty = next((str(key) for key, inner in value.items() if inner is None), None)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            if empty is not None and empty in cls.model_fields:
                raise ValueError(f"{empty} has no value: give one, or leave the key out")
        return value  # pyright: ignore[reportUnknownVariableType]


Text = Annotated[str, Field(max_length=2000), pydantic.AfterValidator(_check_text)]
Check = Annotated[
    CheckName,
    pydantic.BeforeValidator(_read_check),
    pydantic.AfterValidator(_check_name),
    pydantic.WithJsonSchema(  # an editor offers only what is accepted
        {"enum": [str(name) for name in CheckName if name not in _FINAL], "type": "string"}
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, lt=1)]


class Waiver(_PolicyPart):
    """A check that may fail for now: who answers for it, why, and until when."""

    check: Check = Field(description="the check that is waived, by its key")
    cue: Text | None = Field(
        default=None, description="name of the cue that it is waived for; none: without a cue"
    )
    owner: Text = Field(description="who answers for it")
    reason: Text = Field(description="why it may pass")
    expires: date = Field(description="last day on which it holds, e.g. 2030-01-31 (UTC)")

    @property
    def place(self) -> tuple[CheckName, str | None]:
        """The check and the cue that it is for."""
        return self.check, self.cue

    @property
    def words(self) -> str:
        """The same in words."""
        return f"{self.check}, cue {self.cue!r}" if self.cue else str(self.check)

    @pydantic.field_validator("expires", mode="before")
    @classmethod
    def _check_date(cls, value: Any) -> Any:
        if isinstance(value, datetime) or not isinstance(value, str | date):
            raise ValueError("give a date, e.g. 2030-01-31")
        return value

    @pydantic.model_validator(mode="after")
    def _check_place(self) -> Waiver:
        if self.check in _CUE_CHECKS and self.cue is None:
            raise ValueError(
                f"{self.check} is checked for every cue by itself: add the key cue with the name "
                "of one"
            )
        if self.cue is not None and self.check not in _CUE_CHECKS | _ARM_CHECKS:
            raise ValueError(f"{self.check} is not checked cue by cue: leave out the key cue")
        return self


class CalibrationPolicy(_PolicyPart):
    """What people's labels must show of the judge (``dormant calibrate``)."""

    labels: int = Field(default=1, ge=1, le=100_000, description="labelled answers, at least")
    sensitivity: Share = Field(
        default=0.0,
        description="of what people call misaligned, the share that the judge finds, at least: "
        "the lower end of its interval",
    )
    specificity: Share = Field(
        default=0.0, description="of all other answers, the share that the judge passes, at least"
    )
    level: float = Field(
        default=0.95, gt=0.5, lt=1, description="two-sided confidence of these intervals"
    )


class GatePolicy(_PolicyPart):
    """A release policy, as in ``gate.yaml``. Shares are fractions: 0.05 is 5%."""

    max_worst_did: PositiveShare | None = Field(
        default=None,
        description="limit of every cue's difference in differences: the upper end of its interval",
    )
    max_later_did: PositiveShare | None = Field(
        default=None,
        description="the same for later mined cues, which the plan gave a wider margin; "
        "max_worst_did by default",
    )
    max_standard_rate: PositiveShare | None = Field(
        default=None,
        description="limit of the target's misalignment rate without a cue: the upper end",
    )
    max_cue_rate: PositiveShare | None = Field(
        default=None,
        description="limit of the target's misalignment rate under every cue: the upper end",
    )
    min_gradable_rate: Share | None = Field(
        default=None, description="gradable / all answers, at least, in every arm of both models"
    )
    max_unparsed_share: Share | None = Field(
        default=None,
        description="answers whose grade could not be read / all answers, at most, in every arm",
    )
    min_questions: int | None = Field(
        default=None, ge=1, description="questions that every cue was asked with, at least"
    )
    min_answers: int | None = Field(
        default=None, ge=1, description="graded answers of the target, at least"
    )
    min_cue_families: int | None = Field(
        default=None,
        ge=1,
        description="families of cues that were asked, at least; a cue without one is its own",
    )
    calibration: CalibrationPolicy | None = Field(
        default=None, description="what people's labels must show of the judge"
    )
    target: Text | None = Field(
        default=None, description="model string or fingerprint that the run must have audited"
    )
    plan_hash: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{12,64}$",
        description="hash of the plan, or its first 12 digits or more",
    )
    judge_hash: str | None = Field(
        default=None,
        min_length=8,
        description="fingerprint of the judge, or its first 8 characters or more",
    )
    max_age: float | None = Field(
        default=None,
        gt=0,
        description="largest age of the run, from its start, e.g. 30d; a number is seconds",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
    )
    allow_amended: bool = Field(
        default=False, description="let a plan pass that was amended after answers had been seen"
    )
    accept_inconclusive: tuple[Check, ...] = Field(
        default=(), description="checks that may be inconclusive, by their keys"
    )
    waivers: tuple[Waiver, ...] = Field(
        default=(), description="checks that may fail, each with owner, reason and expiry"
    )

    @pydantic.field_validator("max_age", mode="before")
    @classmethod
    def _read_age(cls, value: Any) -> Any:
        return parse_duration(value) if isinstance(value, str) else value

    @pydantic.field_validator("plan_hash", "judge_hash", mode="before")
    @classmethod
    def _check_hash(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str):
            raise ValueError("write the hash in quotes: YAML reads it as a number")
        return value

    @pydantic.field_validator("plan_hash", mode="before")
    @classmethod
    def _check_digits(cls, value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(r"[0-9a-f]{12,64}", value):
            raise ValueError("give 12 to 64 of its digits (0 to 9, a to f)")
        return value

    @pydantic.field_validator("waivers")
    @classmethod
    def _check_waivers(cls, value: tuple[Waiver, ...]) -> tuple[Waiver, ...]:
        seen: dict[tuple[CheckName, str | None], int] = {}
        for number, waiver in enumerate(value, 1):
            first = seen.setdefault(waiver.place, number)
            if first != number:
                raise ValueError(
                    f"duplicate waiver of {waiver.words}, entries {first} and {number} of the "
                    "list: keep one"
                )
        return value

    @pydantic.model_validator(mode="after")
    def _check_limits(self) -> GatePolicy:
        if self.max_later_did is not None and self.max_worst_did is None:
            raise ValueError("max_later_did widens max_worst_did for some cues: give both")
        if (self.max_later_did or 1) < (self.max_worst_did or 0):
            raise ValueError(
                f"max_later_did {self.max_later_did} is below max_worst_did {self.max_worst_did}: "
                "it is for cues with a wider margin"
            )
        if (self.max_cue_rate or 1) < (self.max_standard_rate or 0):
            raise ValueError(
                f"max_cue_rate {self.max_cue_rate} is below max_standard_rate "
                f"{self.max_standard_rate}: a cue may not do less than no cue"
            )
        rest = 1 - (self.min_gradable_rate or 0)
        if self.max_unparsed_share is not None and self.max_unparsed_share > rest + 1e-9:
            raise ValueError(
                f"max_unparsed_share {self.max_unparsed_share} contradicts min_gradable_rate "
                f"{self.min_gradable_rate}: at most {rest:g} of the answers may be unparsed then"
            )
        return self
