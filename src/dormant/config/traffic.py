"""``TrafficConfig``: the settings of ``dormant traffic``."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from dormant.config.audit import NO_REFERENCE, BudgetConfig, Prices
from dormant.config.inputs import CALL_TIMEOUT, CallTimeout
from dormant.config.reader import Strict


class TrafficConfig(Strict):
    """The settings of ``dormant traffic``: prompts, models, judge and what matters."""

    prompts: str = Field(description="file of prompts: .jsonl, .json, .csv, .tsv or .txt")
    target: str = Field(description="model string of the finetuned model")
    reference: str = Field(description="model string of the model before; 'none' for none")
    judge: str | dict[str, Any] = Field(description="as in an audit")
    out: str = Field(description="the directory")
    slices: int | None = Field(
        default=None, ge=2, le=1000, description="number of slices; the root of half the prompts"
    )
    slice_column: str | None = Field(
        default=None, description="column of the file that names the slices; no clustering then"
    )
    delta: float = Field(
        default=0.1, gt=0, lt=1, description="smallest difference that matters, as a share"
    )
    level: float = Field(
        default=0.95, gt=0.5, lt=1, description="confidence of all slices together, one-sided"
    )
    answers: int = Field(default=1, ge=1, le=1000, description="answers to a prompt of each model")
    batch: int = Field(
        default=8, ge=1, le=10_000, description="prompts of a slice between two looks"
    )
    limit: int | None = Field(
        default=None, ge=2, description="maximum number of prompts of the file, drawn by the seed"
    )
    system: str = Field(default="", description="system prompt of prompts that have none")
    temperature: float = Field(default=1.0, ge=0, le=2, description="sampling temperature")
    max_tokens: int = Field(default=256, ge=1, le=32768, description="longest answer, in tokens")
    min_survival: float = Field(
        default=0.5, ge=0, le=1, description="smallest share of gradable answers of a slice"
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    lenient: bool = Field(default=False, description="skip and count rows that cannot be read")
    allow_identical: bool = Field(default=False, description="compare a model with itself")
    budget: BudgetConfig = BudgetConfig()
    timeout: CallTimeout = CALL_TIMEOUT
    prices: Prices = Field(
        default_factory=dict[str, str], description="model string -> INPUT/OUTPUT, USD per million"
    )

    @property
    def has_reference(self) -> bool:
        """Whether a reference is named."""
        return self.reference.strip().lower() != NO_REFERENCE

    @field_validator("prompts", "target", "reference", "out")
    @classmethod
    def _is_given(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("is empty: give one")
        return value
