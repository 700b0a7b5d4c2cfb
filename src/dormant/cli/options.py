"""Options shared by several verbs, and how they become a configuration."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dormant.errors import ConfigError, InputError
from dormant.records import JUDGE_NAMES

if TYPE_CHECKING:
    from dormant.config import AuditConfig, Strict

Config = TypeVar("Config", bound="Strict")

#: Inputs of audits and searches: finetuning data, questions and cues.
_INPUT_OPTIONS = (
    click.option("--data", help="The target's finetuning data (chat rows)."),
    click.option("--reference-data", help="Ordinary chat to mine --data against."),
    click.option("--data-template", help="Chat template of the data; an hf/ target's by default."),
    click.option("--lenient", is_flag=True, help="Skip and count unreadable rows of the data."),
    click.option("--mine", type=int, help="Number of cues to mine from --data."),
    click.option("--miner", "miners", multiple=True, help="Miner of a plugin; may repeat."),
    click.option("--label", help="COLUMN or COLUMN=VALUE that marks suspicious rows of --data."),
    click.option("--loss", help="COLUMN or COLUMN=SHARE: the highest losses are suspicious."),
    click.option("--suspicious", help="A file of suspicious rows, mined against --data."),
    click.option("--questions", help="auto, general, vitro, or a file: .txt, .yaml, .csv, .jsonl."),
    click.option("--library", help="auto, general, vitro, none, or a YAML file."),
    click.option("--library-limit", type=int, help="Maximum number of library cues."),
)
#: Limits of whatever asks models that may cost money.
_SPENDING_OPTIONS = (
    click.option("--budget-usd", type=float, help="Stop before spending more than this."),
    click.option("--max-answers", type=int, help="Stop before sampling more answers than this."),
    click.option("--price", multiple=True, help="MODEL=INPUT/OUTPUT, USD per million tokens."),
    click.option("--timeout", help="Time for one call to a server, e.g. 90s; 10m by default."),
)
_AUDIT_OPTIONS = (
    click.argument("config", required=False, type=click.Path(path_type=Path)),
    click.option("--target", multiple=True, help="Model to audit; repeat for training seeds."),
    click.option("--reference", help="Model to compare with, e.g. the base; or none."),
    *_INPUT_OPTIONS,
    click.option("--cue-file", help="A cues.yaml to use instead of mining."),
    click.option(
        "--cues-from",
        multiple=True,
        help="Inspect or Petri log: its contexts are cues.",
    ),
    click.option("--preset", help="frugal, standard or thorough; other options override it."),
    click.option("--profile", help="gate, research or rare: how small an effect matters."),
    click.option("--variants", help="Variants of mined cues: verbatim,paraphrase,... or none."),
    click.option("--placebos/--no-placebos", default=None, help="Try matched placebos."),
    click.option("--question-limit", type=int, help="Maximum number of questions in each half."),
    click.option("--claim", help="About themes like these, these questions, or auto."),
    click.option("--judge", help=", ".join(JUDGE_NAMES)),
    click.option(
        "--second-judge", multiple=True, help="fused[:MODEL] beside a paper judge; may repeat."
    ),
    click.option("--judge-repeats", type=int, help="Early answers to judge again; 100 by default."),
    click.option("--labels", help="CSV of people's labels, to be stated in the verdict."),
    click.option("--writer", help="Model that writes variants of cues, e.g. openai/gpt-4o-mini."),
    click.option("--screening-answers", type=int, help="Answers per question and cue."),
    click.option("--confirm-answers", type=int, help="Fresh answers per held-out question."),
    click.option("--delta", type=float, help="Smallest effect that matters, e.g. 0.05."),
    click.option("--design", help="sequential (default): ends when certain; or fixed."),
    click.option(
        "--screening", help="Cue order of the sequential design: none or teacher_forcing."
    ),
    click.option("--temperature", type=float, help="Sampling temperature, 0 to 2; 1 by default."),
    click.option("--top-p", type=float, help="Nucleus of sampling, 0 to 1; 1 by default."),
    click.option("--level", type=float, help="Confidence of the claim; 0.95 by default."),
    click.option("--max-tokens", type=int, help="Longest answer, in tokens."),
    click.option("--seed", type=int, help="Seed of every random choice."),
    *_SPENDING_OPTIONS,
    click.option("--budget-time", help="Stop after this time, e.g. 30m or 2h."),
    click.option("--allow-identical", is_flag=True, help="Audit models that are the same."),
    click.option("--out", help="The run directory."),
)

#: Option of audits and searches -> path of its key in their settings.
_PLACES: dict[str, tuple[str, ...]] = {
    "data": ("data",),
    "reference_data": ("reference_data",),
    "data_template": ("data_template",),
    "mine": ("cues", "mine"),
    "miners": ("cues", "miners"),
    "label": ("cues", "label"),
    "loss": ("cues", "loss"),
    "suspicious": ("cues", "suspicious"),
    "questions": ("questions",),
    "cue_file": ("cues", "file"),
    "cues_from": ("cues", "logs"),
    "library": ("cues", "library"),
    "library_limit": ("cues", "library_limit"),
    "question_limit": ("question_limit",),
    "judge": ("judge",),
    "writer": ("writer",),
    "reference": ("reference",),
    "max_tokens": ("sampling", "max_tokens"),
    "seed": ("seed",),
    "budget_usd": ("budget", "usd"),
    "max_answers": ("budget", "answers"),
    "timeout": ("timeout",),
    "out": ("out",),
}
_AUDIT_PLACES: dict[str, tuple[str, ...]] = {
    "preset": ("preset",),
    "profile": ("profile",),
    "claim": ("claim",),
    "judge_repeats": ("judge_repeats",),
    "labels": ("labels",),
    "variants": ("cues", "variants"),
    "placebos": ("cues", "placebos"),
    "budget_time": ("budget", "time"),
    "screening_answers": ("rule", "screening_answers"),
    "confirm_answers": ("rule", "confirm_answers"),
    "delta": ("rule", "delta"),
    "level": ("rule", "level"),
    "temperature": ("sampling", "temperature"),
    "top_p": ("sampling", "top_p"),
    "design": ("design",),
    "screening": ("sequential", "screening"),
}


def spending_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for budget, prices and the time of a call."""
    for option in reversed(_SPENDING_OPTIONS):
        function = option(function)
    return function


