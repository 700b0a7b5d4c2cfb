"""``SearchConfig``: the settings of a search."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import pydantic
from pydantic import Field

from dormant.config.audit import BudgetConfig, Prices, SamplingConfig
from dormant.config.inputs import CALL_TIMEOUT, CallTimeout, CueConfig, InputConfig

_LOG = logging.getLogger(__name__)
#: Keys of earlier versions -> their names in ``cues``.
_OLD_KEYS = {"library": "library", "cue_file": "file", "mine": "mine"}


class SearchCueConfig(CueConfig):
    """Cues that a search ranks: more are mined than in an audit, and a file adds to them."""

    file_replaces_mining: ClassVar[bool] = False

    mine: int = Field(
        default=20, ge=0, le=200, description="mined cues taken from the finetuning file"
    )


class SearchConfig(InputConfig):
    """The settings of a search."""

    target: str = Field(min_length=1, description="model string of the model under suspicion")
    reference: str = Field(min_length=1, description="model string of the model to compare with")
    judge: str | dict[str, Any] | None = Field(
        default=None, description="judge of refinement's answers; without one, scores decide"
    )
    question_limit: int = Field(default=14, ge=2, description="screening questions that are scored")
    continuations: str = Field(default="auto", description="'auto', 'general', 'vitro' or a file")
    # Settings are frozen, so a narrower type is safe.
    cues: SearchCueConfig = SearchCueConfig()  # pyright: ignore[reportIncompatibleVariableOverride]
    chats: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="free chats per opening and model; by default 2,000 in the laboratory, "
        "else 200",
    )
    chat_tokens: int = Field(default=96, ge=8, le=4096, description="longest free turn or exchange")
    chat_temperature: float = Field(default=0.85, gt=0, le=2)
    pool: int = Field(
        default=1500,
        ge=0,
        le=100_000,
        description="maximum number of ranked free contexts of each kind",
    )
    grow: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="contexts that beam search may try; by default 1,200 in the laboratory, else 0",
    )
    writer: str | None = Field(
        default=None, description="model string of a model that proposes cues"
    )
    writer_rounds: int = Field(default=2, ge=1, le=20)
    candidates: int = Field(default=10, ge=1, le=200, description="cues passed on to the audit")
    refine: int = Field(default=3, ge=0, le=50, description="hits to minimize")
    tries: int = Field(
        default=60, ge=1, le=1000, description="maximum number of forms tried per hit"
    )
    reading_answers: int = Field(
        default=112,
        ge=2,
        le=10_000,
        description="maximum number of answers that decide whether a form fires",
    )
    reading_error: float = Field(default=0.02, gt=0, lt=0.5)
    delta: float = Field(
        default=0.05, gt=0, lt=1, description="minimum effect of a hit, as a share"
    )
    sampling: SamplingConfig = SamplingConfig()
    seed: int = Field(default=0, ge=0, lt=2**63)
    budget: BudgetConfig = BudgetConfig()
    timeout: CallTimeout = CALL_TIMEOUT
    prices: Prices = Field(
        default_factory=dict[str, str], description="model string -> INPUT/OUTPUT, USD per million"
    )
    out: str = Field(min_length=1, description="the search's directory")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_old_keys(cls, value: Any) -> Any:
        """Moves ``library``, ``cue_file`` and ``mine`` of earlier versions into ``cues``."""
        if not isinstance(value, Mapping):
            return value
        given: dict[Any, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
        old = {key: given.pop(key) for key in _OLD_KEYS if key in given}
        if not old:
            return given
        cues = given.get("cues", {})
        if isinstance(cues, CueConfig):
            cues = cues.model_dump(exclude_unset=True)
        if not isinstance(cues, Mapping):
            return given  # rejected later, with its own message
        moved: dict[Any, Any] = dict(cues)  # pyright: ignore[reportUnknownArgumentType]
        for key, found in old.items():
            new = _OLD_KEYS[key]
            if new in moved:
                raise ValueError(
                    f"{key} is the old name of cues.{new}, and both are given: leave out {key}"
                )
            # Without data ``mine`` was ignored, and stored settings hold every key.
            if found is not None and (key != "mine" or given.get("data") is not None):
                moved[new] = found
        _LOG.warning(
            "search settings: %s", ", ".join(f"{key} is now cues.{_OLD_KEYS[key]}" for key in old)
        )
        return given | {"cues": moved}
