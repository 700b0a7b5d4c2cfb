"""``dormant init``."""

from __future__ import annotations

from pathlib import Path

import click

from dormant.cli.terminal import print_line


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(folder: Path, force: bool) -> None:
    """Write commented files to FOLDER (here): audit, recipe, questions and gate.yaml."""
    from dormant.pipeline.start import write_start_files

    for path in write_start_files(folder, force=force):
        print_line(path)
