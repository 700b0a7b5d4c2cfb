"""Reports: one audit (or several) as HTML, Markdown and JSON.

A report reads records and nothing else, so it cannot reach a model, a judge or the store, and
cannot change a finding: every rate with an interval is an estimate that the verdict was made
from, and every count is a sum over cells.

::

    Findings -> view.py       what is shown: cues in groups, rates beside their references, counts
                figures.py    the view as inline SVG
                sequential_path.py  the path of a sequential audit, drawn and in words
                cut_answers.py, failed_answers.py  what was cut off, what brought no answer
                sample.py     the transcripts that fit into one file
             -> html.py       report.html and the notebook fragment
                markdown.py   report.md
                schema.py     report.json
                notebook.py   tables, data frames and displays of an audit (rows: frames.py)
    plugins  -> sections.py   sections that other packages add
    summary  -> overview.py   one page about several organisms
    cues     -> cues_page.py  the contexts of a finetuning file, ranked
    escape.py, numbers.py     hostile text and undefined numbers, made fit to print
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dormant.errors import name_output
from dormant.errors.files import replace_private
from dormant.errors.secrets import scrub_known
from dormant.records import Findings
from dormant.report.cues_page import cues_page, format_factor, format_share
from dormant.report.html import render_notebook, render_report
from dormant.report.markdown import write_markdown
from dormant.report.overview import quickstart_page
from dormant.report.schema import to_json
from dormant.report.sections import AddedSection

__all__ = [
    "cues_page",
    "render_report",
    "to_json",
    "write_markdown",
    "render_notebook",
    "quickstart_page",
    "format_factor",
    "format_share",
    "write_report",
]


def write_report(
    findings: Findings, directory: str | Path, sections: Sequence[AddedSection] = ()
) -> list[Path]:
    """Writes ``report.html``, ``report.md`` and ``report.json`` and returns their paths.

    Args:
        findings: the audit.
        directory: created if it does not exist; files of these names in it are replaced. All
            three are rendered before the first is written.
        sections: what plugins add at the end.

    Raises:
        ConfigError: the directory cannot be written to.
    """
    folder = Path(directory)
    pages = {
        "report.html": render_report(findings, sections),
        "report.md": write_markdown(findings, sections),
        "report.json": to_json(findings, sections),
    }
    with name_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        with name_output(folder / name):
            replace_private(folder / name, scrub_known(text).encode(), keeps_mode=True)
    return [folder / name for name in pages]
