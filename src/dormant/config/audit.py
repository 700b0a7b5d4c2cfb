"""``audit.yaml``: the settings of an audit, each key with its range and default."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from dormant.config.inputs import CALL_TIMEOUT, CallTimeout, InputConfig, read_duration
from dormant.config.presets import PresetName, ProfileName, apply_preset
from dormant.config.reader import Strict, check_values
from dormant.records import JUDGE_NAMES, Continuations, Rule, Sampling, Sequential

#: Early answers that are judged again, where a model judges.
JUDGE_REPEATS = 100
#: ``reference`` of an audit that compares with no other model.
NO_REFERENCE = "none"


class SamplingConfig(Strict):
    """How answers are sampled."""

    temperature: float = Field(default=1.0, ge=0, le=2, description="sampling temperature")
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the likeliest next tokens that are sampled from",
    )
    max_tokens: int = Field(default=256, ge=1, le=32768, description="longest answer, in tokens")

    def to_record(self, seed: int) -> Sampling:
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

    delta: float = Field(
        default=_RULE.delta, gt=0, lt=1, description="smallest effect that matters, as a share"
    )
    level: float = Field(
        default=_RULE.level, gt=0.5, lt=1, description="confidence of the claim, one-sided"
    )
    screening_answers: int = Field(
        default=_RULE.screening_answers,
        ge=1,
        le=100_000,
        description="answers to a screening question under a cue, of each model",
    )
    confirm_answers: int = Field(
        default=_RULE.confirm_answers,
        ge=1,
        le=100_000,
        description="fresh answers to a held-out question under a cue, of each model",
    )
    candidates: int = Field(
        default=_RULE.candidates,
        ge=1,
        le=1000,
        description="maximum number of unresolved cues that are asked held-out questions",
    )
    min_survival: float = Field(
        default=_RULE.min_survival,
        ge=0,
        le=1,
        description="smallest share of gradable answers with which an arm can be judged",
    )
    max_survival_gap: float = Field(
        default=_RULE.max_survival_gap,
        ge=0,
        le=1,
        description="largest difference of gradable shares within one comparison",
    )
    icc: float = Field(
        default=_RULE.icc,
        ge=0,
        le=1,
        description="correlation of answers to one question where the counts cannot show it",
    )

    def to_record(self) -> Rule:
        """The frozen form that enters the plan."""
        return Rule(**self.model_dump())

    @classmethod
    def make_record(cls, **values: float) -> Rule:
        """Makes a rule of some fields, the others at their defaults: one check for every command.

        Raises:
            ConfigError: a value is out of range.
        """
        return check_values(values, cls).to_record()


class BudgetConfig(Strict):
    """What a run may spend over all resumptions; not part of the plan: it changes no result."""

    usd: float | None = Field(default=None, ge=0, description="money for all models and judges")
    answers: int | None = Field(
        default=None, ge=0, description="answers of the models under audit, not a judge's replies"
    )


class AuditBudgetConfig(BudgetConfig):
    """What an audit may spend: also time."""

    time: float | None = Field(
        default=None,
        ge=0,
        description="time for answers and judgements, e.g. 30m or 2h; a number is seconds",
    )

    _read_time = pydantic.field_validator("time", mode="before")(read_duration)


def price_numbers(text: str) -> tuple[float, float]:
    """Parses ``INPUT/OUTPUT``, USD per million tokens, e.g. ``0.15/0.60``.

    Raises:
        ValueError: the text is not two nonnegative finite numbers.
    """
    try:
        prices = [float(part) for part in text.split("/")]
    except ValueError:
        prices = []
    if len(prices) != 2 or not all(math.isfinite(price) and price >= 0 for price in prices):
        raise ValueError(
            f"{text[:80]!r} is not a price: give USD per million tokens as INPUT/OUTPUT, "
            "e.g. 0.15/0.60"
        )
    return prices[0], prices[1]


def _check_prices(prices: dict[str, str]) -> dict[str, str]:
    for model, price in prices.items():
        try:
            price_numbers(price)
        except ValueError as error:
            raise ValueError(f"{model}: {error}") from None
    return prices


#: A user's own prices: model string -> INPUT/OUTPUT in USD per million tokens.
Prices = Annotated[dict[str, str], pydantic.AfterValidator(_check_prices)]


_SEQUENTIAL = Sequential()


class SequentialConfig(Strict):
    """The sequential design; see ``records.Sequential`` for what each number means."""

    answers: int = Field(
        default=_SEQUENTIAL.answers,
        ge=1,
        le=1000,
        description="answers to a question under a cue while it shows no effect",
    )
    most_answers: int = Field(
        default=_SEQUENTIAL.most_answers,
        ge=1,
        le=1000,
        description="the same at most, doubled each time that the cue shows an effect",
    )
    standard_answers: int = Field(
        default=_SEQUENTIAL.standard_answers,
        ge=1,
        le=1000,
        description="answers to a question without a cue",
    )
    batch: int = Field(
        default=_SEQUENTIAL.batch,
        ge=1,
        le=1000,
        description="questions between two interim analyses",
    )
    first: int = Field(
        default=_SEQUENTIAL.first,
        ge=0,
        le=1000,
        description="cues that are asked before all others",
    )
    trial: int = Field(
        default=_SEQUENTIAL.trial,
        ge=0,
        le=100_000,
        description="questions that these are asked first",
    )
    suspicion: float = Field(
        default=_SEQUENTIAL.suspicion,
        gt=1,
        description="wealth of the bets at which a cue becomes a candidate at once",
    )
    until: Literal["verdict", "cues"] = Field(
        default="verdict",
        description="stop when the verdict is certain, or when every cue is settled",
    )
    screening: Literal["none", "teacher_forcing"] = Field(
        default="none", description="the order of the cues: that of the list, or of their scores"
    )
    continuations: str = Field(
        default="auto",
        description="what teacher forcing scores: 'auto', 'general', 'vitro' or a YAML file",
    )

    def to_record(self, continuations: tuple[Continuations, ...] = ()) -> Sequential:
        """The frozen form that enters the plan."""
        return replace(
            Sequential(**self.model_dump(exclude={"continuations"})), continuations=continuations
        )


class AuditConfig(InputConfig):
    """The settings of an audit, as in ``audit.yaml``."""

    preset: PresetName | None = Field(
        default=None,
        description="'frugal', 'standard' or 'thorough': sets design, cues and rule where they "
        "are not given",
    )
    profile: ProfileName | None = Field(
        default=None,
        description="how small an effect matters: 'gate' (delta 5 points), 'research' (1) or "
        "'rare' (0.2); sets delta and cues.later_margin where they are not given",
    )
    target: str | tuple[str, ...] = Field(description="model string, or one per training seed")
    reference: str = Field(
        description="model string of the reference, e.g. the base model; 'none' for the target's "
        "rates alone"
    )
    judge: str | dict[str, Any] = Field(
        description=f"{', '.join(JUDGE_NAMES)}, or the settings of one"
    )
    judge_repeats: int = Field(
        default=JUDGE_REPEATS,
        ge=0,
        le=10_000,
        description="early answers that a judge with a model judges twice at once (test-retest) "
        "and again at the end (drift); a rule judges none again",
    )
    labels: str | None = Field(
        default=None,
        description="CSV of people's labels of this run's answers (dormant calibrate): the verdict "
        "states what they say",
    )
    writer: str | None = Field(
        default=None, description="model string of the model that writes variants and topic twins"
    )
    question_limit: int | None = Field(
        default=None, ge=2, description="maximum number of questions in each half"
    )
    claim: Literal["auto", "themes", "questions"] = Field(
        default="auto",
        description="what is claimed about: 'themes' like these (a family of questions is one "
        "unit), 'questions' of these themes, or 'auto': themes if there are enough",
    )
    sampling: SamplingConfig = SamplingConfig()
    rule: RuleConfig = RuleConfig()
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of every random choice")
    design: Literal["fixed", "sequential"] = Field(
        default="sequential",
        description="stop when the verdict is certain, or ask everything in two stages, which an "
        "audit without a reference does",
    )
    sequential: SequentialConfig = SequentialConfig()
    budget: AuditBudgetConfig = AuditBudgetConfig()
    timeout: CallTimeout = CALL_TIMEOUT
    prices: Prices = Field(
        default_factory=dict[str, str],
        description="your own prices: model string -> INPUT/OUTPUT in USD per million tokens",
    )
    allow_identical: bool = Field(
        default=False, description="audit models that are the same, e.g. to check the audit itself"
    )
    out: str | None = Field(default=None, description="the run directory")

    @property
    def is_design_given(self) -> bool:
        """Whether the design was named, by a preset or by the lack of a reference included."""
        return "design" in self.model_fields_set

    @property
    def targets(self) -> Sequence[str]:
        """The target models, one per training seed."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def has_reference(self) -> bool:
        """Whether the target is compared with another model."""
        return self.reference.strip().lower() != NO_REFERENCE

    @pydantic.model_validator(mode="after")
    def _can_do_without_reference(self) -> AuditConfig:
        if self.design == "sequential" and not self.has_reference:
            raise ValueError(
                "the sequential design bets on differences from a reference: name one, or give "
                "design: fixed"
            )
        return self

    @pydantic.model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, value: Any) -> Any:
        return apply_preset(value) if isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownArgumentType]

    @pydantic.field_validator("target")
    @classmethod
    def _check_targets(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (value,) if isinstance(value, str) else value
        if not names or not all(name.strip() for name in names):
            raise ValueError("name at least one target model")
        if len(set(names)) != len(names):
            raise ValueError("duplicate target model; give one model per training seed")
        return value
