"""``dormant import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.exit_codes import EXIT_CODES, exit_code_of
from dormant.cli.options import claim_option, name_options, threshold_options
from dormant.cli.tables import print_text
from dormant.cli.terminal import print_json, print_line
from dormant.cli.verdicts import print_verdict, strip_controls

if TYPE_CHECKING:
    from dormant.exchange.importer import ImportResult


@click.command("import", epilog=EXIT_CODES)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The run directory.")
@click.option("--map", "maps", multiple=True, metavar="COLUMN=FIELD", help="The field of a column.")
@click.option(
    "--arm", "arms", multiple=True, metavar="CUE=FILE", help="A file whose rows all have this cue."
)
@click.option("--target", help="The group or model to audit, where files hold several.")
@click.option("--reference", help="The group or model to compare with, e.g. the base.")
@click.option("--standard", help="Value of the cue column that means no cue.")
@threshold_options
@click.option(
    "--split",
    type=click.Choice(["all", "halves"]),
    default="all",
    show_default=True,
    help="Questions without a split: all test every cue, or are halved by a hash of their ids.",
)
@claim_option
@click.option("--delta", type=float, help="Smallest effect that matters; default 0.05.")
@click.option("--level", type=float, help="Confidence of the claim; default 0.95.")
@click.option(
    "--allow-identical", is_flag=True, help="Accept trainings with equal counts throughout."
)
@click.option("--lenient", is_flag=True, help="Skip and count unreadable rows.")
@click.option("--amend", is_flag=True, help="Replace an earlier import in the run; recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever the verdict is.")
def command(
    files: tuple[Path, ...],
    out: Path,
    maps: tuple[str, ...],
    arms: tuple[str, ...],
    alignment_below: float | None,
    coherence_above: float | None,
    amend: bool,
    as_json: bool,
    exit_zero: bool,
    **options: Any,
) -> None:
    """Make a run from answers that you already have.

    FILES are CSV, TSV, JSON Lines, Parquet or Inspect's .eval logs, one answer per row. Columns are
    recognized by their usual names, or given by --map; the columns used are printed. Fields:
    question, question_id, answer, cue, role, group, model, seed, outcome, misaligned, alignment,
    coherence, content, split, repeat and others (docs/guides/exchange.md).
    """
    from dormant.errors import ConfigError
    from dormant.exchange.columns import parse_map
    from dormant.exchange.consistency import map_arms
    from dormant.exchange.importer import ImportSettings, import_answers
    from dormant.exchange.plan import SplitRule
    from dormant.exchange.score_limits import ScoreLimits
    from dormant.records import to_plain
    from dormant.report.view import View

    of_arms: list[tuple[str, Path]] = []
    for word in arms:
        cue, equals, file = word.partition("=")
        if not equals or not cue.strip() or not file:
            raise ConfigError(f"--arm {word!r}: give CUE=FILE")
        of_arms.append((cue.strip(), Path(file)))
    with name_options("alignment_below", "coherence_above"):
        limits = ScoreLimits(alignment_below, coherence_above)
    settings = ImportSettings(
        mapped=parse_map(maps),
        arms=map_arms(of_arms),
        target=options["target"],
        reference=options["reference"],
        standard=options["standard"],
        limits=limits,
        rule={name: options[name] for name in ("delta", "level") if options[name] is not None},
        splitting=SplitRule(options["split"]),
        lenient=options["lenient"],
        claim=options["claim"],
        allow_identical=options["allow_identical"],
    )
    with name_options("delta", "level", "alignment_below", "coherence_above"):
        result = import_answers(files, out, settings, amend=amend)
    _describe_input(result)
    verdict = result.audit.verdict
    if as_json:
        record = {
            **to_plain(verdict),
            "rates": to_plain(View(result.audit.findings).summarize_rates()),
            "plan_hash": result.audit.findings.plan.hash,
            "run": str(out),
        }
        print_json(record)
    else:
        print_verdict(result.audit.findings)
        print_line(f"report: {out / 'report.html'}")
    if not exit_zero:
        raise click.exceptions.Exit(exit_code_of(verdict.kind))


def _describe_input(result: ImportResult) -> None:
    """Prints how the files were read, on stderr."""
    from dormant.report.numbers import count_things

    for path, columns in result.columns.items():
        used = ", ".join(f"{field} from {column!r}" for field, column in columns.items())
        print_text(strip_controls(f"{path}: {used}"), err=True)
    plan = result.audit.findings.plan
    answers = sum(sum(cell.counts) for cell in result.audit.findings.cells)
    print_text(
        f"{count_things(answers, 'answer')} of {count_things(len(plan.models), 'model')} to "
        f"{count_things(len(plan.questions), 'question')} under "
        f"{count_things(len(plan.cues), 'cue')}; delta {result.rule.delta:g}, "
        f"level {result.rule.level:g}",
        err=True,
    )
    for card in plan.models:
        print_text(strip_controls(f"  {card.role} {card.seed}: {card.name}"), err=True)
    for name, number in result.left_out.items():
        print_text(strip_controls(f"left out: {number:,} answers of the group {name!r}"), err=True)
    if result.unreadable_count:
        print_line(f"skipped {result.unreadable_count:,} unreadable rows:", err=True)
        for line in result.unreadable:
            print_text(strip_controls(f"  {line}"), err=True)
    _describe_unparsed(result)
    for note in result.notes:
        print_text(strip_controls(f"note: {note}"), err=True)


def _describe_unparsed(result: ImportResult) -> None:
    """Prints how many answers no outcome could be read for, and the commonest reason."""
    from collections import Counter

    from dormant.records import Outcome

    rows = result.audit.findings.transcripts
    notes = Counter(row.note for row in rows if row.outcome is Outcome.UNPARSED)
    if notes:
        reason, number = notes.most_common(1)[0]
        words = f"{notes.total():,} of {len(rows):,} answers have no readable outcome"
        why = f"; {number:,} because of: {reason[:300]}" if reason else ", as the file says"
        print_text(strip_controls(words + why), err=True)
