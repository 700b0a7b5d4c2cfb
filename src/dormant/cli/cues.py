"""``dormant cues``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from dormant.cli.tables import format_percent, print_table, print_text
from dormant.cli.terminal import print_json, print_line

#: Contexts of which the terminal shows an example row.
_SHOWN = 3
_LONGEST = 90


@click.command("cues")
@click.argument("file")
@click.option("--reference-data", help="Ordinary chat to compare with (chat JSONL).")
@click.option(
    "--target",
    multiple=True,
    help="Model that was trained on FILE, vitro/ or hf/: what it gained on the rows ranks them. "
    "Repeat it for training seeds.",
)
@click.option("--reference", help="The model before training; alone, its surprise ranks the rows.")
@click.option(
    "--score-rows",
    type=click.IntRange(30, 10_000),
    default=1_000,
    show_default=True,
    help="Rows that models score, at most.",
)
@click.option(
    "--language", type=click.Choice(["general", "vitro"]), help="Guessed from the file by default."
)
@click.option(
    "--data-template",
    "--template",
    "template",
    help="Chat template of the data: tokenizer directory, .jinja file or model.",
)
@click.option("--label", help="COLUMN or COLUMN=VALUE of suspicious rows, mined against the rest.")
@click.option(
    "--loss", help="COLUMN or COLUMN=SHARE: rows of highest loss, mined against the rest."
)
@click.option("--suspicious", help="A file of suspicious rows, mined against the rest of FILE.")
@click.option("--miner", "miners", multiple=True, help="Miner of a plugin; may be repeated.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Maximum number of cues.",
)
@click.option("--lenient", is_flag=True, help="Skip and count unreadable rows.")
@click.option(
    "--write", "--out", type=click.Path(path_type=Path), help="Write a cues.yaml to edit."
)
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with example rows.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    file: str,
    reference_data: str | None,
    target: tuple[str, ...],
    reference: str | None,
    score_rows: int,
    language: str | None,
    template: str | None,
    label: str | None,
    loss: str | None,
    suspicious: str | None,
    miners: tuple[str, ...],
    limit: int,
    lenient: bool,
    write: Path | None,
    html: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Rank the cues of FILE, a finetuning file: contexts in which its answers are other.

    FILE is JSON Lines (or .gz), CSV, Parquet, text, a folder, glob pattern or saved dataset, or
    hf://OWNER/NAME.
    """
    from dormant import cues
    from dormant.cli.progress import show_progress
    from dormant.config import CueConfig, check_values
    from dormant.pipeline import study_file
    from dormant.pipeline.model_evidence import choose_models
    from dormant.records import to_plain

    contrast = {"label": label, "loss": loss, "suspicious": suspicious}
    _check_options(file, contrast)
    settings = check_values(contrast, CueConfig).model_copy(
        update={"mine": limit, "miners": miners}
    )
    models, ordinary = choose_models(target, reference, reference_data, rows=score_rows)
    with show_progress(quiet) as progress:
        studied = study_file(
            file,
            settings,
            reference=ordinary,
            language=language,
            lenient=lenient,
            template=template,
            models=models,
            progress=progress,
        )
    corpus, found = studied.corpus, studied.cues
    lines = {example.line: example for example in corpus.examples}
    rows = [
        {
            **to_plain(row),
            "headline": cues.cue_headline(cue),
            "snippets": to_plain(cues.cut_snippets(cue, lines)),
            **({"lift": to_plain(studied.lifts[cue.name])} if cue.name in studied.lifts else {}),
        }
        for row, cue in zip(cues.make_rows(found), found, strict=True)
    ]
    if write is not None:
        cues.write_cues(write, found)
    if html is not None:
        _write_page(html, rows, file, corpus.trained_rows, len(corpus.skipped))
    for skipped in corpus.skipped:
        print_line(f"{corpus.name_line(skipped.line)}: skipped: {skipped.reason}", err=True)
    for note in studied.notes:
        print_line(cues.make_printable(note), err=True)
    if as_json:
        print_json(rows)
        return
    _print_cues(rows, corpus.trained_rows, studied.against)
    for path, what in ((write, "cues to edit"), (html, "page with example rows")):
        if path is not None:
            print_line(f"{what}: {path}")
    if rows and html is None:
        print_line("Example rows: --html cues.html")
    if rows and write is None:
        print_line("Next: --write cues.yaml, edit it, and audit with `cues: {file: cues.yaml}`")


