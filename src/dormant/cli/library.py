"""``dormant library``."""

from __future__ import annotations

import click

from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json


@click.command("library")
@click.argument("what", type=click.Choice(["cues", "questions"]), default="cues")
@click.option("--language", default="general", show_default=True, help="general or vitro.")
@click.option("--family", default="", help="Only this family.")
@click.option("--text", default="", help="Only entries that contain this.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(what: str, language: str, family: str, text: str, as_json: bool) -> None:
    """List the cues (or the questions) that ship, which an audit tries by default."""
    from dormant.pipeline.library_rows import list_entries

    rows = list_entries(what, language=language, family=family, text=text)
    if as_json:
        print_json(rows)
        return
    columns = ("name", "family", "placement", "text") if what == "cues" else (
        "id", "family", "split", "text"
    )  # fmt: skip
    print_table(
        columns,
        [tuple(" ".join(row[column].split()) for column in columns) for row in rows],
        below=("text",),
    )
    print_text(f"{len(rows)} {what}, {len({row['family'] for row in rows})} families")
