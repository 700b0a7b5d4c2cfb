"""``dormant forced``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.options import config_from, spending_options
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json

if TYPE_CHECKING:
    from dormant.pipeline.forced_inputs import ForcedForecast
    from dormant.records.forced import ForcedView

_OWN = ("run", "judge", "continuations", "question_limit", "cue", "tokens", "answers")
#: Options of this command only -> path of their keys in its settings.
_PLACES = {name: (name,) for name in _OWN}


@click.command("forced")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--continuations", help="auto, general, vitro, or a YAML file of given answers.")
@click.option("--question-limit", type=int, help="Maximum number of questions; 24 by default.")
@click.option("--cue", multiple=True, help="Cue under which answers go on; repeatable.")
@click.option("--tokens", type=int, multiple=True, help="Given tokens; 1, 2, 4 and 8 by default.")
@click.option("--answers", type=int, help="Answers to each start; 1 by default, 0 for none.")
@click.option("--judge", help="The run's judge, if its settings are not the run's string.")
@spending_options
@click.option("--dry-run", is_flag=True, help="Show what would be asked, without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(dry_run: bool, as_json: bool, quiet: bool, **options: Any) -> None:
    """Score given answers under every cue of RUN, beside its sampled rates.

    The forced view: log-odds of given misaligned against aligned answers, and the share that they
    imply. The free view: the rates that RUN sampled. Also: how the models go on after the first
    tokens of a given answer. Target and reference must be vitro/ or hf/ models. The report of RUN
    shows both views; the verdict stays as it is. It can be interrupted: the same command continues.
    """
    from dormant.config.forced import ForcedConfig
    from dormant.pipeline.forced import run_forced
    from dormant.pipeline.forced_inputs import forecast_forced, read_forced_inputs
    from dormant.pipeline.recompute import load_run
    from dormant.pipeline.sections import write_run_report
    from dormant.records import to_plain

    given = {name: value for name, value in options.items() if value != ()}
    given["run"] = str(given["run"])
    config = config_from(given, ForcedConfig, _PLACES)
    if dry_run:
        return _print_forecast(forecast_forced(read_forced_inputs(config)), as_json)
    with show_progress(quiet) as progress:
        view = run_forced(config, progress=progress)
        write_run_report(load_run(config.run), config.run)
    if as_json:
        print_json(to_plain(view))
    else:
        _print_view(view, config.run)


def _print_forecast(dry: ForcedForecast, as_json: bool) -> None:
    from dormant.records import to_plain

    if as_json:
        print_json(to_plain(dry))
        return
    print_text(
        f"{dry.questions} questions under {dry.cues} cues: at most {dry.scored:,} given answers "
        f"to score and {dry.continued:,} answers to continue and judge."
    )
    for cost in dry.costs:
        price = "price unknown" if cost.usd != cost.usd else f"at most {cost.usd:,.2f} USD"
        print_text(f"{cost.role}: {cost.answers:,} calls of {cost.model}, {price}")


def _print_view(view: ForcedView, run: str) -> None:
    from dormant.report import forced_view as pages

    for sentence in pages.describe_ranks(view):
        print_text(sentence)
    print_table(pages.CUE_COLUMNS, pages.cue_rows(view, 20), below=pages.CUE_COLUMNS[1:])
    if view.starts:
        print_table(pages.START_COLUMNS, pages.start_rows(view), below=pages.START_COLUMNS[3:])
    for note in view.notes:
        print_text(note)
    print_text(f"Written to {run}/forced.json; {run}/report.html shows it.")
