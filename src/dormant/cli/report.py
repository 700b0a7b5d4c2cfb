"""``dormant report``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dormant.cli.terminal import print_json, print_line


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Output directory; RUN by default.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="CSV of people's labels, to be stated in the verdict.",
)
@click.option("--section", "sections", multiple=True, help="Section of a plugin; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead.")
def command(
    run: Path, out: Path | None, labels: Path | None, sections: tuple[str, ...], as_json: bool
) -> None:
    """Rewrite the report of RUN from its stored records; no model is asked.

    The verdict is decided again from the stored answers: a run whose files do not agree with them
    is refused.
    """
    from dormant import report
    from dormant.pipeline.recompute import load_run
    from dormant.pipeline.sections import make_sections, stored_sections

    findings = load_run(run)
    if labels is not None:
        from dormant.calibration import add_labels

        findings = add_labels(run, findings, labels)
    added = (*stored_sections(run, findings), *make_sections(findings, sections))
    if as_json:
        print_json(json.loads(report.to_json(findings, added)))
        return
    for path in report.write_report(findings, out or run, added):
        print_line(path)
