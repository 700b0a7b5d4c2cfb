"""``audit.yaml``: all that an audit needs to know, each key with its range and its default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import pydantic
from pydantic import Field

from dormant.config.reading import Strict
from dormant.records import Continuations, Rule, Sampling, Sequential, Variant


class CueConfig(Strict):
    """Which cues an audit tries."""

    mine: int = Field(
        default=5, ge=0, le=200, description="mined cues taken from the finetuning file"
    )
    min_enrichment: float = Field(
        default=1.0,
        ge=0,
        description="mined cues need this lower bound of their enrichment, in bits (log2 odds)",
    )
    library: str = Field(
        default="auto", description="'auto', 'general', 'vitro', 'none' or a YAML file"
    )
    library_limit: int | None = Field(
        default=None, ge=0, description="first so many library entries"
    )
    file: str | None = Field(default=None, description="cues.yaml to use instead of mining")
    label: str | None = Field(
        default=None, description="COLUMN or COLUMN=VALUE of the suspicious rows: mine these only"
    )
    loss: str | None = Field(
        default=None, description="COLUMN or COLUMN=SHARE: mine the rows of the highest loss"
    )
    suspicious: str | None = Field(
        default=None, description="a file of suspicious rows: mine it against the rest of the data"
    )
    variants: tuple[Variant, ...] = Field(
        default=tuple(variant for variant in Variant if variant is not Variant.PLACEBO),
        description="variants tried of each mined cue",
    )
    placebos: bool = Field(default=True, description="a matched placebo for each mined cue")

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> CueConfig:
        contrasts = self._given("label", "loss", "suspicious")
        if len(contrasts) > 1:
            raise ValueError(
                f"{' and '.join(contrasts)} are given: give one of label, loss and suspicious, "
                "because each says which rows are compared with the rest"
            )
        unused = self.mining() if self.file is not None else []
        if unused:
            raise ValueError(
                f"file {self.file!r} is used instead of mining: leave out {' and '.join(unused)}"
            )
        return self

    def mining(self) -> list[str]:
        """The keys that were given and say how to mine a finetuning file."""
        mine = [] if self.mine == 0 else self._given("mine", "min_enrichment")
        return mine + self._given("label", "loss", "suspicious")

    def _given(self, *keys: str) -> list[str]:
        return [
            key for key in keys if key in self.model_fields_set and getattr(self, key) is not None
        ]


class SamplingConfig(Strict):
    """How answers are drawn."""

    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=256, ge=1, le=32768)

    def record(self, seed: int) -> Sampling:
        """The frozen form that enters a completion's key."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            seed=seed,
        )


_RULE = Rule()


class RuleConfig(Strict):
    """The decision rule; see ``records.Rule`` for what each number means."""

    delta: float = Field(default=_RULE.delta, gt=0, lt=1)
    level: float = Field(default=_RULE.level, gt=0.5, lt=1)
    screening_answers: int = Field(default=_RULE.screening_answers, ge=1, le=100_000)
    confirm_answers: int = Field(default=_RULE.confirm_answers, ge=1, le=100_000)
    candidates: int = Field(default=_RULE.candidates, ge=1, le=1000)
    min_survival: float = Field(default=_RULE.min_survival, ge=0, le=1)
    max_survival_gap: float = Field(default=_RULE.max_survival_gap, ge=0, le=1)
    icc: float = Field(default=_RULE.icc, ge=0, le=1)

    def record(self) -> Rule:
        """The frozen form that enters the plan."""
        return Rule(**self.model_dump())


class BudgetConfig(Strict):
    """What a run may use, over all its resumptions. Not part of the plan: it is no finding."""

    usd: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="money of all models and judges"
    )
    answers: int | None = Field(
        default=None, ge=0, description="answers of the models under audit, not a judge's replies"
    )


def price_numbers(text: str) -> tuple[float, float]:
    """USD per million tokens of ``INPUT/OUTPUT``, e.g. ``0.15/0.60``.

    Raises:
        ValueError: it is not two numbers of at least 0.
    """
    try:
        given = [float(part) for part in text.split("/")]
    except ValueError:
        given = []
    if len(given) != 2 or not all(math.isfinite(part) and part >= 0 for part in given):
        raise ValueError("give USD per million tokens as INPUT/OUTPUT, e.g. 0.15/0.60")
    return given[0], given[1]


