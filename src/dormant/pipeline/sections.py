"""Sections of a report that other packages add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dormant.config.plugins import ExtensionPoint
from dormant.pipeline.forced import read_forced
from dormant.records import Findings, PluginKind
from dormant.report import write_report
from dormant.report.forced_view import forced_sections
from dormant.report.sections import AddedSection, ReportSection

#: Makes a section from stored findings. The names of built-in sections are reserved.
SECTIONS: ExtensionPoint[Callable[[Findings], ReportSection]] = ExtensionPoint(
    PluginKind.SECTION,
    reserved=("verdict", "rates", "questions", "outcomes", "cues", "plan", "limits", "transcripts"),
)


def make_sections(findings: Findings, names: Sequence[str]) -> tuple[AddedSection, ...]:
    """Makes the sections of the named plugins, in the given order.

    Raises:
        ConfigError: there is no such plugin, or it failed.
    """
    found: list[AddedSection] = []
    for name in dict.fromkeys(names):
        used = SECTIONS.find(name, "section")
        content = used.check(used.call(findings), ReportSection)
        found.append(AddedSection(content, str(used.plugin)))
    return tuple(found)


def stored_sections(run: str | Path, findings: Findings) -> tuple[AddedSection, ...]:
    """Makes the sections of records that stand beside a run: ``forced.json``.

    Raises:
        StoreError: a record is damaged.
    """
    view = read_forced(run, findings.plan)
    return forced_sections(view) if view is not None else ()


def write_run_report(
    findings: Findings, run: str | Path, added: Sequence[AddedSection] = ()
) -> tuple[Path, ...]:
    """Writes the report into the run's directory, with the sections of stored records first."""
    return tuple(write_report(findings, run, (*stored_sections(run, findings), *added)))
