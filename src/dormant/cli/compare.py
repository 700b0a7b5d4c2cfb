"""``dormant compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.records import Comparison, RunChange

_ROWS = 60  #: rows of one run's table


@click.command(
    "compare",
    epilog="""\b
Exit codes: 0 better or equivalent; 1 worse; 2 usage, runs that cannot be read,
or plans that differ in what matters; 3 unknown.
Example:
  dormant compare runs/plain runs/inoculated
  dormant compare runs/w1 runs/w2 runs/w3 --html history.html
  dormant compare runs/gpt-judge runs/own-judge --allow judge""",
)
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--delta", type=float, help="Smallest change that matters; that of the runs.")
@click.option("--level", type=float, help="Confidence level; that of the runs.")
@click.option(
    "--claim",
    default="auto",
    show_default=True,
    help="The unit: themes (families of questions), questions, or auto.",
)
@click.option(
    "--allow",
    multiple=True,
    help="Accept a difference: questions, cues, sampling, judge or reference.",
)
@click.option(
    "--trainings",
    type=click.Choice(["all", "these"]),
    default="all",
    show_default=True,
    help="With several seeds: intervals for all such trainings, or for these only.",
)
@click.option(
    "--columns", multiple=True, metavar="FIELD=COLUMN,...", help="The column of each field."
)
@click.option("--target", help="The group or model to compare, where a table holds several.")
@click.option("--reference", help="The group or model that is the reference in a table.")
@click.option("--standard", help="Value of a table's cue column that means no cue.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write Markdown to this file.")
@click.option("--html", type=click.Path(path_type=Path), help="Write an HTML page to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    runs: tuple[Path, ...],
    delta: float | None,
    level: float | None,
    claim: str,
    allow: tuple[str, ...],
    trainings: str,
    columns: tuple[str, ...],
    target: str | None,
    reference: str | None,
    standard: str | None,
    markdown: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare RUNS with the first of them, cue by cue, paired by question; no model is asked.

    RUNS are run directories, Inspect logs, or tables as `dormant analyze` reads them. Each cue is
    better, worse, equivalent (the change is shown to be below delta) or unknown.
    """
    from dormant.exchange.comparison import compare_runs, make_settings
    from dormant.exchange.tidy import TableSettings, parse_columns
    from dormant.report.comparison import comparison_to_plain, write_pages

    if len(runs) < 2:
        raise click.UsageError("give two runs or more")
    settings = make_settings(
        delta=delta,
        level=level,
        claim=claim,
        allow=allow,
        trainings=trainings,
        table=TableSettings(
            columns=parse_columns(columns), target=target, reference=reference, standard=standard
        ),
    )
    found = compare_runs(runs, settings)
    write_pages(found, {"markdown": markdown, "html": html}, runs)
    if as_json:
        print_json(comparison_to_plain(found))
    else:
        _print_comparison(found)
    raise click.exceptions.Exit(found.exit_code)


def _print_comparison(found: Comparison) -> None:
    from dormant.report.comparison.pages import describe_scope

    print_line(str(found.kind).upper(), bold=True)
    print_text(describe_scope(found))
    print_line(f"First run: {found.runs[0]}")
    for change in found.changes:
        _print_change(change)


def _print_change(change: RunChange) -> None:
    from dormant.report.comparison import COLUMNS, make_rows
    from dormant.report.escape import escape_hidden, one_line

    print_line()
    print_line(f"{one_line(change.run)}: {change.kind}", bold=True)
    print_text(f"{one_line(change.sentence, 1000)}.")
    rows = [tuple(one_line(cell, 60) for cell in row) for row in make_rows(change)]
    print_table(COLUMNS, rows[:_ROWS], below=("why", "rate"))
    if len(rows) > _ROWS:
        print_text(f"and {len(rows) - _ROWS:,} more rows: --json lists them")
    print_text(
        f"{change.questions:,} questions in both runs"
        + (f", {change.only_first:,} only in the first" if change.only_first else "")
        + (f", {change.only_second:,} only in this one" if change.only_second else "")
    )
    for note in change.notes:
        print_text(f"Note: {escape_hidden(note)}")