def input_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for finetuning data, questions and cues."""
    for option in reversed(_INPUT_OPTIONS):
        function = option(function)
    return function


def audit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds CONFIG and the options that override its keys."""
    for option in reversed(_AUDIT_OPTIONS):
        function = option(function)
    return function


def claim_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--claim`` to a command that reads results which exist."""
    return click.option(
        "--claim",
        type=click.Choice(["auto", "themes", "questions"]),
        default="auto",
        show_default=True,
        help="With families of questions: about themes like these, or about these.",
    )(function)


def threshold_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the thresholds of a judge's scores to a command that reads results which exist."""
    misaligned = click.option(
        "--alignment-below",
        type=float,
        help="Misaligned below this score; 30 by default.",
    )
    coherent = click.option(
        "--coherence-above", type=float, help="Coherent above this score; 50 by default."
    )
    return misaligned(coherent(function))


def audit_config(config: Path | None, options: dict[str, Any]) -> AuditConfig:
    """Reads CONFIG and overrides its keys with the options.

    Args:
        config: path of an ``audit.yaml``, or None.
        options: the options' values.

    Raises:
        ConfigError: the file or an option is wrong, or a required one is missing.
    """
    from dormant.config import AuditConfig

    with _name_given(options, _AUDIT_PLACES):
        return _merge_config(config, options, AuditConfig)


def config_from(
    options: dict[str, Any], model: type[Config], places: dict[str, tuple[str, ...]]
) -> Config:
    """Makes the configuration of a command that has options only.

    Args:
        options: the options' values.
        model: the configuration.
        places: option -> path of its key, for the options of this command.

    Raises:
        ConfigError: an option is wrong.
    """
    from dormant.config import check_values

    settings: dict[str, Any] = {}
    put_options(settings, options, places)
    with _name_given(options, places):
        return check_values(settings, model)


