"""How an audit displays in a notebook: a short text, the report's summary, tables, data frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, Literal

from dormant.errors.secrets import scrub_known
from dormant.records import Findings
from dormant.report.frames import (
    Row,
    RowTable,
    describe_findings,
    list_counts,
    list_estimates,
    make_arrow,
    make_pandas,
)
from dormant.report.html import render_notebook
from dormant.report.plots import Figure, FigureName, plot_findings

#: The tables of an audit: one row per estimate, or per model, question and cue.
TableName = Literal["estimates", "counts"]


class NotebookDisplay(ABC):
    """Tables and displays of an object that holds findings."""

    __slots__ = ()

    @abstractmethod
    def _read_findings(self) -> Findings:
        """The findings that are shown."""

    @property
    def estimates(self) -> RowTable:
        """Every estimate as a table that displays, and that pandas, polars and Arrow read."""
        return RowTable(self.table)

    def plot(self, figure: FigureName = "rates", *, limit: int = 12) -> Figure:
        """A figure of the report as an image.

        Args:
            figure: ``rates`` (of every cue, with the difference in differences), ``outcomes`` (of
                all answers), ``questions`` (of the leading cue) or ``path`` (of a sequential
                audit).
            limit: largest number of lines.

        Raises:
            dormant.errors.InputError: there is no such figure, or nothing to draw.
        """
        return plot_findings(self._read_findings(), figure, limit=limit)

    @property
    def table(self) -> list[Row]:
        """Every estimate as a plain row, with the text of its cue."""
        return list_estimates(self._read_findings())

    @property
    def counts(self) -> list[Row]:
        """The counts of every model (training seed), question and cue as plain rows."""
        return list_counts(self._read_findings())

    def to_pandas(self, table: TableName = "estimates") -> Any:
        """A pandas ``DataFrame`` of ``table`` or ``counts``.

        Raises:
            dormant.errors.InputError: pandas is not installed.
        """
        return make_pandas(self.counts if table == "counts" else self.table)

    def to_arrow(self, table: TableName = "estimates") -> Any:
        """A ``pyarrow.Table`` of ``table`` or ``counts``.

        Raises:
            dormant.errors.InputError: pyarrow is not installed.
        """
        return make_arrow(self.counts if table == "counts" else self.table)

    def __str__(self) -> str:
        return describe_findings(self._read_findings())

    def _repr_html_(self) -> str:
        return scrub_known(render_notebook(self._read_findings()))


class LoadedRun(NotebookDisplay, Findings):
    """The findings of a run directory; equal to the findings of the audit that made it."""

    __slots__ = ()

    @classmethod
    def from_findings(cls, findings: Findings) -> LoadedRun:
        """Makes a loaded run of findings."""
        return cls(**{item.name: getattr(findings, item.name) for item in fields(findings)})

    def _read_findings(self) -> Findings:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Findings) and all(
            getattr(self, item.name) == getattr(other, item.name) for item in fields(Findings)
        )

    __hash__ = Findings.__hash__
