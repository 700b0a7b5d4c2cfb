"""``dormant audit``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dormant.cli.options import audit_config, audit_options
from dormant.cli.progress import shown

_INCONCLUSIVE = 3


@click.command("audit")
@audit_options
@click.option("--amend", is_flag=True, help="Go on in a run of another plan, on record.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(config: Path | None, amend: bool, as_json: bool, quiet: bool, **given: Any) -> None:
    """Audit a target model against its reference.

    CONFIG is an audit.yaml; options stand for its keys and win over it. Interrupt at any moment:
    the same command goes on without asking anything twice.
    """
    settings = audit_config(config, given)
    from dormant.auditing import run_audit
    from dormant.records import VerdictKind, plain

    with shown(quiet) as progress:
        result = run_audit(settings, progress=progress, amend=amend)
    verdict = result.verdict
    if as_json:
        record = {**plain(verdict), "plan_hash": result.findings.plan.hash, "run": str(result.path)}
        click.echo(json.dumps(record, ensure_ascii=True))
    else:
        click.secho(verdict.kind, bold=True)
        click.echo(verdict.sentence)
        click.echo(verdict.advice)
        click.echo(f"report: {result.path / 'report.html'}")
    if verdict.kind in (VerdictKind.UNDERPOWERED, VerdictKind.UNGRADABLE):
        raise click.exceptions.Exit(_INCONCLUSIVE)