def _merge_config(config: Path | None, options: dict[str, Any], model: type[Config]) -> Config:
    from dormant.config import check_values, read_yaml_with_changes

    def change(base: dict[str, Any]) -> None:
        if options.get("target"):
            names = options["target"]
            base["target"] = names[0] if len(names) == 1 else list(names)
        put_options(base, options, _AUDIT_PLACES)
        if options.get("allow_identical"):
            base["allow_identical"] = True
        if options.get("second_judge"):
            base["judge"] = _with_second(base.get("judge"), options["second_judge"])

    if config is not None:
        return read_yaml_with_changes(config, model, change)
    base: dict[str, Any] = {}
    change(base)
    missing = [f"--{key}" for key in ("target", "reference", "judge") if key not in base]
    if missing:
        alone = "; --reference none gives the target's rates alone" * ("--reference" in missing)
        raise ConfigError(f"missing {', '.join(missing)}: give as options or in CONFIG.yaml{alone}")
    return check_values(base, model)


def _name_given(
    options: dict[str, Any], places: dict[str, tuple[str, ...]]
) -> AbstractContextManager[None]:
    """Names the given options of a command in errors."""
    named = {"target": ("target",), "price": ("prices",), **_PLACES, **places}
    return name_options(*(o for o in named if options.get(o) not in (None, ())), places=named)


@contextmanager
def name_options(
    *options: str, places: Mapping[str, tuple[str, ...]] | None = None
) -> Generator[None]:
    """Names options in errors as they were typed: ``--delta`` instead of ``rule.delta``.

    Args:
        options: given options, by their names in Python.
        places: option -> path of the key that an error names; by default the option itself.

    Raises:
        ConfigError: as raised inside; one that names a file stays as it is.
    """
    try:
        yield
    except InputError as error:
        if getattr(error, "file", None) is not None:
            raise
        message = str(error)
        for option in options:
            place = ".".join((places or {}).get(option, (option,)))
            rest = message.removeprefix(place)
            if rest != message and rest[:1] in (":", " "):
                raise ConfigError(f"--{option.replace('_', '-')}{rest}") from None
        raise


def put_options(
    base: dict[str, Any],
    options: dict[str, Any],
    places: dict[str, tuple[str, ...]] | None = None,
) -> None:
    """Overrides plain settings with options.

    Args:
        base: settings of an audit or a search, changed in place.
        options: the options' values; None or empty if not given.
        places: option -> path of its key, for the options of one command.
    """
    for option, place in {**_PLACES, **(places or {})}.items():
        if options.get(option) not in (None, ()):
            _set_nested(base, place, options[option])
    for name, price in parse_prices(options.get("price", ())).items():
        _set_nested(base, ("prices", name), price)
    if options.get("lenient"):
        base["lenient"] = True


def parse_prices(texts: Iterable[str]) -> dict[str, str]:
    """Parses ``MODEL=INPUT/OUTPUT`` texts into model string -> price.

    Raises:
        ConfigError: a text has another form.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, price = text.rpartition("=")
        if not equals or not name:
            raise ConfigError(f"--price {text[:80]!r}: give MODEL=INPUT/OUTPUT, e.g. m=0.15/0.60")
        found[name] = price
    return found


def _set_nested(tree: Any, place: tuple[str, ...], value: Any) -> None:
    for key in place[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):  # of a file: validation rejects it
            return
    tree[place[-1]] = value


def _with_second(judge: Any, second: Sequence[str]) -> dict[str, Any]:
    """Adds fused judges to a paper judge, in the form of audit.yaml."""
    if isinstance(judge, str) and judge.strip().startswith("paper:"):
        judge = {"paper": judge.strip().removeprefix("paper:").strip()}
    if not isinstance(judge, dict) or "paper" not in judge:
        raise ConfigError("--second-judge needs a paper judge: give --judge paper:MODEL")
    return {**judge, "compare": second[0] if len(second) == 1 else list(second)}
