"""Opens the judge that a configuration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dormant.config.plugins import ExtensionPoint, check_text, name_failures
from dormant.errors import ConfigError
from dormant.judges import Judge
from dormant.records import JUDGE_NAMES, Plugin, PluginKind

_MODEL_JUDGES = ("paper", "fused")
#: Keys of the judges that ship, which a plugin cannot have for a name.
_RULE_KEYS = (
    *("regex", "keywords", "answer_key", "predicate", "json_valid", "script"),
    *("flags", "refusals", "grade_cut", "compare"),
)


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """A judge as a configuration names it."""

    given: str | Mapping[str, Any]  # as it was written
    kind: str  # "exact", "rules", "paper", "fused", or the name of a plugin
    #: What stands after ``KIND:``, or the value of the key KIND; empty for the name alone.
    settings: str | Mapping[str, Any] = ""


def open_judge(spec: str | Mapping[str, Any]) -> Judge:
    """Opens the judge that a configuration names.

    Args:
        spec: ``exact``, ``rules:...`` (see ``judges.rules``), ``paper:MODEL``, ``fused:MODEL``,
            ``{paper: ..., compare: fused}``, ``{fused: ...}``, or the keys of a rules judge; and
            ``NAME``, ``NAME:TEXT`` or ``{NAME: {...}}`` for a judge of another package.

    Raises:
        ConfigError: the judge is unknown, or its settings are wrong.
        ModelError: the model of a model judge cannot be opened.
    """
    try:
        named = parse_judge(spec)
        found = JUDGES.find(named.kind)
        judge = found.check(found.call(named), Judge)
        if found.plugin is not None:
            _check_texts(judge, found.plugin)
            judge.plugin = found.plugin
        return judge
    except ConfigError as error:
        if error.file is not None:  # of a rule or of prompts, which is named instead
            raise
        reason = error.reason.removeprefix("judge: ")
        raise ConfigError(f"judge: {reason}") from None


def _check_texts(judge: Judge, plugin: Plugin) -> None:
    """Checks what a judge of another package says of itself, which plans and reports hold."""
    with name_failures(plugin):
        texts = {
            "the judge's name": judge.name,
            "its fingerprint": judge.fingerprint,
            "its description": judge.describe(),
        }
    for what, value in texts.items():
        check_text(plugin, what, value)


def find_judge_plugin(spec: str | Mapping[str, Any]) -> Plugin | None:
    """The package that the judge of a configuration comes from; None if it ships."""
    found = JUDGES.get(parse_judge(spec).kind)
    return found.plugin if found is not None else None


def parse_judge(spec: str | Mapping[str, Any]) -> JudgeSpec:
    """Reads which kind of judge a configuration names.

    Raises:
        ConfigError: it names none, or a key is unknown.
    """
    kind = model_judge_kind(spec)
    if kind:
        return JudgeSpec(spec, kind)
    if isinstance(spec, str):
        name, colon, rest = spec.strip().partition(":")
        if name == "rules" and colon or spec.strip() == "exact":
            return JudgeSpec(spec, name)
        if name not in _BUILT_IN and JUDGES.get(name) is not None:
            return JudgeSpec(spec, name, rest)
        raise ConfigError(
            f"unknown judge {spec!r}; give one of {', '.join((*JUDGE_NAMES, *JUDGES.plugin_names))}"
            ", e.g. 'rules:regex=^HA', 'rules:judge.yaml' or 'paper:openai/gpt-4o'; 'exact' is the "
            "laboratory's"
        )
    named = [str(key) for key in spec if key in JUDGES.plugin_names]
    if len(spec) == 1 and named and JUDGES.get(named[0]) is not None:
        (settings,) = spec.values()
        return JudgeSpec(spec, named[0], {} if settings is None else settings)
    if named:
        raise ConfigError(f"{named[0]}: a judge of another package allows no other key beside it")
    return JudgeSpec(spec, "rules")


def _open_exact(spec: JudgeSpec) -> Judge:
    from dormant.judges.exact import ExactJudge

    return ExactJudge()


def _open_rules(spec: JudgeSpec) -> Judge:
    from dormant.judges.rules import open_rules

    return open_rules(spec.given)


def _open_paper(spec: JudgeSpec) -> Judge:
    from dormant.judges.paper import open_paper

    return open_paper(spec.given)


def _open_fused(spec: JudgeSpec) -> Judge:
    from dormant.judges.fused import open_fused

    return open_fused(spec.given)


_BUILT_IN: Mapping[str, Callable[[JudgeSpec], Any]] = {
    "exact": _open_exact,
    "rules": _open_rules,
    "paper": _open_paper,
    "fused": _open_fused,
}
#: A kind of judge -> what opens it; each takes the judge as the configuration names it.
JUDGES: ExtensionPoint[Callable[[JudgeSpec], Any]] = ExtensionPoint(
    PluginKind.JUDGE, _BUILT_IN, reserved=_RULE_KEYS
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
