"""Configuration files as typed models: read, checked, and refused with a place and a mend.

``read_yaml`` is the one reader: a wrong key names the nearest known one, a wrong value is shown,
and both carry the file and the line. ``AuditConfig`` is ``audit.yaml``.
"""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydantic
import yaml
from pydantic import Field

from dormant.errors import ConfigError
from dormant.records import Rule, Sampling, Variant
from dormant.side_records import Continuations, Sequential

#: A configuration is written by hand; a larger file is another file given by mistake.
LARGEST_YAML = 8 * 1024 * 1024

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3

Where = tuple[str | int, ...]  # the keys and indices that lead to a value


class Strict(pydantic.BaseModel):
    """Base of every configuration model: immutable, and no unknown key passes."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=False)


Model = TypeVar("Model", bound=pydantic.BaseModel)


def read_yaml(path: str | Path, model: type[Model]) -> Model:
    """Reads a YAML file into a model.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or does not fit the model.
    """
    path = Path(path)
    value, tree = load_yaml(path)
    if not isinstance(value, dict):
        raise ConfigError(
            f"expected keys and values, got {_shown(value)}: the keys are {_keys(model)}", file=path
        )
    return check(value, model, file=path, tree=tree)


def load_yaml(path: str | Path) -> tuple[Any, yaml.Node | None]:
    """Reads a YAML file as plain values, with the composed nodes for line numbers.

    Raises:
        ConfigError: the file cannot be read or is not YAML.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        tree = yaml.compose(text, Loader=_UniqueKeyLoader)
        value = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader subclass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(f"not YAML: {error.problem}", file=path, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"not YAML: {reason}", file=path) from None
    return value, tree


def check(
    value: Mapping[Any, Any],
    model: type[Model],
    *,
    file: str | Path | None = None,
    tree: yaml.Node | None = None,
) -> Model:
    """Checks plain values against a model.

    Args:
        value: what was read.
        model: what it must fit.
        file: named in errors.
        tree: the composed YAML, for line numbers in errors.

    Raises:
        ConfigError: the first thing that does not fit, with its mend.
    """
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        # A misspelt key also leaves the right one missing: the misspelling is the thing to say.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        where: Where = first["loc"]
        line = _line(tree, where)
        raise ConfigError(_explain(first, where, model), file=file, line=line) from None


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which YAML would silently overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # "<<": another mapping's keys, under those that stand here
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool):
                problem = f"a key must be a word, got {_shown(key)}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            if key in seen:
                problem = f"the key {key!r} stands twice: keep one"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise ConfigError("is a directory, expected a YAML file", file=path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from None
    if len(raw) > LARGEST_YAML:
        raise ConfigError(f"{len(raw):,} bytes is too large for a configuration", file=path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError("not UTF-8 text: save it as UTF-8", file=path, line=line) from None


def _explain(error: Any, where: Where, model: type[pydantic.BaseModel]) -> str:
    """One line for a pydantic error: which key, what was received, and the mend."""
    name = ".".join(str(step) for step in where) or "the file"
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, where[:-1])
        near = difflib.get_close_matches(str(where[-1]), known, n=1, cutoff=0.5)
        mend = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known)}"
        return f"unknown key {name!r}: {mend}"
    if error["type"] == "missing":
        return f"the key {name!r} is missing: {error['msg'].lower()}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "model_type":
        message = f"expected keys and values ({', '.join(_known_keys(model, where))})"
    return f"{name}: {message[:1].lower()}{message[1:]}, got {_shown(error['input'])}"


def _known_keys(model: type[pydantic.BaseModel], where: Where) -> list[str]:
    """Keys allowed at a place; those of the whole model where the place is inside a union."""
    current: Any = model
    for step in where:
        fields = getattr(current, "model_fields", {})
        inner = fields[step].annotation if step in fields else None
        if not (isinstance(inner, type) and issubclass(inner, pydantic.BaseModel)):
            candidates = [a for a in getattr(inner, "__args__", ()) if hasattr(a, "model_fields")]
            inner = candidates[0] if len(candidates) == 1 else None
        if inner is not None:
            current = inner
    return sorted(getattr(current, "model_fields", {}))


def _keys(model: type[pydantic.BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _shown(value: Any) -> str:
    # reprlib, because a file's aliases can nest a value into itself, or a thousand-fold.
    return _SHORT.repr(value)


def _line(tree: yaml.Node | None, where: Where) -> int | None:
    """The 1-based line of a value, or of the deepest part of its path that exists."""
    if tree is None:
        return None
    node, line = tree, tree.start_mark.line
    for step in where:
        found = _child(node, step)
        if found is None:
            continue  # union tags stand in pydantic's path, but not in the file
        node, line = found
    return line + 1


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return None


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
    def _one_contrast(self) -> CueConfig:
        if sum(way is not None for way in (self.label, self.loss, self.suspicious)) > 1:
            raise ValueError("give one of label, loss and suspicious")
        return self


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
    """The sequential design; see ``side_records.Sequential`` for what each number means."""

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
        default="auto", description="what teacher forcing scores: 'auto', 'vitro' or a YAML file"
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
