"""``dormant plan``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.options import audit_config, audit_options, name_options
from dormant.cli.plan_text import print_forecast, print_preview, print_required
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_text
from dormant.cli.terminal import print_json

if TYPE_CHECKING:
    from dormant.pipeline import PreparedAudit
    from dormant.pipeline.plan import Sketch
    from dormant.records import Expense, Plan


@click.command("plan")
@audit_options
@click.option("--freeze", is_flag=True, help="Write the plan to OUT/plan.lock.json.")
@click.option("--amend", is_flag=True, help="With --freeze: replace another plan; recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print the dry run as JSON.")
@click.option("--effect", type=float, help="Simulate what detecting this effect takes, e.g. 0.1.")
@click.option("--power", type=float, help="Power to reach; 0.8 by default.")
@click.option("--icc", type=float, help="Intra-question correlation; the rule's by default.")
@click.option("--base", type=float, help="Misalignment rate without a cue; 0 by default.")
@click.option("--like", type=click.Path(path_type=Path), help="A run that gives ICC and base.")
def command(
    config: Path | None,
    freeze: bool,
    amend: bool,
    as_json: bool,
    effect: float | None,
    power: float | None,
    icc: float | None,
    base: float | None,
    like: Path | None,
    **options: Any,
) -> None:
    """Dry run: what an audit is expected to cost, and at most, and which effects it can detect.

    Needs no key, and writes nothing without --freeze; `dormant audit` with the same settings makes
    the same plan. With --budget-usd or --budget-time it says what to change to stay below.
    """
    settings = audit_config(config, options)
    _check_has_effect(effect, power=power, icc=icc, base=base, like=like)
    from dormant import stats
    from dormant.config import name_keys
    from dormant.errors import ConfigError
    from dormant.pipeline import prepare_audit
    from dormant.pipeline.cheaper import CONSENT, Limits, suggest_cheaper
    from dormant.pipeline.forecast import forecast_audit, schedule_of
    from dormant.records import to_plain

    if amend and not freeze:
        raise ConfigError("--amend replaces a frozen plan: add --freeze")
    with name_keys(config, settings), show_progress() as progress:
        prepared = prepare_audit(
            settings,
            progress=progress,
            needs_keys=False,
            amend=amend,
            preview=_show_preview,
        )
    if freeze and prepared.writer_problem:
        raise ConfigError(f"--freeze: the plan needs the writer: {prepared.writer_problem}")
    dry = forecast_audit(prepared)
    takes: stats.RequiredDesign | None = None
    if effect is not None:
        seen = _read_earlier_run(like) if like else (None, 0.0)
        icc, base = (b if a is None else a for a, b in zip((icc, base), seen, strict=True))
        with name_options("effect", "power", "icc", "base"), show_progress() as progress:
            schedule = schedule_of(dry.plan, icc=icc, base=base or 0.0)
            power = 0.8 if power is None else power
            takes = stats.find_required(effect, schedule, power=power, progress=progress)
    directory = _read_directory(prepared, freeze=freeze, amend=amend)
    limits = Limits.of_budget(prepared.budget)
    limits = CONSENT if limits == Limits() else limits
    is_within = all(limits.allows(cost.usd, cost.seconds) for cost in dry.expected)
    cheaper = None if is_within else suggest_cheaper(prepared, dry.speeds, limits)
    if as_json:
        record = {
            **to_plain(dry),
            "answers": dry.answers,
            "judge_calls": dry.judge_calls,
            "usd": to_plain(dry.usd),
            "on_disk": directory.answers,
            "spending": to_plain(directory.spent),
            "plan_hash": dry.plan.hash,
            "out": str(prepared.out),
            "frozen": directory.is_frozen,
            "needed": to_plain(takes),
            "cheaper": to_plain(cheaper),
        }
        print_json(record)
        return
    print_forecast(dry, prepared, directory.answers, directory.spent, limits, cheaper)
    if takes is not None:
        print_required(takes, dry.plan, icc)
    for name, text in dry.rendered:
        print_text(f"\n[{name}] is sent as\n{_indent_text(text)}")
    print_text(f"\n{_describe_lock(dry.plan, prepared.out, directory)}")


def _check_has_effect(effect: float | None, **given: object) -> None:
    """Refuses options of the simulation where none is wanted, instead of ignoring them."""
    from dormant.errors import ConfigError

    name = next((name for name, value in given.items() if value is not None), None)
    if effect is None and name is not None:
        raise ConfigError(f"--{name} needs --effect: give the effect to simulate, e.g. 0.1")


def _show_preview(sketch: Sketch) -> None:
    """Prints a first estimate where loading the models takes long."""
    from dormant.pipeline.preview import is_slow_to_load, preview_cost

    if is_slow_to_load(sketch):
        print_preview(preview_cost(sketch))


@dataclass(frozen=True)
class _RunContents:
    """What the run directory holds."""

    answers: int = 0
    spent: tuple[Expense, ...] = ()
    is_frozen: bool = False  # under this plan
    difference: str = ""  # of another plan that is frozen there


def _read_directory(prepared: PreparedAudit, *, freeze: bool, amend: bool) -> _RunContents:
    """Reads the run directory, if there is one, and freezes the plan there if asked to."""
    from dormant.engines.metering.ledger import read_usage
    from dormant.records import describe_changes, to_plain
    from dormant.store import Store
    from dormant.store.amendments import list_changes
    from dormant.store.files import read_lock

    out, plan = prepared.out, prepared.plan
    answers, spent = 0, ()
    if freeze or (out / "run.sqlite").is_file():
        with Store(out, is_read=not freeze) as store:
            if freeze:
                store.lock_plan(plan, settings=prepared.settings, amend=amend)
            answers, spent = store.count_answers(), read_usage(store)
    lock = read_lock(out / "plan.lock.json") if out.is_dir() else None
    if lock is None or lock["hash"] == plan.hash:
        return _RunContents(answers, spent, lock is not None)
    changes = describe_changes(list_changes(lock["plan"], to_plain(plan)))
    return _RunContents(answers, spent, False, f"changed: {changes}")


def _describe_lock(plan: Plan, out: Path, directory: _RunContents) -> str:
    head = f"plan {plan.hash[:16]}"
    if directory.is_frozen:
        return f"{head} is frozen in {out / 'plan.lock.json'}"
    if directory.difference:
        return (
            f"{head}: {out} holds another plan ({directory.difference}); an audit needs another "
            "--out, or --amend to continue there"
        )
    return f"{head}: nothing was written; --freeze writes {out / 'plan.lock.json'}"


def _read_earlier_run(run: Path) -> tuple[float | None, float]:
    """Returns intra-question correlation and base rate of the target in an earlier run."""
    from dormant.errors import ConfigError
    from dormant.pipeline.recompute import load_run
    from dormant.records import Quantity, Role
    from dormant.stats import analyze_cells

    found = analyze_cells(load_run(run).cells)
    icc = found.correlations[Role.TARGET]
    if math.isnan(icc.value):
        raise ConfigError(f"--like {run}: its correlation is unknown: {icc.reason}")
    standard = next(
        e for e in found.estimates
        if (e.quantity, e.role, e.cue) == (Quantity.RATE, Role.TARGET, None)
    )  # fmt: skip
    print_text(
        f"{run}: correlation {icc.value:.2f} [{icc.low:.2f}, {icc.high:.2f}], base rate "
        f"{100 * standard.value:.1f}%",
        err=True,
    )
    return max(icc.value, 0.0), 0.0 if math.isnan(standard.value) else standard.value


def _indent_text(text: str) -> str:
    printable = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return "\n".join(f"    {line}" for line in printable.splitlines())
