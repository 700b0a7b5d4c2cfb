"""``dormant import``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dormant.exchange.importer import ImportResult

_INCONCLUSIVE = 3


@click.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run directory.")
@click.option("--map", "maps", multiple=True, metavar="COLUMN=FIELD", help="What a column means.")
@click.option("--arm", "arms", multiple=True, metavar="CUE=FILE", help="A file of one cue's rows.")
@click.option("--target", help="The group or model to audit, where files hold several.")
@click.option("--reference", help="The group or model to compare with, e.g. the base.")
@click.option("--standard", help="Value of the cue column that means no cue.")
@click.option("--alignment-below", type=float, default=30, show_default=True, help="Misaligned.")
@click.option("--coherence-above", type=float, default=50, show_default=True, help="Coherent.")
@click.option(
    "--split",
    type=click.Choice(["all", "halves"]),
    default="all",
    show_default=True,
    help="Questions without a split: all test all cues, or halves by a hash of their ids.",
)
@click.option("--delta", type=float, help="Smallest effect that matters; 0.05.")
@click.option("--level", type=float, help="Confidence of the claim; 0.95.")
@click.option("--lenient", is_flag=True, help="Leave out and count rows that cannot be read.")
@click.option("--amend", is_flag=True, help="Replace another import in RUN, on record.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def command(
    files: tuple[Path, ...],
    out: Path,
    maps: tuple[str, ...],
    arms: tuple[str, ...],
    alignment_below: float,
    coherence_above: float,
    amend: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a run of answers that you already have.

    FILES are CSV, TSV, JSON Lines, Parquet or Inspect's .eval logs, one answer a row. Columns are
    told by their names in use, or by --map; which column was used for what is printed. Fields:
    question, question_id, answer, cue, role, group, model, seed, outcome, misaligned, alignment,
    coherence, content, split, repeat and others (docs/exchange.md).
    """
    from dormant.errors import ConfigError
    from dormant.exchange.columns import parse_map
    from dormant.exchange.importer import ImportSettings, import_answers
    from dormant.exchange.plan import SplitRule
    from dormant.judges.scores import Thresholds
    from dormant.records import VerdictKind, to_plain

    of_arm: dict[Path, str] = {}
    for word in arms:
        cue, equals, file = word.partition("=")
        if not equals or not cue.strip() or not file:
            raise ConfigError(f"--arm {word!r}: give CUE=FILE")
        of_arm[Path(file)] = cue.strip()
    settings = ImportSettings(
        mapped=parse_map(maps),
        arms=of_arm,
        target=given["target"],
        reference=given["reference"],
        standard=given["standard"],
        thresholds=Thresholds(alignment_below, coherence_above),
        rule={name: given[name] for name in ("delta", "level") if given[name] is not None},
        splitting=SplitRule(given["split"]),
        lenient=given["lenient"],
    )
    made = import_answers(files, out, settings, amend=amend)
    _describe_input(made)
    verdict = made.audit.verdict
    if as_json:
        told = {**to_plain(verdict), "plan_hash": made.audit.findings.plan.hash, "run": str(out)}
        click.echo(json.dumps(told, ensure_ascii=True))
    else:
        click.secho(verdict.kind, bold=True)
        click.echo(_strip_controls(verdict.sentence))
        click.echo(_strip_controls(verdict.advice))
        click.echo(f"report: {out / 'report.html'}")
    if verdict.kind in (VerdictKind.UNDERPOWERED, VerdictKind.UNGRADABLE):
        raise click.exceptions.Exit(_INCONCLUSIVE)


def _describe_input(made: ImportResult) -> None:
    """How the files were read, on stderr."""
    for path, columns in made.columns.items():
        used = ", ".join(f"{field} from {column!r}" for field, column in columns.items())
        click.echo(_strip_controls(f"{path}: {used}"), err=True)
    plan = made.audit.findings.plan
    answers = sum(sum(cell.counts) for cell in made.audit.findings.cells)
    click.echo(
        f"{answers:,} answers of {len(plan.models)} models to {len(plan.questions)} questions "
        f"under {len(plan.cues)} cues; delta {made.rule.delta:g}, level {made.rule.level:g}",
        err=True,
    )
    for card in plan.models:
        click.echo(_strip_controls(f"  {card.role} {card.seed}: {card.name}"), err=True)
    for name, number in made.left_out.items():
        click.echo(_strip_controls(f"left out: {number:,} answers of the group {name!r}"), err=True)
    if made.unreadable_count:
        click.echo(f"left out: {made.unreadable_count:,} rows that cannot be read:", err=True)
        for line in made.unreadable:
            click.echo(_strip_controls(f"  {line}"), err=True)


def _strip_controls(text: str) -> str:
    """A line for a terminal: what a file says holds no control characters here."""
    return "".join(c if c.isprintable() else " " for c in text).encode("utf-8", "replace").decode()
