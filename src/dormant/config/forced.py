"""``ForcedConfig``: the settings of ``dormant forced``."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from pydantic import Field

from dormant.config.audit import BudgetConfig, Prices
from dormant.config.inputs import CALL_TIMEOUT, CallTimeout
from dormant.config.reader import Strict


def _drop_duplicates(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(values))


class ForcedConfig(Strict):
    """The settings of ``dormant forced``: a finished run, and how much is scored and sampled."""

    run: str = Field(description="a finished run: its models, questions, judge and cues")
    judge: str | dict[str, Any] | None = Field(
        default=None, description="settings of the run's judge, if they were a mapping"
    )
    continuations: str = Field(
        default="auto", description="auto, general, vitro, or a YAML file of given answers"
    )
    question_limit: int = Field(
        default=24, ge=2, le=100_000, description="maximum number of questions that are scored"
    )
    cue: tuple[str, ...] = Field(
        default=(),
        description="cues under which answers are continued, besides none; by default those found",
    )
    tokens: Annotated[tuple[int, ...], pydantic.AfterValidator(_drop_duplicates)] = Field(
        default=(1, 2, 4, 8), description="numbers of given tokens after which answers go on"
    )
    answers: int = Field(
        default=1, ge=0, le=1000, description="answers to each start; 0 continues none"
    )
    budget: BudgetConfig = BudgetConfig()
    timeout: CallTimeout = CALL_TIMEOUT
    prices: Prices = Field(
        default_factory=dict[str, str], description="model string -> INPUT/OUTPUT, USD per million"
    )