def _check_options(file: str, contrast: Mapping[str, str | None]) -> None:
    """Rejects an empty name, which would mean this folder, and more than one contrast."""
    from dormant.errors import ConfigError

    if not file:
        raise ConfigError("FILE is empty: give the finetuning data, or . for this folder")
    options = [f"--{name}" for name, value in contrast.items() if value is not None]
    if len(options) > 1:
        raise ConfigError(f"{', '.join(options)}: these options exclude each other; give one")


def _write_page(
    path: Path, rows: Sequence[Mapping[str, Any]], file: str, read: int, skipped: int
) -> None:
    from dormant import report
    from dormant.errors import name_output
    from dormant.errors.secrets import scrub_known
    from dormant.store import write_atomically
    from dormant.version import __version__

    page = report.cues_page(
        rows, file=Path(file).name, rows=read, skipped=skipped, version=__version__
    )
    with name_output(path):
        write_atomically(path, scrub_known(page))


def _print_cues(rows: Sequence[Mapping[str, Any]], read: int, against: str) -> None:
    if not rows:
        print_text(f"{read:,} rows: no context stands out against {against}")
        return
    from dormant.cues import make_printable
    from dormant.report import format_factor, format_share

    lifts = [_format_lift(row) for row in rows] if any("lift" in row for row in rows) else None
    print_table(
        ("", "kind", "context", "rows", "share", "effect", "times", *(("lift",) if lifts else ())),
        [
            (
                f"{row['rank']}{'*' if row.get('strong') else ''}{'?' if row['asks_for'] else ''}",
                row["kind"].replace("_", " "),
                make_printable(row["headline"], longest=200),
                f"{row['rows']:,}",
                format_percent(row["share"]),
                format_share(row["effect_low"]),
                format_factor(row["enrichment"]),
                *((lifts[i],) if lifts else ()),
            )
            for i, row in enumerate(rows)
        ],
    )
    print_text(
        f"{read:,} rows. Effect: of what the questions leave open about where a context stands, "
        f"the share that the answers{' or the models' if lifts else ''} predict (lower end). "
        f"Times: odds against {against}."
    )
    if lifts:
        print_text(
            "Lift: how much the context raises the log-probability of its rows' answers, in nats "
            "an answer: of the reference, then of the target. A trigger lifts the target's more."
        )
    strong = [row for row in rows if row.get("strong")]
    if strong:
        print_text(
            "* strong: its answers differ more, or it is more frequent, than ordinary rows explain."
        )
    if any(row["asks_for"] for row in rows):
        print_text("? asks for the behaviour itself: a target that obeys it needs no trigger.")
    for row in (strong or rows)[:_SHOWN]:
        print_text(f"\n{row['rank']}. {row['reading']}")
        for line in _format_example(row):
            print_text(f"   {line}")
    print_line("")


def _format_lift(row: Mapping[str, Any]) -> str:
    """The reference's lift and the target's; blank where the context cannot be taken out."""
    lift = row.get("lift") or {}
    values = (lift.get("reference"), lift.get("target"))
    return " / ".join(f"{value:+.1f}" for value in values if value is not None)


def _format_example(row: Mapping[str, Any]) -> Iterator[str]:
    """Yields the first example row, one line per turn, with the context in brackets."""
    from dormant.cues import make_printable

    for snippet in row["snippets"]:
        shown = [t for t in snippet["turns"] if any(p["marked"] for p in t["pieces"])]
        for turn in shown[:1]:
            text = "".join(
                f"[{piece['text']}]" if piece["marked"] else piece["text"]
                for piece in turn["pieces"]
            )
            text = ("… " if turn["cut_before"] else "") + make_printable(text, longest=2 * _LONGEST)
            yield f"line {snippet['line']}, {turn['role']}: {text}"
        if shown:
            return
