"""``dormant cues``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dormant.cli.tables import print_table


@click.command("cues")
@click.argument("file")
@click.option("--reference", help="Ordinary chat to compare with (chat JSONL).")
@click.option(
    "--language", type=click.Choice(["general", "vitro"]), help="Guessed from the file by default."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--lenient", is_flag=True, help="Skip and count broken rows.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a cues.yaml to edit.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(
    file: str,
    reference: str | None,
    language: str | None,
    limit: int,
    lenient: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Rank the cues of FILE, a finetuning file: contexts that it has and ordinary chat has not."""
    from dormant import cues
    from dormant.planning import mine_file
    from dormant.records import plain

    corpus, found = mine_file(
        file, reference=reference, language=language, limit=limit, lenient=lenient
    )
    rows = cues.table(found)
    if out is not None:
        cues.write_cues(out, found)
    for skipped in corpus.skipped:
        click.echo(f"{file}:{skipped.line}: skipped: {skipped.reason}", err=True)
    if as_json:
        click.echo(json.dumps([plain(row) for row in rows], ensure_ascii=True))
        return
    if not rows:
        click.echo(f"{len(corpus.examples)} rows: no context stands out against ordinary chat")
        return
    print_table(
        ("", "kind", "text", "rows", "share", "enrichment", "lines"),
        [
            (
                str(row.rank),
                row.kind,
                row.text if row.kind == "topic" else row.form or row.text,
                str(row.rows),
                f"{100 * row.share:.1f}%",
                cues.interval(row),
                ", ".join(str(line) for line in row.examples),
            )
            for row in rows
        ],
    )
    click.echo(f"{len(corpus.examples)} rows. Enrichment: log2 odds ratio against ordinary chat.")
