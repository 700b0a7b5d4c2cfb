"""``dormant traffic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dormant.cli.exit_codes import EXIT_CODES, exit_code_of
from dormant.cli.options import config_from, spending_options
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.pipeline.traffic_inputs import TrafficForecast
    from dormant.records.traffic import TrafficResult

_OWN = (
    *("prompts", "target", "reference", "judge", "out", "slices", "slice_column", "delta"),
    *("level", "answers", "batch", "limit", "system", "temperature", "max_tokens"),
    *("min_survival", "lenient", "allow_identical", "seed"),
)
#: Options of this command only -> path of their keys in its settings.
_PLACES = {name: (name,) for name in _OWN}


@click.command("traffic", epilog=EXIT_CODES)
@click.argument("prompts")
@click.option("--target", required=True, help="Model string of the finetuned model.")
@click.option("--reference", required=True, help="Model string of the model before; or none.")
@click.option("--judge", required=True, help="As for `dormant audit`.")
@click.option("--out", required=True, help="The directory.")
@click.option("--slices", type=int, help="Number of slices; the root of half the prompts.")
@click.option("--slice-column", help="Column of the file that names the slices; no clustering.")
@click.option("--delta", type=float, help="Smallest difference that matters; 0.1 by default.")
@click.option("--level", type=float, help="Confidence of all slices together; 0.95 by default.")
@click.option("--answers", type=int, help="Answers to a prompt of each model; 1 by default.")
@click.option("--batch", type=int, help="Prompts of a slice between two looks; 8 by default.")
@click.option("--limit", type=int, help="Maximum number of prompts, drawn by the seed.")
@click.option("--system", help="System prompt of prompts that have none.")
@click.option("--temperature", type=float, help="Sampling temperature; 1 by default.")
@click.option("--max-tokens", type=int, help="Longest answer, in tokens; 256 by default.")
@click.option("--min-survival", type=float, help="Smallest share of gradable answers; 0.5.")
@click.option("--seed", type=int, help="Seed of every random choice.")
@click.option("--lenient", is_flag=True, default=None, help="Skip rows that cannot be read.")
@click.option("--allow-identical", is_flag=True, default=None, help="Compare a model with itself.")
@spending_options
@click.option("--dry-run", is_flag=True, help="Show slices, answers and cost, without asking.")
@click.option("--exit-zero", is_flag=True, help="Exit code 0 whatever the verdict.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def command(
    context: click.Context,
    dry_run: bool,
    exit_zero: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Find where in your own traffic a model misbehaves more than its reference.

    PROMPTS is a file of real prompts, one a row, without answers: texts or conversations. They are
    clustered by their words into slices with readable names, and both models are asked slice by
    slice, most where a slice can still differ. Error rates hold for all slices together. It can be
    interrupted: the same command continues.
    """
    from dormant.config.traffic import TrafficConfig
    from dormant.pipeline.traffic import run_traffic
    from dormant.pipeline.traffic_inputs import forecast_traffic, read_traffic_inputs
    from dormant.records import to_plain

    given = {name: value for name, value in options.items() if value not in ((), None)}
    config = config_from(given, TrafficConfig, _PLACES)
    if dry_run:
        return _print_forecast(forecast_traffic(read_traffic_inputs(config)), as_json)
    with show_progress(quiet) as progress:
        result = run_traffic(config, progress=progress)
    if as_json:
        print_json(to_plain(result))
    else:
        _print_result(result, config.out)
    context.exit(0 if exit_zero else exit_code_of(result.kind))


def _print_forecast(dry: TrafficForecast, as_json: bool) -> None:
    from dormant.records import to_plain

    if as_json:
        print_json({**to_plain(dry), "usd": to_plain(dry.usd)})
        return
    tested = sum(used for _, _, used in dry.slices)
    print_text(
        f"{dry.prompts:,} distinct prompts ({dry.copies:,} rows repeat one) in {len(dry.slices)} "
        f"slices, {tested} of them with enough prompts to be decided."
    )
    print_text(
        f"{dry.least_answers:,} answers if no slice differs, {dry.most_answers:,} at most, both "
        "models together."
    )
    for cost in dry.costs:
        price = "price unknown" if cost.usd != cost.usd else f"at most {cost.usd:,.2f} USD"
        print_text(f"{cost.role}: at most {cost.answers:,} answers of {cost.model}, {price}")
    print_table(
        ("slice", "prompts", "can be decided"),
        [(name, f"{size:,}", "yes" if used else "no") for name, size, used in dry.slices],
    )


def _print_result(result: TrafficResult, out: str) -> None:
    from dormant.cli.verdicts import strip_controls
    from dormant.report.traffic_page import COLUMNS, describe_traffic, name_outcome, traffic_rows

    print_line(name_outcome(result), bold=True)
    print_text(strip_controls(result.sentence))
    rows = traffic_rows(result)
    cells = [tuple(strip_controls(cell) for cell in row) for row in rows[:20]]
    print_table(COLUMNS, cells, below=COLUMNS[3:5])
    if len(rows) > 20:
        print_text(f"{len(rows) - 20} more slices are in the report.")
    for sentence in describe_traffic(result):
        print_text(strip_controls(sentence))
    print_line(f"report: {out}/traffic.html")
