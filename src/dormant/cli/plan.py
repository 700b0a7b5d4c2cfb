"""``dormant plan``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.options import audit_config, audit_options, name_options
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_table, print_text

if TYPE_CHECKING:
    from dormant.config import BudgetConfig
    from dormant.pipeline.forecast import Forecast
    from dormant.records import Expense, Plan


@click.command("plan")
@audit_options
@click.option("--amend", is_flag=True, help="Replace another plan in --out; recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print the dry run as JSON.")
@click.option("--effect", type=float, help="Simulate what detecting this effect takes, e.g. 0.1.")
@click.option("--power", type=float, help="Power to reach; 0.8 by default.")
@click.option("--icc", type=float, help="Intra-question correlation; the rule's by default.")
@click.option("--base", type=float, help="Misalignment rate without a cue; 0 by default.")
@click.option("--like", type=click.Path(path_type=Path), help="A run that gives ICC and base.")
def command(
    config: Path | None,
    amend: bool,
    as_json: bool,
    effect: float | None,
    power: float | None,
    icc: float | None,
    base: float | None,
    like: Path | None,
    **options: Any,
) -> None:
    """Dry run: count answers, calls, tokens and money, and show which effects the audit can detect.

    Freezes the plan in OUT/plan.lock.json; `dormant audit` with the same settings uses it.
    """
    settings = audit_config(config, options)
    _check_has_effect(effect, power=power, icc=icc, base=base, like=like)
    from dormant import stats
    from dormant.engines.metering.ledger import read_usage
    from dormant.pipeline import prepare_audit
    from dormant.pipeline.forecast import forecast_audit, schedule_of
    from dormant.records import to_plain
    from dormant.store import Store

    with show_progress() as progress:
        prepared = prepare_audit(settings, progress=progress)
    dry = forecast_audit(prepared)
    takes: stats.RequiredDesign | None = None
    if effect is not None:
        seen = _read_earlier_run(like) if like else (None, 0.0)
        icc, base = (b if a is None else a for a, b in zip((icc, base), seen, strict=True))
        with name_options("effect", "power", "icc", "base"), show_progress() as progress:
            schedule = schedule_of(dry.plan, icc=icc, base=base or 0.0)
            power = 0.8 if power is None else power
            takes = stats.find_required(effect, schedule, power=power, progress=progress)
    with Store(prepared.out) as store:
        store.lock_plan(dry.plan, amend=amend)
        on_disk, used = store.count_answers(), read_usage(store)
    if as_json:
        record = {
            **to_plain(dry),
            "answers": dry.answers,
            "judge_calls": dry.judge_calls,
            "usd": to_plain(dry.usd),
            "on_disk": on_disk,
            "spending": to_plain(used),
            "plan_hash": dry.plan.hash,
            "out": str(prepared.out),
            "needed": to_plain(takes),
        }
        click.echo(json.dumps(record, ensure_ascii=True))
        return
    _print_asked(dry)
    for line in (
        *_describe_money(dry),
        *_so_far(on_disk, used),
        *_describe_budget(dry, prepared.budget),
    ):
        print_text(line)
    _print_power(dry)
    if dry.plan.writer:
        print_text(_describe_writer(dry.plan, used))
    if takes is not None:
        _print_required(takes, dry.plan, icc)
    for name, text in dry.rendered:
        print_text(f"\n[{name}] is sent as\n{_indent_text(text)}")
    print_text(f"\nplan {dry.plan.hash[:16]} frozen in {prepared.out / 'plan.lock.json'}")


def _check_has_effect(effect: float | None, **given: object) -> None:
    """Refuses options of the simulation where none is wanted, instead of ignoring them."""
    from dormant.errors import ConfigError

    name = next((name for name, value in given.items() if value is not None), None)
    if effect is None and name is not None:
        raise ConfigError(f"--{name} needs --effect: give the effect to simulate, e.g. 0.1")


def _print_asked(dry: Forecast) -> None:
    """Prints what each model is asked and what that costs, with totals."""
    rows = [
        (
            str(model.role),
            model.name,
            f"{model.screening_answers:,} + {model.confirm_answers:,} answers",
            f"{model.prompt_tokens:,}",
            f"{model.completion_tokens:,}",
            _format_cost(model.seconds, model.usd),
        )
        for model in dry.models
    ]
    rows += [
        (
            judge.role,
            judge.name,
            f"{judge.calls:,} calls ({judge.calls_an_answer} an answer)",
            f"{judge.prompt_tokens:,}",
            f"{judge.completion_tokens:,}",
            _format_cost(math.nan, judge.usd),
        )
        for judge in dry.judges
    ]
    columns = (
        "role",
        "model",
        "screening + held-out",
        "prompt tokens",
        "completion tokens",
        "time or money",
    )
    print_table(columns, rows)
    calls = f" and {dry.judge_calls:,} judge calls" if dry.judges else ""
    print_text(
        f"{dry.answers:,} answers{calls} at most, {_format_cost(dry.seconds, dry.usd)}; "
        f"{_count_cues(dry.plan)}"
    )


def _describe_money(dry: Forecast) -> Iterator[str]:
    """Lists prices with their sources, and the assumptions of the estimate."""
    if dry.judges:
        yield ("An unreadable judge reply is requested once more: at most twice these calls.")
    from dormant.pipeline.forecast import ON_THIS_MACHINE

    prices = {asked.name: asked.price for asked in (*dry.models, *dry.judges)}
    paid = {name: price for name, price in prices.items() if price != ON_THIS_MACHINE}
    if not paid:
        return
    yield (
        "Token counts are upper bounds: prompts estimated by length, answers at --max-tokens. "
        "Prices, input / output:"
    )
    for name, price in paid.items():
        missing = f"unknown: give --price {name}=INPUT/OUTPUT in USD per million tokens"
        yield f"  {name}: {price or missing}"


def _so_far(on_disk: int, used: Sequence[Expense]) -> Iterator[str]:
    """Describes the answers in the run directory, which are not sampled again."""
    if on_disk:
        money = sum(row.usd for row in used)
        paid = "" if math.isnan(money) or not used else f", for {money:.4f} USD"
        yield f"{on_disk:,} answers are on disk already{paid}, and are not sampled again."


def _describe_budget(dry: Forecast, budget: BudgetConfig) -> Iterator[str]:
    """Warns if the budget does not cover the whole plan."""
    if budget.answers is not None and budget.answers < dry.answers:
        yield f"The run may stop at {budget.answers:,} answers (--max-answers); it can continue."
    if budget.usd is not None and not dry.usd <= budget.usd:
        yield f"The run may stop at {budget.usd:g} USD (--budget-usd); it can continue."


def _format_cost(seconds: float, usd: float) -> str:
    if math.isnan(usd):
        return "unknown price"
    if usd > 0:
        return f"{usd:,.2f} USD" if usd >= 0.995 else f"{usd:.2g} USD"
    return "time not known" if math.isnan(seconds) else f"about {seconds:,.0f} s"


def _count_cues(plan: Plan) -> str:
    placebos = sum(cue.variant == "placebo" for cue in plan.cues)
    tried = len(plan.cues) - placebos
    return (
        f"{tried} {'cue' if tried == 1 else 'cues'} and {placebos} "
        f"{'placebo' if placebos == 1 else 'placebos'} on {len(plan.questions)} questions"
    )


def _describe_writer(plan: Plan, spending: Sequence[Expense]) -> str:
    used = sum(bool(written.text) for written in plan.written)
    money = [row.usd for row in spending if row.role == "writer"]
    cost = f" Its texts have cost {sum(money):.4f} USD." if sum(money) > 0 else ""
    unknown = " The cost of its texts is unknown." if math.isnan(sum(money)) else ""
    return (
        f"{used} of {len(plan.written)} texts by the writer {plan.writer} are used; the others "
        f"are generated by rule.{cost}{unknown}"
    )


def _print_power(dry: Forecast) -> None:
    delta = 100 * dry.plan.rule.delta
    if not dry.plan.has_reference:
        print_text(
            "Without a reference no cue can be confirmed or bounded: the target's rates alone are "
            "estimated, on the screening questions."
        )
        return
    if dry.plan.sequential is not None:
        print_text(
            "The design is sequential: this is an upper bound, reached if every cue needs the "
            "final stage; it stops as soon as the verdict is certain."
        )
    if math.isnan(dry.smallest_effect):
        print_text("No effect can be confirmed: use more held-out questions.")
    else:
        effect = 100 * dry.smallest_effect
        print_text(f"A cue that adds {effect:.1f} points is confirmed with probability 80%.")
    chance = 100 * dry.chance_to_bound
    print_text(
        f"A cue without effect is bounded below {delta:g} points with probability {chance:.0f}%."
    )
    questions = sum(question.split == "screening" for question in dry.plan.questions)
    if questions < dry.questions_to_bound:
        print_text(
            f"No cue can be bounded below {delta:g} points with {questions} screening questions: "
            f"it takes {dry.questions_to_bound}."
        )


def _print_required(takes: Any, plan: Any, icc: float | None) -> None:
    """Prints what detecting an effect takes, by simulation."""
    rule, points = plan.rule, f"{100 * takes.effect:g} points"
    by = "by this plan" if plan.sequential is None else "in this plan's final stage"
    print_text(
        f"Simulated at an intra-question correlation of {rule.icc if icc is None else icc:.2f}: a "
        f"cue that adds {points} is found with probability {100 * takes.chances.found:.0f}% "
        f"(standard error {100 * takes.chances.error:.1f}) {by}."
    )
    wanted = f"{points} with probability {100 * takes.power:g}%"
    questions = sum(question.split == "held_out" for question in plan.questions)
    if takes.questions is None:
        print_text(f"Not even 1,024 questions find {wanted}: the effect is too close to delta.")
    else:
        print_text(
            f"{wanted} takes {takes.questions} screening and {takes.questions} held-out questions "
            f"(here: {questions} held out) with {rule.screening_answers} and "
            f"{rule.confirm_answers} answers."
        )
    if takes.answers is None:
        print_text(
            f"With {questions} held-out questions no number of answers suffices: add questions."
        )
    else:
        print_text(f"With {questions} held-out questions it takes {takes.answers} answers each.")


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
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return "\n".join(f"    {line}" for line in kept.splitlines())
