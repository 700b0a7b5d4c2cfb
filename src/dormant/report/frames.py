"""Findings as tables, and as data frames of pandas, polars or Arrow where these are installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from html import escape
from typing import Any, overload

from dormant.errors import InputError
from dormant.records import OUTCOMES, Estimate, Findings, Quantity, Role, Split, to_plain
from dormant.report.escape import one_line
from dormant.report.tally import sum_cells

Row = dict[str, Any]
#: What fields hold that records leave out at their default.
_EMPTY: Row = {field.name: "" if field.name == "training" else None for field in fields(Estimate)}
#: Columns whose values are known beforehand.
_KINDS: dict[str, type[StrEnum]] = {"quantity": Quantity, "role": Role, "split": Split}


def list_estimates(findings: Findings) -> list[Row]:
    """Lists every estimate as a dictionary of plain values.

    The keys are the fields of ``records.Estimate``, ``cue_text`` (None without a cue) and
    ``seeds``, the number of the target's training seeds. Rates and differences are fractions, not
    percentages; an undefined number is None.
    """
    texts = {cue.name: cue.text for cue in findings.plan.cues}
    seeds = sum(card.role is Role.TARGET for card in findings.plan.models)
    return [
        {**_EMPTY, **_name_kinds(to_plain(e)), "cue_text": texts.get(e.cue or ""), "seeds": seeds}
        for e in findings.verdict.estimates
    ]


def _name_kinds(row: Row) -> Row:
    """Replaces enumeration members by their values, as JSON does."""
    return {key: str(value) if isinstance(value, StrEnum) else value for key, value in row.items()}


def list_counts(findings: Findings) -> list[Row]:
    """Lists the counts of every model, question and cue as plain rows.

    ``role``, ``seed``, ``model``, ``cue`` and ``cue_text`` (None in the standard arm),
    ``question``, ``question_text``, ``split``, one column for each outcome, ``harmful`` (not
    graded, and misaligned by their own alignment score), ``answers``, ``gradable`` and ``rate``
    (misaligned / gradable; None without gradable answers).
    """
    plan = findings.plan
    texts = {cue.name: cue.text for cue in plan.cues}
    questions = {question.id: question for question in plan.questions}
    models = {(card.role, card.seed): card.name for card in plan.models}
    rows: list[Row] = []
    for cell in findings.cells:
        tally, question = sum_cells([cell]), questions.get(cell.question)
        rows.append(
            {
                "role": cell.role.value,
                "seed": cell.seed,
                "model": models.get((cell.role, cell.seed)),
                "cue": cell.cue,
                "cue_text": texts.get(cell.cue or ""),
                "question": cell.question,
                "question_text": question.text if question else None,
                "split": question.split.value if question else None,
                **{outcome.value: tally.count_of(outcome) for outcome in OUTCOMES},
                "harmful": tally.harmful,
                "answers": tally.answers,
                "gradable": tally.gradable,
                "rate": to_plain(tally.rate),
            }
        )
    return rows


class RowTable(Sequence[Row]):
    """Rows that display as a table and convert to data frames.

    Packages that support the Arrow C interface read it directly (``polars.DataFrame(table)``,
    ``pandas.DataFrame.from_arrow(table)``, DuckDB); this needs pyarrow, which ``to_pandas`` and
    ``to_polars`` do not.
    """

    #: Largest number of rows that a notebook shows.
    shown = 20

    def __init__(self, rows: Sequence[Row]):
        self._rows = list(rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> RowTable: ...
    def __getitem__(self, index: int | slice) -> Row | RowTable:
        return RowTable(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<RowTable: {len(self)} rows of {', '.join(self.columns)}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self[0]) if self else ()

    def where(self, **values: Any) -> RowTable:
        """The rows whose columns have these values, e.g. ``where(quantity="did")``.

        Raises:
            InputError: there is no such column, or no such quantity, role or split.
        """
        unknown = sorted(set(values) - set(self.columns))
        if unknown and self:
            raise InputError(f"unknown column {unknown[0]!r}; there are {', '.join(self.columns)}")
        for name, kind in _KINDS.items():
            value = values.get(name)
            if value is not None and value not in tuple(kind):
                raise InputError(f"unknown {name} {value!r}; there are {', '.join(kind)}")
        return RowTable([row for row in self if all(row[k] == v for k, v in values.items())])

    def to_pandas(self) -> Any:
        """A pandas ``DataFrame``.

        Raises:
            InputError: pandas is not installed.
        """
        return make_pandas(self)

    def to_polars(self) -> Any:
        """A polars ``DataFrame``.

        Raises:
            InputError: polars is not installed.
        """
        polars = _import_optional("polars", "pip install polars")
        return polars.DataFrame(list(self), infer_schema_length=None)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table``.

        Raises:
            InputError: pyarrow is not installed.
        """
        return make_arrow(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Exports the rows through the Arrow C interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{_show_value(row[name])}</td>" for name in self.columns)
            + "</tr>"
            for row in self[: self.shown]
        )
        more = f"{self.shown} of " if len(self) > self.shown else ""
        return (
            f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div><p>{more}{len(self):,} rows</p>"
        )


def _show_value(value: Any) -> str:
    """Formats a value of a table as escaped HTML."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"<bdi>{escape(one_line(str(value), 80))}</bdi>"


def make_pandas(rows: Sequence[Row]) -> Any:
    """Makes a pandas ``DataFrame`` of rows.

    Raises:
        InputError: pandas is not installed.
    """
    return _import_optional("pandas", "pip install pandas").DataFrame(list(rows))


def make_arrow(rows: Sequence[Row]) -> Any:
    """Makes a ``pyarrow.Table`` of rows.

    Raises:
        InputError: pyarrow is not installed.
    """
    pyarrow = _import_optional("pyarrow", "pip install 'dormant[tables]'")
    return pyarrow.Table.from_pylist(list(rows))


def _import_optional(name: str, fix: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is installed, but one of its dependencies is not
            raise
        raise InputError(
            f"{name} is not installed: {fix}; .table has the same rows without it"
        ) from None


def describe_findings(findings: Findings) -> str:
    """Describes findings in a few lines: the verdict, its sentence, and how much was asked."""
    plan, verdict = findings.plan, findings.verdict
    answers = sum(sum(cell.counts) for cell in findings.cells)
    return (
        f"{verdict.kind}: {verdict.sentence}\n"
        f"{answers:,} answers of {len(plan.models)} models to {len(plan.questions)} questions "
        f"under {len(plan.cues)} cues; plan {plan.hash[:12]}"
    )
