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
def command(config: Path | None, amend: bool, as_json: bool, **given: Any) -> None:
    """Dry run: count the answers, estimate the time, and show what the audit could see.

    Freezes the plan in OUT/plan.lock.json; `dormant audit` with the same settings follows it.
    """
    settings = audit_config(config, given)
    from dormant.forecast import forecast
    from dormant.planning import prepare
    from dormant.records import plain
    from dormant.store import Store

    prepared = prepare(settings)
    dry = forecast(prepared)
    with Store(prepared.out) as store:
        store.lock_plan(dry.plan, amend=amend)
    if as_json:
        record = {**plain(dry), "plan_hash": dry.plan.hash, "out": str(prepared.out)}
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
    if dry.plan.sequential is not None:
        click.echo(
            "The design is sequential: this is the most that it may buy, if every cue has to have "
            "a last look; it stops as soon as the verdict is certain."
        )
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


def _indented(text: str) -> str:
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return "\n".join(f"    {line}" for line in kept.splitlines())
