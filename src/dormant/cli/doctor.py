"""``dormant doctor``."""

from __future__ import annotations

import click

from dormant.cli.terminal import print_json, print_line

_MARKS = {"ok": "ok  ", "absent": "-   ", "bad": "BAD "}


@click.command("doctor")
@click.option("--model", help="Also load this model and test what an audit needs.")
@click.option(
    "--judge",
    help="Also try this judge on six answers of known outcome (6 to 36 calls of a model).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def command(model: str | None, judge: str | None, as_json: bool) -> None:
    """Check the installation, and a model and a judge if given."""
    from dormant.engines.doctor import Health, examine_installation, examine_model

    checks = examine_installation()
    if model:
        checks += examine_model(model)
    if judge:
        from dormant.judges.examination import examine_judge

        checks += examine_judge(judge)
    if as_json:
        print_json([check.to_row() for check in checks])
    else:
        for check in checks:
            print_line(f"{_MARKS[check.health]} {check.name:<18} {check.found}")
            if check.advice:
                print_line(f"     {'':<18} {check.advice}")
    if any(check.health is Health.BAD for check in checks):
        raise click.exceptions.Exit(2)
