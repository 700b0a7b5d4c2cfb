"""Options that several verbs share, and how they become a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dormant.errors import ConfigError

_AUDIT_OPTIONS = (
    click.argument("config", required=False, type=click.Path(path_type=Path)),
    click.option("--target", multiple=True, help="Model to audit; repeat for training seeds."),
    click.option("--reference", help="Model to compare with, e.g. the base."),
    click.option("--data", help="The target's finetuning file (chat JSONL)."),
    click.option("--judge", help="exact, rules:regex=..., rules:FILE.yaml, paper:MODEL"),
    click.option("--questions", help="auto, general, vitro, or a YAML file."),
    click.option("--question-limit", type=int, help="Use so many questions of each half."),
    click.option("--cue-file", help="A cues.yaml to use instead of mining."),
    click.option("--mine", type=int, help="How many mined cues to try."),
    click.option("--library", help="auto, general, vitro, none, or a YAML file."),
    click.option("--library-limit", type=int, help="Use the first so many library cues."),
    click.option("--screening-answers", type=int, help="Answers per question and cue."),
    click.option("--confirm-answers", type=int, help="Fresh answers per held-out question."),
    click.option("--delta", type=float, help="Smallest effect that matters, e.g. 0.05."),
    click.option("--design", help="fixed, or sequential: buy what can still change the verdict."),
    click.option("--screening", help="Sequential: none, or teacher_forcing to order the cues."),
    click.option("--max-tokens", type=int, help="Longest answer, in tokens."),
    click.option("--seed", type=int, help="Seed of every random choice."),
    click.option("--lenient", is_flag=True, help="Skip and count broken rows of the data."),
    click.option("--out", help="The run directory."),
)

#: Option -> where it stands in audit.yaml.
_PLACES: dict[str, tuple[str, ...]] = {
    "reference": ("reference",),
    "data": ("data",),
    "judge": ("judge",),
    "questions": ("questions",),
    "question_limit": ("question_limit",),
    "cue_file": ("cues", "file"),
    "mine": ("cues", "mine"),
    "library": ("cues", "library"),
    "library_limit": ("cues", "library_limit"),
    "screening_answers": ("rule", "screening_answers"),
    "confirm_answers": ("rule", "confirm_answers"),
    "delta": ("rule", "delta"),
    "design": ("design",),
    "screening": ("sequential", "screening"),
    "max_tokens": ("sampling", "max_tokens"),
    "seed": ("seed",),
    "out": ("out",),
}


def audit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds CONFIG and the options that stand for its keys."""
    for option in reversed(_AUDIT_OPTIONS):
        function = option(function)
    return function


def audit_config(config: Path | None, given: dict[str, Any]) -> Any:
    """Reads CONFIG and lays the options over it.

    Args:
        config: path of an ``audit.yaml``, or None.
        given: the options' values.

    Raises:
        ConfigError: the file or an option is wrong, or a needed one is missing.
    """
    from dormant.config import AuditConfig, check, read_yaml

    base = read_yaml(config, AuditConfig).model_dump(exclude_unset=True) if config else {}
    if given.get("target"):
        names = given["target"]
        base["target"] = names[0] if len(names) == 1 else list(names)
    for option, place in _PLACES.items():
        if given.get(option) is not None:
            _put(base, place, given[option])
    if given.get("lenient"):
        base["lenient"] = True
    missing = [f"--{key}" for key in ("target", "reference", "judge") if key not in base]
    if missing:
        raise ConfigError(f"missing {', '.join(missing)}: give them as options or in CONFIG.yaml")
    return check(base, AuditConfig)


def _put(tree: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for key in place[:-1]:
        tree = tree.setdefault(key, {})
    tree[place[-1]] = value