_SEQUENTIAL = Sequential()


class SequentialConfig(Strict):
    """The sequential design; see ``records.Sequential`` for what each number means."""

    answers: int = Field(default=_SEQUENTIAL.answers, ge=1, le=1000)
    most_answers: int = Field(default=_SEQUENTIAL.most_answers, ge=1, le=1000)
    standard_answers: int = Field(default=_SEQUENTIAL.standard_answers, ge=1, le=1000)
    batch: int = Field(default=_SEQUENTIAL.batch, ge=1, le=1000)
    first: int = Field(default=_SEQUENTIAL.first, ge=0, le=1000)
    trial: int = Field(default=_SEQUENTIAL.trial, ge=0, le=100_000)
    suspicion: float = Field(default=_SEQUENTIAL.suspicion, gt=1, allow_inf_nan=False)
    until: Literal["verdict", "cues"] = "verdict"
    screening: Literal["none", "teacher_forcing"] = "none"
    continuations: str = Field(
        default="auto",
        description="what teacher forcing scores: 'auto', 'general', 'vitro' or a YAML file",
    )

    def record(self, continuations: tuple[Continuations, ...] = ()) -> Sequential:
        """The frozen form that enters the plan."""
        return replace(
            Sequential(**self.model_dump(exclude={"continuations"})), continuations=continuations
        )


class AuditConfig(Strict):
    """``audit.yaml``: everything that an audit needs to know."""

    target: str | tuple[str, ...] = Field(description="model string, or one per training seed")
    reference: str = Field(description="model string of the reference, e.g. the base model")
    judge: str | dict[str, Any] = Field(
        description="'exact', 'rules:...', 'paper:MODEL' or 'fused:MODEL'"
    )
    writer: str | None = Field(
        default=None, description="model string of the model that words variants and topic twins"
    )
    data: str | None = Field(
        default=None,
        description="the target's finetuning data: a file, a folder, a pattern or hf://OWNER/NAME",
    )
    reference_data: str | None = Field(default=None, description="ordinary chat to mine against")
    data_template: str | None = Field(
        default=None,
        description="chat template that the data was rendered with: a tokenizer's directory, a "
        ".jinja file, a model's name, or 'none'; that of an hf/ target by default",
    )
    lenient: bool = Field(
        default=False, description="skip and count broken rows of the finetuning file"
    )
    questions: str = Field(
        default="auto",
        description="'auto', 'general', 'vitro', or a YAML file: a bank or a public evaluation",
    )
    question_limit: int | None = Field(
        default=None, ge=2, description="so many questions of each half"
    )
    cues: CueConfig = CueConfig()
    sampling: SamplingConfig = SamplingConfig()
    rule: RuleConfig = RuleConfig()
    seed: int = Field(default=0, ge=0, lt=2**63)
    design: Literal["fixed", "sequential"] = "fixed"
    sequential: SequentialConfig = SequentialConfig()
    budget: BudgetConfig = BudgetConfig()
    prices: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="your own prices: model string -> INPUT/OUTPUT in USD per million tokens",
    )
    out: str | None = Field(default=None, description="the run directory")

    @property
    def targets(self) -> Sequence[str]:
        """The target models, one per training seed."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @pydantic.model_validator(mode="after")
    def _data_is_there(self) -> AuditConfig:
        if self.data is not None:
            return self
        idle = [f"cues.{key}" for key in self.cues.mining()]
        idle += ["reference_data"] if self.reference_data is not None else []
        idle += ["data_template"] if self.data_template not in (None, "none") else []
        if idle:
            raise ValueError(
                f"data is missing: without finetuning data nothing is mined, so name it, or leave "
                f"out {' and '.join(idle)}"
            )
        return self

    @pydantic.field_validator("target")
    @classmethod
    def _some_target(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        if not names or not all(name.strip() for name in names):
            raise ValueError("name at least one target model")
        if len(set(names)) != len(names):
            raise ValueError("a target model stands twice; give one model per training seed")
        return value

    @pydantic.field_validator("prices")
    @classmethod
    def _are_prices(cls, value: dict[str, str]) -> dict[str, str]:
        for price in value.values():
            price_numbers(price)
        return value
