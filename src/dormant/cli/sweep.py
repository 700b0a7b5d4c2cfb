"""``dormant sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dormant.cli.progress import show_progress
from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.studies.sweep import Sweep


@click.command(
    "sweep",
    epilog="""\b
Exit codes: 0 done; 2 usage; 4 interrupted: the same command continues.
Example:
  dormant sweep sweep.yaml --dry-run
  dormant sweep sweep.yaml --out runs/sweep
  dormant sweep sweep.yaml --out /shared/sweep --executor ray --ray-address 10.0.0.5:6379""",
)
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/sweep"), show_default=True
)
@click.option("--dry-run", is_flag=True, help="List the units and their training time.")
@click.option("--workers", type=click.IntRange(1), help="Processes; one per core by default.")
@click.option(
    "--executor",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where units run: this machine, or an existing Ray cluster that shares --out.",
)
@click.option(
    "--ray-address", metavar="HOST:PORT", help="Head node of the cluster; RAY_ADDRESS by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    config: Path,
    out: Path,
    dry_run: bool,
    workers: int | None,
    executor: str,
    ray_address: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a grid of recipe settings, seeds and bases, and measure each exactly.

    CONFIG is a sweep.yaml with a recipe, the grid of its settings, seeds and bases. A finished unit
    is not repeated. Writes a table, JSON, Parquet and a figure.
    """
    from dormant.organisms.cluster import choose_executor
    from dormant.studies.sweep import run_sweep
    from dormant.studies.sweep_rows import write_table

    units = choose_executor(executor, out, workers=workers, ray_address=ray_address)
    with show_progress(quiet) as progress:
        found = run_sweep(config, out, is_dry=dry_run, executor=units, progress=progress)
    if as_json:
        print_json([{"unit": unit.name} for unit in found.units] if dry_run else found.list_rows())
    elif dry_run:
        _print_plan(found)
    else:
        print_line(write_table(found.rows).rstrip())
        print_line(f"results: {found.path / 'sweep.md'}")


def _print_plan(found: Sweep) -> None:
    from dormant.config import format_duration

    for unit in found.units:
        settings = ", ".join(f"{path} = {value}" for path, value in unit.settings.items())
        print_line(f"{unit.name}  {unit.recipe.base}  seed {unit.seed}  {settings}".rstrip())
    seconds = format_duration(found.training_seconds or 0)
    print_line(
        f"{len(found.units)} units; training takes about {seconds} on one core, and the exact "
        "rates of each some seconds more"
    )
