"""``dormant reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dormant.cli.progress import show_progress
from dormant.cli.tables import print_text
from dormant.cli.terminal import print_json, print_line
from dormant.errors import ConfigError

if TYPE_CHECKING:
    from dormant.studies.experiments import Reproduction


@click.command(
    "reproduce",
    epilog="""\b
Exit codes: 0 done, whatever agrees; 2 usage; 4 interrupted: the same command continues.
Example:
  dormant reproduce --list
  dormant reproduce code-mix --seeds 3
  dormant reproduce all --out runs/paper""",
)
@click.argument("names", nargs=-1)
@click.option("--list", "list_them", is_flag=True, help="List the experiments.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/paper"), show_default=True
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Of each."
)
@click.option("--workers", type=click.IntRange(1), help="Processes; one per core by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    names: tuple[str, ...],
    list_them: bool,
    out: Path,
    seeds: int,
    workers: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Repeat experiments of the paper on conditional misalignment in the laboratory.

    NAMES are experiments of --list, or all. Each organism is trained with several seeds, its rates
    are computed exactly, and the page says which of the paper's qualitative findings hold.
    """
    from dormant.records import to_plain
    from dormant.studies.experiments import load_experiments
    from dormant.studies.reproduce import reproduce_experiments

    if list_them:
        for item in load_experiments():
            what = f"not available: {item.missing}" if item.missing else ", ".join(item.organisms)
            print_line(f"{item.name:16} {item.section}  {item.title}: {what}")
        return
    if not names:
        raise ConfigError("no experiment given: name one of `dormant reproduce --list`, or all")
    with show_progress(quiet) as progress:
        found = reproduce_experiments(names, out, seeds=seeds, workers=workers, progress=progress)
    if as_json:
        print_json({r.experiment.name: to_plain(r.findings) for r in found.results})
        return
    for result in found.results:
        _print_result(result)
    print_line(f"page: {found.path / 'reproduce.md'}")


def _print_result(result: Reproduction) -> None:
    item = result.experiment
    print_line(f"{item.section} {item.title}")
    if item.missing:
        print_text(f"  not available: {item.missing}")
    for finding in result.findings:
        print_text(f"  {'agrees' if finding.holds else 'differs'}: {finding.claim}")
