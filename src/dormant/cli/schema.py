"""``dormant schema``."""

from __future__ import annotations

import click

from dormant.cli.terminal import print_line


@click.command("schema", epilog="\b\nExample:\n  dormant schema gate > gate.schema.json")
@click.argument("file", type=click.Choice(["audit", "card", "gate", "recipe"]))
def command(file: str) -> None:
    """Print the JSON schema of FILE.yaml, for editors."""
    from dormant.organisms.schemas import format_schema

    print_line(format_schema(file), end=False)
