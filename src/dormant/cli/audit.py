"""``dormant audit``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dormant.cli.consent import confirm_start
from dormant.cli.exit_codes import EXIT_CODES, exit_code_of
from dormant.cli.options import audit_config, audit_options
from dormant.cli.progress import show_progress
from dormant.cli.tables import print_text
from dormant.cli.terminal import print_json, print_line
from dormant.cli.verdicts import print_verdict

if TYPE_CHECKING:
    from dormant.config import AuditConfig
    from dormant.records import Expense, VerdictKind


@click.command("audit", epilog=EXIT_CODES)
@audit_options
@click.option("--amend", is_flag=True, help="Continue a run with a changed plan; recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever the verdict is.")
@click.option("--yes", is_flag=True, help="Start without asking, whatever it costs or runs.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    config: Path | None,
    amend: bool,
    as_json: bool,
    exit_zero: bool,
    yes: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Audit a target model against its reference.

    CONFIG is an audit.yaml; options override its keys. It can be interrupted at any time:
    the same command continues and repeats no request. If the budget is reached, it ends with exit
    code 4; the same command with a larger budget continues. An audit that is expected to cost more
    than 20 USD or to take more than 2 h asks first, unless --yes or a budget that covers it is
    given; without a terminal it ends with exit code 2.
    """
    settings = audit_config(config, options)
    is_typed = (options["judge"] or "").strip().startswith("rules:predicate=")
    from dormant.config import name_keys

    with name_keys(config, settings):
        kind = run_and_show(
            settings, amend=amend, is_code_trusted=is_typed, yes=yes, as_json=as_json, quiet=quiet
        )
    if not exit_zero:
        raise click.exceptions.Exit(exit_code_of(kind))


def run_and_show(
    settings: AuditConfig,
    *,
    amend: bool = False,
    is_code_trusted: bool = False,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> VerdictKind:
    """Runs an audit and prints its verdict.

    Args:
        settings: the audit.
        amend: continue a run with a changed plan.
        is_code_trusted: the user typed the name of the code that judges.
        yes: start without asking.
        as_json: print one JSON object instead of text.
        quiet: no progress.
    """
    from dormant.pipeline.audit import run_audit
    from dormant.records import describe_judge_check, to_plain
    from dormant.report.view import View

    with show_progress(quiet) as progress:
        confirm = partial(confirm_start, is_code_trusted=is_code_trusted, yes=yes, quiet=quiet)
        result = run_audit(settings, progress=progress, amend=amend, confirm=confirm)
    verdict = result.verdict
    if as_json:
        record = {
            **to_plain(verdict),
            "rates": to_plain(View(result.findings).summarize_rates()),
            "plan_hash": result.findings.plan.hash,
            "run": str(result.path),
            "spending": to_plain(result.spent),
            "second_judge": list(result.findings.second_judge),
            "judge_check": to_plain(result.findings.judge_check),
        }
        print_json(record)
    else:
        print_verdict(result.findings)
        checks = describe_judge_check(result.findings.judge_check)
        for line in (*result.findings.second_judge, *checks, *_describe_usage(result.spent)):
            print_text(line)
        print_line(f"report: {result.path / 'report.html'}")
    return verdict.kind


def _describe_usage(spent: Sequence[Expense]) -> Iterator[str]:
    """Describes the usage of each paid model, as counted by its server."""
    for row in spent:
        usage = row.usage
        money = "unknown price" if math.isnan(row.usd) else f"{row.usd:.4f} USD"
        if usage.uncounted:
            money += f" ({usage.uncounted:,} calls estimated: the server reports no usage)"
        yield (
            f"{row.role} {row.model}: {usage.calls:,} calls, {usage.prompt_tokens:,} + "
            f"{usage.completion_tokens:,} tokens, {money}"
        )
    if len(spent) > 1 and not any(math.isnan(row.usd) for row in spent):
        yield f"total: {sum(row.usd for row in spent):.4f} USD"
