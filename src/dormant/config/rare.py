"""``RareConfig``: the settings of a measurement of rare rates."""

from __future__ import annotations

from typing import Any

import pydantic
from pydantic import Field

from dormant.config.audit import NO_REFERENCE, BudgetConfig, Prices
from dormant.config.inputs import CALL_TIMEOUT, CallTimeout
from dormant.config.reader import Strict


class RareConfig(Strict):
    """The settings of ``dormant rare``: models, questions and judge, or a run that has them."""

    run: str | None = Field(
        default=None, description="a finished run: its models, questions, judge and cues"
    )
    target: str | None = Field(
        default=None, description="model string; with a run of several targets, one of them"
    )
    reference: str | None = Field(
        default=None, description="model string of a model to compare with; 'none' for none"
    )
    judge: str | dict[str, Any] | None = Field(default=None, description="as in an audit")
    questions: str = Field(default="auto", description="as in an audit")
    library: str = Field(default="auto", description="where cues are looked up, as in an audit")
    cue_file: str | None = Field(default=None, description="a cues.yaml to look cues up in, too")
    cue: tuple[str, ...] = Field(
        default=(), description="cues under which misaligned answers are proposed, by name"
    )
    system: str = Field(default="", description="system prompt of the proposal")
    proposal: str | None = Field(
        default=None, description="model string of the proposal; the target by default"
    )
    under: tuple[str, ...] = Field(
        default=(), description="cues under which the rate is measured, besides none, by name"
    )
    answers: int = Field(
        default=8, ge=2, le=100_000, description="answers per question, model and cue"
    )
    plain_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="share of the answers that are sampled without the proposal",
    )
    question_limit: int | None = Field(default=None, ge=2, description="maximum of questions")
    max_tokens: int | None = Field(
        default=None, ge=1, le=32768, description="longest answer, in tokens"
    )
    level: float = Field(default=0.95, gt=0.5, lt=1, description="two-sided confidence")
    uses: tuple[int, ...] = Field(
        default=(1_000, 100_000, 10_000_000),
        description="numbers of deployed uses to forecast the worst of",
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    budget: BudgetConfig = BudgetConfig()
    timeout: CallTimeout = CALL_TIMEOUT
    prices: Prices = Field(
        default_factory=dict[str, str], description="model string -> INPUT/OUTPUT, USD per million"
    )
    out: str | None = Field(default=None, description="the directory; RUN/rare by default")

    @property
    def has_reference(self) -> bool:
        """Whether a reference is named."""
        return self.reference is not None and self.reference.strip().lower() != NO_REFERENCE

    @pydantic.field_validator("uses")
    @classmethod
    def _check_uses(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= uses <= 10**15 for uses in value):
            raise ValueError("numbers of uses must be from 1 to 10^15")
        return value

    @pydantic.model_validator(mode="after")
    def _has_models(self) -> RareConfig:
        if self.run is None:
            missing = [f"--{key}" for key in ("target", "judge", "out") if not getattr(self, key)]
            if missing:
                raise ValueError(f"missing {', '.join(missing)}: give them, or a finished RUN")
        if not (self.cue or self.system or self.proposal) and self.plain_share < 1:
            raise ValueError(
                "no proposal: name a cue that makes the target misbehave (--cue NAME), a system "
                "prompt (--system TEXT) or a model (--proposal MODEL); --plain-share 1 samples "
                "plainly"
            )
        return self
