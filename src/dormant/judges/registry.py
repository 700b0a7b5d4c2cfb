"""Opens the judge that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dormant.errors import ConfigError
from dormant.judges import Judge
from dormant.records import JUDGE_NAMES

_MODEL_JUDGES = ("paper", "fused")


def open_judge(spec: str | Mapping[str, Any]) -> Judge:
    """Opens the judge that a configuration names.

    Args:
        spec: ``exact``, ``rules:...`` (see ``judges.rules``), ``paper:MODEL``, ``fused:MODEL``,
            ``{paper: ..., compare: fused}``, ``{fused: ...}``, or the keys of a rules judge.

    Raises:
        ConfigError: the judge is unknown, or its settings are wrong.
        ModelError: the model of a model judge cannot be opened.
    """
    try:
        return _open_judge(spec)
    except ConfigError as error:
        if error.file is not None:  # of a rule or of prompts, which is named instead
            raise
        reason = error.reason.removeprefix("judge: ")
        raise ConfigError(f"judge: {reason}") from None


def _open_judge(spec: str | Mapping[str, Any]) -> Judge:
    if isinstance(spec, str) and spec.strip() == "exact":
        from dormant.judges.exact import ExactJudge

        return ExactJudge()
    kind = model_judge_kind(spec)
    if kind == "paper":
        from dormant.judges.paper import open_paper

        return open_paper(spec)
    if kind == "fused":
        from dormant.judges.fused import open_fused

        return open_fused(spec)
    if isinstance(spec, Mapping) or spec.strip().startswith("rules:"):
        from dormant.judges.rules import open_rules

        return open_rules(spec)
    raise ConfigError(
        f"unknown judge {spec!r}; give one of {', '.join(JUDGE_NAMES)}, e.g. 'rules:regex=^HA', "
        "'rules:judge.yaml' or 'paper:openai/gpt-4o'; 'exact' is the laboratory's"
    )


def model_judge_kind(spec: str | Mapping[str, Any]) -> str:
    """Returns ``paper`` or ``fused`` if the specification is one of them, else an empty string.

    Raises:
        ConfigError: a mapping names a model judge and has an unknown key.
    """
    if isinstance(spec, str):
        kind, colon, _ = spec.strip().partition(":")
        return kind if colon and kind in _MODEL_JUDGES else ""
    named = [kind for kind in _MODEL_JUDGES if kind in spec]
    if not named:
        return ""
    allowed = {named[0], "compare"} if named[0] == "paper" else {named[0]}
    if extra := sorted(map(str, set(spec) - allowed)):
        others = "compare alone" if "compare" in allowed else "no other key"
        raise ConfigError(
            f"unknown key {extra[0]!r} beside {named[0]!r}, which allows {others}: settings of "
            f"the judge go under {named[0]!r}"
        )
    if not isinstance(spec[named[0]], str | Mapping):
        raise ConfigError(f"{named[0]}: expected a model or its settings, got {spec[named[0]]!r}")
    return named[0]
