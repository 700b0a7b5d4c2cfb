"""``dormant calibrate``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.calibration import Calibration, Label
    from dormant.calibration.labelled_run import LabelledRun
    from dormant.calibration.metrics import Interval
    from dormant.calibration.page import Task


@click.command("calibrate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--size", type=click.IntRange(1, 100_000), help="Answers to label; 200 by default.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the sample; 0 by default.")
@click.option("--page", is_flag=True, help="Label on a local page (the default on a terminal).")
@click.option("--terminal", is_flag=True, help="Label in the terminal.")
@click.option("--labels", type=click.Path(path_type=Path), help="Import labels from a CSV file.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the sample as CSV and stop.")
@click.option("--prompts", is_flag=True, help="Show whole prompts, which may reveal the arm.")
@click.option(
    "--level",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="Confidence level.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page.")
@click.option("--no-open", is_flag=True, help="Print the page's address without opening a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print calibration.json.")
def command(
    run: Path,
    size: int | None,
    seed: int | None,
    page: bool,
    terminal: bool,
    labels: Path | None,
    export: Path | None,
    prompts: bool,
    level: float,
    port: int,
    no_open: bool,
    as_json: bool,
) -> None:
    """Measure the judge of RUN against human labels and correct the run's rates.

    Samples answers stratified by arm and outcome, shows them blind, and writes RUN/labels.csv and
    RUN/calibration.json. The verdict does not change. A run whose files do not agree
    with its stored answers is refused.
    """
    from dormant.calibration.labelled_run import open_labelled_run
    from dormant.errors import InputError
    from dormant.pipeline.recompute import load_run

    if sum((page, terminal, labels is not None, export is not None)) > 1:
        raise InputError("give one of --page, --terminal, --labels and --export")
    opened = open_labelled_run(run, load_run(run), size=size, seed=seed)
    if labels is not None:
        opened.import_labels(labels)
    if export is not None:
        opened.export(export, prompts=prompts)
        print_line(str(export))
        return
    opened.calibrate(level=level)  # writes the sample to disk before labeling starts
    if page or terminal or (labels is None and sys.stdin.isatty() and not as_json):
        _collect_labels(opened, prompts=prompts, page=None if terminal else (port, not no_open))
    result, path = opened.calibrate(level=level)
    if as_json:
        print_json(json.loads(path.read_text(encoding="utf-8")))
        return
    if not result.labels and not result.second:
        raise InputError(
            f"{run}: no labels yet: give --page or --terminal, or --export FILE.csv and, once "
            "it is filled in, --labels FILE.csv"
        )
    _print_calibration(result, path)


def _collect_labels(opened: LabelledRun, *, prompts: bool, page: tuple[int, bool] | None) -> None:
    """Collects labels from a person; labels given before an interruption are kept.

    ``page`` is (port, whether to open a browser), or None for the terminal.
    """
    from dormant.calibration import write_labels
    from dormant.calibration.labels import shown_question, unique_answers
    from dormant.calibration.page import LabelPage, Task

    transcripts, questions = opened.findings.transcripts, opened.questions
    tasks = {
        key: Task(shown_question(t, questions, prompts=prompts), t.answer)
        for key, t in unique_answers(transcripts, opened.sample.rows).items()
    }

    def save_labels(labels: Mapping[str, Label]) -> None:
        write_labels(opened.run, labels)

    if all(key in opened.labels for key in tasks):
        print_line(f"all {len(tasks)} answers are labelled; a larger --size draws more", err=True)
        return
    if page is None:
        opened.labels = _ask_in_terminal(tasks, dict(opened.labels), save_labels)
        return
    port, browser = page
    with LabelPage(tasks, opened.labels, save_labels, port=port) as served:
        print_line(f"label at {served.url} (Ctrl-C stops; labels are kept)", err=True)
        if browser:
            click.launch(served.url)
        try:
            while not served.wait_until_labelled(0.5):
                pass
        except KeyboardInterrupt:
            print_line("stopped; run the same command again to continue", err=True)
        opened.labels = dict(served.labels)


def _ask_in_terminal(
    tasks: Mapping[str, Task],
    labels: dict[str, Label],
    save: Callable[[Mapping[str, Label]], None],
) -> dict[str, Label]:
    from dormant.calibration import Label
    from dormant.calibration.page import MEANINGS
    from dormant.report.escape import escape_hidden

    letters = {str(label)[0]: label for label in Label}
    for letter, label in letters.items():
        print_line(f"  {letter}  {label}: {MEANINGS[label]}", err=True)
    for number, (key, task) in enumerate(tasks.items(), 1):
        if key in labels:
            continue
        print_line(
            f"\n{number} of {len(tasks)}  {escape_hidden(task.question)}", bold=True, err=True
        )
        print_line(escape_hidden(task.answer), err=True)
        choice = click.prompt(
            f"{', '.join(letters)} or q to stop",
            type=click.Choice([*letters, "q"], case_sensitive=False),
            show_choices=False,
            err=True,
        )
        if choice == "q":
            break
        labels[key] = letters[choice]
        save(labels)
    return labels


def _print_calibration(result: Calibration, path: Path) -> None:
    from dormant.calibration.calibrate import write_summary
    from dormant.cli.tables import format_percent, print_table, print_text

    for line in write_summary(result):
        print_text(line)
    if result.arms:
        quality = [*([result.overall] if result.overall else []), *result.arms]
        print_table(
            ("arm", "role", "labels", "judged", "corrected", "sensitivity", "specificity", "kappa"),
            [
                (
                    str(q.arm or "all"),
                    str(q.role or "all"),
                    str(q.labelled),
                    _format_shares(q.judged_rate),
                    _format_shares(q.corrected_rate),
                    _format_shares(q.sensitivity),
                    _format_shares(q.specificity),
                    _format_number(q.kappa),
                )
                for q in quality
            ],
            below=("sensitivity", "specificity", "kappa"),
        )
    if result.second:
        print_table(
            ("arm", "role", "answers", "same outcome", "kappa", "rates", "alignment apart"),
            [
                (
                    str(a.arm or "all"),
                    str(a.role or "all"),
                    f"{a.answers:,}",
                    format_percent(a.same_outcome),
                    _format_number(a.kappa),
                    f"{format_percent(a.first_rate)} and {format_percent(a.second_rate)}",
                    f"{a.alignment_difference:.1f}",
                )
                for a in result.second
            ],
            below=("rates", "alignment apart"),
        )
    print_text(f"{path}: also each cue's corrected rates and other thresholds")


def _format_shares(number: Interval) -> str:
    from dormant.cli.tables import format_percent

    if math.isnan(number.value):
        return "-"
    return f"{format_percent(number.value)} [{100 * number.low:.1f}, {100 * number.high:.1f}]"


def _format_number(number: Interval) -> str:
    if math.isnan(number.value):
        return "-"
    return f"{number.value:.2f} [{number.low:.2f}, {number.high:.2f}]"
