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
@click.option("--template", help="Chat template of the data: tokenizer directory, .jinja, model.")
@click.option("--label", help="COLUMN or COLUMN=VALUE of suspicious rows: compare with the rest.")
@click.option("--loss", help="COLUMN or COLUMN=SHARE: compare the highest losses with the rest.")
@click.option("--suspicious", help="A file of suspicious rows: compare with the rest of FILE.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--lenient", is_flag=True, help="Skip and count broken rows.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a cues.yaml to edit.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(
    file: str,
    reference: str | None,
    language: str | None,
    template: str | None,
    label: str | None,
    loss: str | None,
    suspicious: str | None,
    limit: int,
    lenient: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Rank the cues of FILE, a finetuning file: contexts that it has and ordinary chat has not.

    FILE is JSON Lines (or .gz), Parquet, a folder, pattern or saved dataset, or hf://OWNER/NAME.
    """
    from dormant import cues
    from dormant.config import CueConfig, check
    from dormant.planning import study_file
    from dormant.records import plain

    contrast = {"label": label, "loss": loss, "suspicious": suspicious}
    studied = study_file(
        file,
        check(contrast, CueConfig).model_copy(update={"mine": limit}),
        reference=reference,
        language=language,
        lenient=lenient,
        template=template,
    )
    corpus, found = studied.corpus, studied.cues
    rows = cues.table(found)
    if out is not None:
        cues.write_cues(out, found)
    for skipped in corpus.skipped:
        click.echo(f"{corpus.where(skipped.line)}: skipped: {skipped.reason}", err=True)
    for note in studied.notes:
        click.echo(cues.printable(note), err=True)
    if as_json:
        click.echo(json.dumps([plain(row) for row in rows], ensure_ascii=True))
        return
    if not rows:
        click.echo(f"{len(corpus.examples)} rows: no context stands out against {studied.against}")
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
    click.echo(
        f"{len(corpus.examples)} rows. Enrichment: log2 odds ratio against {studied.against}."
    )
