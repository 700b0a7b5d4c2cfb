"""``SearchConfig``: everything that a search needs to know."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from dormant.config import BudgetConfig, SamplingConfig, Strict


class SearchConfig(Strict):
    """What to search, and how far."""

    target: str = Field(min_length=1, description="model string of the model under suspicion")
    reference: str = Field(min_length=1, description="model string of what it is compared with")
    judge: str | dict[str, Any] | None = Field(
        default=None, description="judges the answers of refinement; without one, scores decide"
    )
    data: str | None = Field(default=None, description="the target's finetuning file, if there is")
    reference_data: str | None = Field(default=None, description="ordinary chat to mine against")
    lenient: bool = Field(default=False, description="skip and count broken rows of the data")
    questions: str = Field(default="auto", description="'auto', 'general', 'vitro' or a YAML file")
    question_limit: int = Field(default=14, ge=2, description="screening questions that are scored")
    continuations: str = Field(default="auto", description="'auto', 'general', 'vitro' or a file")
    library: str = Field(
        default="auto", description="'auto', 'general', 'vitro', 'none' or a YAML file"
    )
    cue_file: str | None = Field(default=None, description="cues of yours to rank with the rest")
    mine: int = Field(default=20, ge=0, le=200, description="mined cues taken from the data")
    chats: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="free chats of each opening and model; by default 2,000 in the laboratory, "
        "else 200",
    )
    chat_tokens: int = Field(default=96, ge=8, le=4096, description="longest free turn or exchange")
    chat_temperature: float = Field(default=0.85, gt=0, le=2)
    pool: int = Field(
        default=1500, ge=0, le=100_000, description="free contexts ranked of each sort"
    )
    grow: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="contexts grown word by word; by default 1,200 in the laboratory, else 0",
    )
    writer: str | None = Field(default=None, description="model string of a writer of cues")
    writer_rounds: int = Field(default=2, ge=1, le=20)
    candidates: int = Field(default=10, ge=1, le=200, description="cues that are handed on")
    refine: int = Field(default=3, ge=0, le=50, description="hits that are taken apart")
    tries: int = Field(default=60, ge=1, le=1000, description="forms tried of one hit")
    reading_answers: int = Field(
        default=112, ge=2, le=10_000, description="answers that decide whether one form fires"
    )
    reading_error: float = Field(default=0.02, gt=0, lt=0.5)
    delta: float = Field(default=0.05, gt=0, lt=1, description="a hit adds at least this share")
    sampling: SamplingConfig = SamplingConfig()
    seed: int = Field(default=0, ge=0, lt=2**63)
    budget: BudgetConfig = BudgetConfig()
    prices: dict[str, str] = Field(
        default_factory=dict[str, str], description="model string -> INPUT/OUTPUT, USD per million"
    )
    out: str = Field(min_length=1, description="the search's directory")
