"""``dormant quickstart``."""

from __future__ import annotations

from pathlib import Path

import click

from dormant.cli.progress import show_progress
from dormant.cli.tables import print_organisms
from dormant.cli.terminal import print_json, print_line


@click.command("quickstart")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/quickstart"), show_default=True
)
@click.option("--workers", type=click.IntRange(1), help="Processes; one per core by default.")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of the table.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(seed: int, out: Path, workers: int | None, as_json: bool, quiet: bool) -> None:
    """Train eight organisms, audit each, and compare every verdict with the known truth.

    Needs no model, API key, network or GPU. Writes OUT/report.html and OUT/summary.json.
    """
    from dormant.organisms.pool import start_pool_server

    if workers != 1:
        start_pool_server("dormant.studies.quickstart")  # imports it while this process does
    from dormant.studies.quickstart import run_quickstart

    with show_progress(quiet) as progress:
        summary = run_quickstart(out, seed=seed, workers=workers, progress=progress)
    if as_json:
        print_json(summary.to_plain())
        return
    print_organisms(summary.organisms)
    right = sum(row.right for row in summary.organisms)
    print_line(
        f"{right} of {len(summary.organisms)} verdicts match the known truth, "
        f"in {summary.seconds:.0f} s"
    )
    print_line(f"report: {out / 'report.html'}")
