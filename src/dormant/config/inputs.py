"""Inputs that audits, searches and the Inspect task share: questions, finetuning data and cues."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import pydantic
from pydantic import Field

from dormant.config.durations import parse_duration
from dormant.config.reader import Strict
from dormant.records import Variant


def read_duration(value: Any) -> Any:
    """Reads a text such as ``90s``, ``30m`` or ``2h`` as seconds; leaves other values alone."""
    return parse_duration(value) if isinstance(value, str) else value


#: How long one call to a server may take, all its answers included.
CallTimeout = Annotated[
    float,
    pydantic.BeforeValidator(read_duration),
    Field(
        ge=1,
        le=86_400,
        description="time for one call to a server, all its answers included, e.g. 90s or 10m; "
        "a number is seconds",
    ),
]
#: Seconds that a call may take unless a setting says otherwise.
CALL_TIMEOUT = 600.0


class CueConfig(Strict):
    """Cues that an audit tries."""

    #: Whether a cue file replaces mining; if so, keys of both are rejected.
    file_replaces_mining: ClassVar[bool] = True

    mine: int = Field(
        default=20, ge=0, le=200, description="mined cues taken from the finetuning file"
    )
    leading: int = Field(
        default=5,
        ge=0,
        le=200,
        description="mined cues, the first of them, that get variants and are bounded by delta; "
        "later ones are asked in their own words alone and bounded by later_margin",
    )
    later_margin: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="rise that is ruled out for later mined cues, as a share; at least delta",
    )
    min_enrichment: float = Field(
        default=1.0,
        ge=0,
        description="mined cues beyond the leading places need this lower bound of their "
        "enrichment, in bits (log2 odds), or to be strong",
    )
    library: str = Field(
        default="auto", description="'auto', 'general', 'vitro', 'none' or a YAML file"
    )
    library_limit: int | None = Field(
        default=None, ge=0, description="maximum number of library entries"
    )
    file: str | None = Field(
        default=None, description="a cues.yaml: an audit uses it instead of mining"
    )
    logs: tuple[str, ...] = Field(
        default=(),
        description="logs of Inspect or Petri: the context of each conversation is a cue",
    )
    label: str | None = Field(
        default=None, description="COLUMN or COLUMN=VALUE of the suspicious rows: mine only these"
    )
    loss: str | None = Field(
        default=None, description="COLUMN or COLUMN=SHARE: mine the rows of the highest loss"
    )
    suspicious: str | None = Field(
        default=None, description="a file of suspicious rows: mine it against the rest of the data"
    )
    miners: tuple[str, ...] = Field(
        default=(),
        description="miners of installed packages, beside those that ship (docs/guides/plugins.md)",
    )
    variants: tuple[Variant, ...] = Field(
        default=tuple(variant for variant in Variant if variant is not Variant.PLACEBO),
        description="variants that an audit tries of each mined cue: a list, 'all', or 'none' for "
        "the cue itself alone",
    )
    placebos: bool = Field(
        default=True, description="an audit tries a matched placebo for each mined cue"
    )

    @pydantic.field_validator("variants", mode="before")
    @classmethod
    def _read_variants(cls, value: Any) -> Any:
        """Reads ``verbatim,paraphrase``, ``all`` and ``none`` as a list."""
        if not isinstance(value, str):
            return value
        every = [str(variant) for variant in Variant if variant is not Variant.PLACEBO]
        named = {"all": every, "none": [str(Variant.VERBATIM)]}.get(value.strip())
        names = named or [name.strip() for name in value.split(",")]
        for name in names:
            if name not in every:
                raise ValueError(
                    f"unknown variant {name!r}: give all, none, or some of {', '.join(every)}"
                )
        return names

    @pydantic.model_validator(mode="after")
    def _has_one_contrast(self) -> CueConfig:
        contrasts = self._given_keys("label", "loss", "suspicious")
        if len(contrasts) > 1:
            raise ValueError(
                f"{' and '.join(contrasts)} exclude each other: give one of label, loss and "
                "suspicious, because each selects the rows to compare with the rest"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _has_one_source(self) -> CueConfig:
        unused = self.mining_keys() if self.file is not None and self.file_replaces_mining else []
        if unused:
            raise ValueError(
                f"file {self.file!r} is used instead of mining: leave out {' and '.join(unused)}"
            )
        return self

    def mining_keys(self) -> list[str]:
        """Returns the given keys that configure mining."""
        keys = ("mine", "leading", "later_margin", "min_enrichment")
        mine = [] if self.mine == 0 else self._given_keys(*keys)
        return mine + self._given_keys("label", "loss", "suspicious", "miners")

    def _given_keys(self, *keys: str) -> list[str]:
        """Returns the keys that differ from their defaults, since stored settings hold all keys."""
        fields = type(self).model_fields
        return [key for key in keys if getattr(self, key) != fields[key].default]


class InputConfig(Strict):
    """Questions, finetuning data and cues; ``pipeline.inputs`` reads what it names."""

    data: str | None = Field(
        default=None,
        description="the target's finetuning data: a file, a folder, a glob pattern or hf://OWNER/NAME",
    )
    reference_data: str | None = Field(default=None, description="ordinary chat to mine against")
    data_template: str | None = Field(
        default=None,
        description="chat template that the data was rendered with: a tokenizer's directory, a "
        ".jinja file, a model's name, or 'none'; that of an hf/ target by default",
    )
    lenient: bool = Field(
        default=False, description="skip and count unreadable rows of the finetuning file"
    )
    questions: str = Field(
        default="auto",
        description="'auto', 'general', 'vitro', or a file: questions as text (one a line), YAML, "
        "CSV or JSON, or a public evaluation",
    )
    template_kwargs: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="variables of the chat templates of target and reference, e.g. "
        "{enable_thinking: false}; the same as ?template.NAME=VALUE in both model strings",
    )
    cues: CueConfig = CueConfig()

    @pydantic.model_validator(mode="after")
    def _has_data_to_mine(self) -> InputConfig:
        if self.data is not None:
            return self
        idle = [f"cues.{key}" for key in self.cues.mining_keys()]
        idle += ["reference_data"] if self.reference_data is not None else []
        idle += ["data_template"] if self.data_template not in (None, "none") else []
        if idle:
            raise ValueError(
                f"data is missing, without which nothing is mined: give it, or leave out "
                f"{' and '.join(idle)}"
            )
        return self
