"""Sections of a report that other packages add."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dormant.config.plugins import ExtensionPoint
from dormant.records import Findings, PluginKind
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
