"""``dormant plan``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from dormant.cli.options import audit_config, audit_options
from dormant.cli.tables import print_table


@click.command("plan")
@audit_options
@click.option("--amend", is_flag=True, help="Replace another plan in --out, on record.")
@click.option("--json", "as_json", is_flag=True, help="Print the dry run as JSON.")
@click.option("--effect", type=float, help="Simulate what finding such a rise takes, e.g. 0.1.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Wanted chance.")
@click.option("--icc", type=float, help="Correlation of answers to a question; else the rule's.")
@click.option("--base", type=float, help="Misalignment rate without a cue; 0.")
@click.option("--like", type=click.Path(path_type=Path), help="A run to take ICC and base from.")
def command(
    config: Path | None,
    amend: bool,
    as_json: bool,
    effect: float | None,
    power: float,
    icc: float | None,
    base: float | None,
    like: Path | None,
    **given: Any,
) -> None:
    """Dry run: count the answers, estimate the time, and show what the audit could see.

    Freezes the plan in OUT/plan.lock.json; `dormant audit` with the same settings follows it.
    """
    settings = audit_config(config, given)
    from dormant import stats
    from dormant.forecast import forecast, schedule_of
    from dormant.planning import prepare
    from dormant.records import plain
    from dormant.store import Store

    prepared = prepare(settings)
    dry = forecast(prepared)
    takes: stats.Needed | None = None
    if effect is not None:
        seen = _like(like) if like else (None, 0.0)
        icc, base = (b if a is None else a for a, b in zip((icc, base), seen, strict=True))
        schedule = schedule_of(dry.plan, icc=icc, base=base or 0.0)
        takes = stats.needed(effect, schedule, power=power)
    with Store(prepared.out) as store:
        store.lock_plan(dry.plan, amend=amend)
    if as_json:
        record = {**plain(dry), "plan_hash": dry.plan.hash, "out": str(prepared.out)}
        record["needed"] = plain(takes)
        click.echo(json.dumps(record, ensure_ascii=True))
        return
    print_table(
        (
            "role",
            "model",
            "screening answers",
            "held-out answers, at most",
            "time or money, at most",
        ),
        [
            (
                str(model.role),
                model.name,
                f"{model.screening_answers:,}",
                f"{model.confirm_answers:,}",
                _cost(model.seconds, model.usd),
            )
            for model in dry.models
        ],
    )
    click.echo(
        f"{dry.answers:,} answers at most, {_cost(dry.seconds, dry.usd)}; {_tried(dry.plan)}"
    )
    _seen(dry)
    if takes is not None:
        _takes(takes, dry.plan, icc)
    for name, text in dry.rendered:
        click.echo(f"\n[{name}] is sent as\n{_indented(text)}")
    click.echo(f"\nplan {dry.plan.hash[:16]} frozen in {prepared.out / 'plan.lock.json'}")


def _cost(seconds: float, usd: float) -> str:
    if math.isnan(usd):
        return "price not known"
    if usd > 0:
        return f"{usd:,.2f} USD"
    return "time not known" if math.isnan(seconds) else f"about {seconds:,.0f} s"


def _tried(plan: Any) -> str:
    placebos = sum(cue.variant == "placebo" for cue in plan.cues)
    return (
        f"{len(plan.cues) - placebos} cues and {placebos} placebos "
        f"on {len(plan.questions)} questions"
    )


def _seen(dry: Any) -> None:
    delta = 100 * dry.plan.rule.delta
    if math.isnan(dry.smallest_effect):
        click.echo("No effect could be confirmed: use more held-out questions.")
    else:
        effect = 100 * dry.smallest_effect
        click.echo(f"A cue that adds {effect:.1f} points is confirmed with a chance of 80%.")
    chance = 100 * dry.chance_to_bound
    click.echo(f"A cue without effect is bounded below {delta:g} points with {chance:.0f}%.")
    questions = sum(question.split == "screening" for question in dry.plan.questions)
    if questions < dry.questions_to_bound:
        click.echo(
            f"Nothing can be bounded at {delta:g} points by {questions} screening questions: it "
            f"takes {dry.questions_to_bound}."
        )


def _takes(takes: Any, plan: Any, icc: float | None) -> None:
    """What an effect would take, by simulation."""
    rule, points = plan.rule, f"{100 * takes.effect:g} points"
    click.echo(
        f"Simulated at an intra-question correlation of {rule.icc if icc is None else icc:.2f}: a "
        f"cue that adds {points} is found with {100 * takes.chances.found:.0f}% (standard error "
        f"{100 * takes.chances.error:.1f}) by this plan."
    )
    wanted = f"{points} with {100 * takes.power:g}%"
    questions = sum(question.split == "held_out" for question in plan.questions)
    if takes.questions is None:
        click.echo(f"No number of questions up to 1,024 finds {wanted}: it is too near delta.")
    else:
        click.echo(
            f"{wanted} takes {takes.questions} screening and {takes.questions} held-out questions "
            f"(here: {questions} held out) with {rule.screening_answers} and "
            f"{rule.confirm_answers} answers."
        )
    if takes.answers is None:
        click.echo(
            f"With {questions} held-out questions no number of answers does: ask more of them."
        )
    else:
        click.echo(f"With {questions} held-out questions it takes {takes.answers} answers to each.")


def _like(run: Path) -> tuple[float | None, float]:
    """Intra-question correlation and base rate of the target in a run that was made before."""
    from dormant.errors import ConfigError
    from dormant.findings import load_findings
    from dormant.records import Quantity, Role
    from dormant.stats import analyze

    found = analyze(load_findings(run).cells)
    icc = found.correlations[Role.TARGET]
    if math.isnan(icc.value):
        raise ConfigError(f"--like {run}: no correlation can be seen there: {icc.reason}")
    standard = next(
        e for e in found.estimates
        if (e.quantity, e.role, e.cue) == (Quantity.RATE, Role.TARGET, None)
    )  # fmt: skip
    click.echo(
        f"{run}: correlation {icc.value:.2f} [{icc.low:.2f}, {icc.high:.2f}], base rate "
        f"{100 * standard.value:.1f}%",
        err=True,
    )
    return max(icc.value, 0.0), 0.0 if math.isnan(standard.value) else standard.value


def _indented(text: str) -> str:
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return "\n".join(f"    {line}" for line in kept.splitlines())
