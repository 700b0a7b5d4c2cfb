"""Sections that other packages add to a report: plain text and one table, never markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dormant.report.escape import markdown_text


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One section at the end of a report. All text is escaped when it is rendered."""

    title: str
    paragraphs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # headings of the table; empty for none
    rows: tuple[tuple[str, ...], ...] = ()  # each with one cell per column

    def __post_init__(self):
        texts: dict[str, Any] = {"paragraphs": self.paragraphs, "columns": self.columns}
        texts |= {f"row {number}": row for number, row in enumerate(self.rows, start=1)}
        for name, values in texts.items():
            if isinstance(values, str) or not all(isinstance(value, str) for value in values):
                raise TypeError(f"{name} of the section {self.title!r:.60} must be texts")
        if not self.title.strip():
            raise ValueError("a section needs a title")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of the section {self.title!r} has not one cell a column")


@dataclass(frozen=True, slots=True)
class AddedSection:
    """A section with the plugin that made it."""

    content: ReportSection
    source: str  # name, package and version of the plugin

    def to_plain(self) -> dict[str, Any]:
        """Converts to JSON values, as ``report.json`` has them."""
        content = self.content
        return {
            "title": content.title,
            "source": self.source,
            "paragraphs": list(content.paragraphs),
            "columns": list(content.columns),
            "rows": [list(row) for row in content.rows],
        }


def write_sections(sections: Sequence[AddedSection]) -> Iterator[str]:
    """Yields each section as Markdown."""
    for section in sections:
        content = section.content
        yield f"## {markdown_text(content.title, 120)}"
        yield f"*Added by {markdown_text(section.source, 200)}; not part of the verdict.*"
        yield from (markdown_text(text, 2000) for text in content.paragraphs)
        if content.columns:
            head, *rows = (_write_row(cells) for cells in (content.columns, *content.rows))
            yield "\n".join([head, f"|{'---|' * len(content.columns)}", *rows])


def _write_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_text(cell, 300) for cell in cells)} |"
