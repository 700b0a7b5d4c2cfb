"""``dormant gate``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dormant.cli.tables import print_table, print_text
from dormant.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from dormant.records import GateCheck, GateResult

#: Checks in the table, and checks whose answers are printed.
_ROWS, _DETAILS = 40, 5


@click.command(
    "gate",
    epilog="""\b
Exit codes: 0 pass; 1 fail; 2 usage, or a run that cannot be read;
3 inconclusive; 4 the run is not finished.
Example:
  dormant gate --example > gate.yaml
  dormant gate runs/audit --policy gate.yaml --junit gate.xml --markdown gate.md""",
)
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--policy", type=click.Path(path_type=Path), help="The gate.yaml.")
@click.option("--target", help="The model that RUN must have audited, over the policy's.")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Measure ages and expiries at this time (UTC) instead of now.",
)
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML to this file.")
@click.option("--sarif", type=click.Path(path_type=Path), help="Write SARIF 2.1.0 to this file.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write Markdown to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--example", is_flag=True, help="Print a commented policy and stop.")
def command(
    run: Path | None,
    policy: Path | None,
    target: str | None,
    at: datetime | None,
    junit: Path | None,
    sarif: Path | None,
    markdown: Path | None,
    as_json: bool,
    example: bool,
) -> None:
    """Check a finished RUN against a release policy; no model is asked.

    The verdict is decided again from the stored answers, then every limit of the policy is checked.
    What the run does not show is inconclusive, and passes only if the policy names it. The files
    are written for every result, also if RUN cannot be read.
    """
    from dormant.config.resources import resource_path
    from dormant.errors import DormantError
    from dormant.pipeline.gate import (
        PolicyFile,
        evaluate_run,
        explain_error,
        read_policy,
        set_target,
    )
    from dormant.report.gate import result_to_json, write_files

    if example:
        print_line(resource_path("start/gate.yaml").read_text(encoding="utf-8"), end=False)
        return
    if run is None or policy is None:
        raise click.UsageError("give RUN and --policy FILE, or --example")
    outputs = {"junit": junit, "sarif": sarif, "markdown": markdown}
    when = None if at is None else at.replace(tzinfo=UTC)
    file: PolicyFile | None = None
    try:
        file = set_target(read_policy(policy), target)
        result = evaluate_run(run, file, at=when)
    except DormantError as error:
        # A file of an earlier, better run must not stay beside a run that cannot be read.
        write_files(explain_error(run, file, error, at=when), outputs, policy=policy, run=run)
        raise
    write_files(result, outputs, policy=policy, run=run)
    if as_json:
        print_json(json.loads(result_to_json(result)))
    else:
        _print_result(result)
    raise click.exceptions.Exit(result.exit_code)


def _print_result(result: GateResult) -> None:
    from dormant.report.gate.text import count_states, describe_run, sentence_of

    print_line(str(result.state).upper(), bold=True)
    print_text(sentence_of(result.sentence))
    if result.verdict:
        print_text(
            f"Verdict of the audit: {result.verdict}. {sentence_of(result.verdict_sentence)}"
        )
    print_table(
        ("check", "cue", "result", "found"), [_make_row(check) for check in result.checks[:_ROWS]]
    )
    if len(result.checks) > _ROWS:
        print_text(f"and {len(result.checks) - _ROWS:,} more checks: --json lists them")
    _print_answers(result)
    for note in result.notes[:_ROWS]:
        print_text(f"Note: {sentence_of(note)}")
    print_text(f"{count_states(result)}; {'; '.join(describe_run(result))}")


def _make_row(check: GateCheck) -> tuple[str, str, str, str]:
    from dormant.report.escape import one_line

    cue = "" if check.cue is None else one_line(check.label, 40)
    found = "; ".join(filter(None, (check.waiver, check.message)))
    return check.name, cue, str(check.state), one_line(found, 300)


def _print_answers(result: GateResult) -> None:
    """Prints the cue, the answers and the command behind the first checks that do not pass."""
    from dormant.report.escape import escape_hidden
    from dormant.report.gate.text import group_answers, write_transcript

    shown = group_answers(result)
    for title, check in shown[:_DETAILS]:
        print_line(title, bold=True)
        for transcript in check.transcripts:
            place, *lines = write_transcript(transcript)
            print_text(f"  {place}")
            for line in lines:
                print_text(f"    {line}")
        print_text(f"  reproduce: {escape_hidden(check.command)}")
        print_line()
    if len(shown) > _DETAILS:
        print_text(f"Answers behind {len(shown) - _DETAILS} more checks: --json has them.")
