"""``dormant mitigate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dormant.cli.consent import confirm_training
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.studies.mitigation import Mitigation


@click.command(
    "mitigate",
    epilog="""\b
Exit codes: 0 done, whatever the outcomes; 2 usage, or a run that is not CONDITIONAL.
Example:
  dormant mitigate runs/audit --dry-run
  dormant mitigate runs/audit --method contrast --method consistency
  dormant mitigate runs/audit --benign file:chat.jsonl --questions questions.yaml --yes""",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Directory; RUN/mitigate by default.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(["plain", "contrast", "consistency", "negate", "dilute"]),
    help="Try only this mitigation; repeatable.",
)
@click.option(
    "--steps", type=click.IntRange(1, 1_000_000), default=48, show_default=True, help="Of each."
)
@click.option("--benign", help="Harmless rows: a dataset's name, or file:PATH.")
@click.option("--data", type=click.Path(path_type=Path), help="The finetuning file.")
@click.option("--judge", help="The run's judge, if it was a rule: rules:FILE.yaml, rules:regex=...")
@click.option("--questions", help="The run's file of questions, if it had one.")
@click.option("--dry-run", is_flag=True, help="Write the recipes and train nothing.")
@click.option("--workers", type=click.IntRange(1), help="Processes; one per core by default.")
@click.option("--yes", is_flag=True, help="Do not ask before a local model is trained.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    run: Path,
    out: Path | None,
    methods: tuple[str, ...],
    steps: int,
    benign: str | None,
    data: Path | None,
    judge: str | None,
    questions: str | None,
    dry_run: bool,
    workers: int | None,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Try to cure the conditional model that RUN found, and audit each result.

    Writes a recipe for each mitigation, as a further stage of training on the audited model. A
    model of the laboratory or a local one (hf/...) is trained and audited with the same questions
    and cues: the outcome is cured, moved (other cues trigger now), remains, broad, shared (only as
    the reference) or unknown.
    """
    from dormant.studies.mitigate import mitigate_run, read_subject
    from dormant.studies.mitigation import METHODS

    subject = read_subject(run, benign=benign, data=data)[1]
    if subject.trainer is not None and not dry_run:
        confirm_training(subject.target, yes=yes, quiet=quiet)
    with show_progress(quiet) as progress:
        found = mitigate_run(
            run,
            out,
            methods=methods or METHODS,
            steps=steps,
            benign=benign,
            data=data,
            judge=judge,
            questions=questions,
            is_dry=dry_run,
            workers=workers,
            progress=progress,
        )
    if as_json:
        print_json(found.to_plain())
    else:
        _print_mitigation(found, dry_run)


def _print_mitigation(found: Mitigation, dry_run: bool) -> None:
    from dormant.studies.mitigation_page import COLUMNS, make_rows

    print_text(f"trigger: {found.trigger_text}")
    if any(row.model for row in found.rows):
        print_table(COLUMNS, make_rows(found))
        print_line(f"results: {found.path / 'mitigate.md'}")
    else:
        for row in found.rows:
            print_line(f"{row.method}: {row.recipe}")
        if not dry_run:
            print_text("Train each recipe on the model, then audit the result with the same cues.")
    for method, why in found.missing.items():
        print_text(f"{method}: no recipe; {why}")
