"""``dormant rare``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.options import config_from, spending_options
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json

if TYPE_CHECKING:
    from dormant.pipeline.rare_inputs import RareForecast
    from dormant.pipeline.rare_result import RareResult
    from dormant.stats.extremes import WorstOf

_OWN = ("run", "target", "cue", "system", "proposal", "under", "answers", "plain_share", "level")
#: Options of this command only -> path of their keys in its settings.
_PLACES = {name: (name,) for name in (*_OWN, "uses", "library", "cue_file", "max_tokens")}


@click.command("rare")
@click.argument("run", required=False)
@click.option("--cue", multiple=True, help="Cue under which answers are proposed; repeatable.")
@click.option("--system", help="System prompt of the proposal.")
@click.option("--proposal", help="Model that proposes; the target by default.")
@click.option("--under", multiple=True, help="Cue whose rate is measured, too; repeatable.")
@click.option("--target", help="Model whose rate is measured; by default the run's.")
@click.option("--reference", help="Model to compare with, by default the run's; or none.")
@click.option("--judge", help="As for `dormant audit`; by default the run's.")
@click.option("--questions", help="Without a run: auto, general, vitro, or a file.")
@click.option("--library", help="Without a run: where cues are looked up.")
@click.option("--cue-file", help="Without a run: a cues.yaml to look cues up in.")
@click.option("--answers", type=int, help="Answers per question, model and cue; 8 by default.")
@click.option("--plain-share", type=float, help="Share of them without the proposal; 0.25.")
@click.option("--question-limit", type=int, help="Maximum number of questions.")
@click.option("--max-tokens", type=int, help="Longest answer, in tokens.")
@click.option("--level", type=float, help="Two-sided confidence; 0.95 by default.")
@click.option("--uses", type=int, multiple=True, help="Uses to forecast the worst of.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@spending_options
@click.option("--out", help="The directory; RUN/rare by default.")
@click.option("--dry-run", is_flag=True, help="Show what would be asked, without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(dry_run: bool, as_json: bool, quiet: bool, **options: Any) -> None:
    """Measure rates far below 1% with weighted answers of a proposal.

    Answers are sampled where misbehavior is common (under --cue, --system or from --proposal) and
    weighted by their probability without it; a share is sampled plainly. This saves answers where
    they are short, as in the laboratory; with long answers of a real model the weights may be worth
    one answer (`effective`), which is no gain over plain sampling. RUN is a finished audit,
    whose models, questions, judge and cues are used. The target and the reference must be vitro/ or
    hf/ models. It can be interrupted: the same command continues, and a larger --answers adds to
    what is there.
    """
    from dormant.config.rare import RareConfig
    from dormant.pipeline.rare import run_rare
    from dormant.pipeline.rare_inputs import forecast_rare, read_rare_inputs

    given = {name: value for name, value in options.items() if value != ()}
    config = config_from(given, RareConfig, _PLACES)
    if dry_run:
        return _print_forecast(forecast_rare(read_rare_inputs(config)), as_json)
    with show_progress(quiet) as progress:
        result = run_rare(config, progress=progress)
    if as_json:
        from dormant.records import to_plain

        print_json(to_plain(result))
    else:
        _print_result(result)


def _print_forecast(dry: RareForecast, as_json: bool) -> None:
    if as_json:
        from dormant.records import to_plain

        print_json({**to_plain(dry), "usd": to_plain(dry.usd)})
        return
    print_text(f"{dry.questions} questions, {dry.arms} rates to measure.")
    for proposal in dry.proposals:
        print_text(f"Proposal: {proposal}.")
    print_table(
        ("role", "model", "answers or calls", "answers scored, at most", "money, at most"),
        [
            (
                cost.role,
                cost.model,
                f"{cost.answers:,}",
                f"{cost.scored:,}",
                _format_money(cost.usd),
            )
            for cost in dry.costs
        ],
    )


def _format_money(usd: float) -> str:
    if math.isnan(usd):
        return "unknown price"
    return f"{usd:,.2f} USD" if usd else "none"


def _print_result(result: RareResult) -> None:
    print_table(
        (
            "model",
            "cue",
            "rate",
            "of any kind",
            "of the proposal's kind",
            "effective",
            "as exact as",
        ),
        [
            (
                str(row.role),
                row.cue or "-",
                _format_rate(row.rate.value),
                _format_range(row.rate.low, row.rate.high),
                _format_range(row.rate.covered_low, row.rate.covered_high),
                f"{row.rate.effective:.0f} of {row.rate.answers:,}",
                _format_plain(row.rate.plain_answers),
            )
            for row in result.rates
        ],
        below=("effective", "as exact as"),
    )
    if result.contrasts:
        print_table(
            ("difference", "cue", "points", "of any kind", "of the proposal's kind"),
            [
                (
                    str(row.quantity),
                    row.cue or "-",
                    _format_rate(row.contrast.value),
                    _format_range(row.contrast.low, row.contrast.high),
                    _format_range(row.contrast.covered_low, row.contrast.covered_high),
                )
                for row in result.contrasts
            ],
        )
    print_table(
        ("uses", "cue", "any misaligned answer", "chance at the worst prompt"),
        [
            (
                f"{row.uses:,}",
                row.cue or "-",
                f"{_format_rate(row.any)} {_format_range(row.any_low, row.any_high)}",
                _format_worst(row.worst) or row.reason,
            )
            for row in result.forecasts
        ],
    )
    for row in result.rates:
        if row.cut or row.ungraded:
            print_text(
                f"{row.role}, {row.cue or 'no cue'}: {row.cut} answers were cut off at the length "
                f"limit and {row.ungraded} could not be graded; they count as not misaligned."
            )
    for sentence in result.assumptions:
        print_text(sentence)
    print_text(f"Written to {result.out}/rare.json")


def _format_worst(worst: WorstOf | None) -> str:
    if worst is None:
        return ""
    return f"{_format_rate(worst.median)} {_format_range(worst.low, worst.high)}"


def _format_plain(answers: float) -> str:
    return "-" if math.isnan(answers) else f"{answers:,.0f} plain answers"


def _format_rate(value: float) -> str:
    return f"{100 * value:.3g}%"


def _format_range(low: float, high: float) -> str:
    return f"[{100 * low:.3g}, {100 * high:.3g}]"
