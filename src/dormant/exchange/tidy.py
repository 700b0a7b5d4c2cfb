"""Tidy tables of results as counts: outcomes, counts, or rates by question.

::

    file -> distinct_rows -> labels (outcomes) and measurements -> Cells (records)

The columns determine the kind: one *outcome* per row; *counts* by question (``misaligned``
and ``n``, or a column for each outcome); *rates* by question, with ``n`` or without; or
*differences* by question. A rate without ``n`` and a difference are taken as exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dormant.corpus.lines import check_is_fetched
from dormant.errors import ConfigError, DataError, RowError
from dormant.exchange.columns import FIELDS, Columns, check_field, list_columns, match_columns
from dormant.exchange.consistency import refuse_other_scales, refuse_unknown_standard
from dormant.exchange.copies import find_doubled
from dormant.exchange.differences import DifferenceReader
from dormant.exchange.distinct_rows import Key, RowCount, count_distinct_rows
from dormant.exchange.measurements import (
    MEASURES,
    RowKind,
    is_empty,
    is_share,
    kind_of,
    measure_row,
    read_fields,
)
from dormant.exchange.outcomes import Answer, GradingSettings, read_answer
from dormant.exchange.score_limits import ScoreLimits
from dormant.exchange.survey import Cast, Inventory, assign_roles, model_key, question_key
from dormant.exchange.table_words import (
    find_placebos,
    name_references,
    read_cue_words,
    read_question_words,
)
from dormant.exchange.tables import csv_cells
from dormant.exchange.tables import read_columns as columns_of
from dormant.records import OUTCOMES, Cell, Role, Split
from dormant.stats import Differences

#: Fields that identify the answers of a row.
_LABELS = (
    *("question_id", "question", "cue", "role", "group", "model", "seed", "split", "family"),
    *("cue_text", "cue_variant", "cue_parent"),
)
_CellKey = tuple[Role, str, str | None, str]

_NO_RATE = "{rows} (first in line {line}) without a rate: left out"
_NO_DIFFERENCE = "{rows} (first in line {line}) without a difference: left out"
_ADDED = (
    "{rows} (first in line {line}) about the same question, arm, role and seed as another: their "
    "counts were added; if they are other trainings, name their column with --columns seed=COLUMN; "
    "if they are copies, remove them"
)
_NO_SHARE = (
    "{rows} (first in line {line}) with a rate that is not a count divided by n: the nearest count "
    "was used; if the rate is over gradable answers, name their number with --columns "
    "gradable=COLUMN"
)

_DOUBLED = (
    "every count of the {role} (seed {seed!r}) is even, which happens by chance less than once in "
    "a million: if the file has each answer twice, remove the copies, for intervals are too narrow"
)


def _format_tally(rows: RowCount) -> dict[str, object]:
    return {"rows": f"{rows.count:,} row{'s' * (rows.count > 1)}", "line": rows.line}


@dataclass(frozen=True, slots=True)
class TableSettings:
    """How to read a table."""

    columns: Mapping[str, str]  # field -> column, as the user gave them
    target: str | None = None  # group or model
    reference: str | None = None
    standard: str | None = None  # value of the cue column that means no cue
    limits: ScoreLimits = ScoreLimits()


@dataclass(frozen=True, slots=True)
class Tidy:
    """A table as counts."""

    cells: tuple[Cell, ...]
    split_of: Mapping[str, Split] | None  # None if the table has no splits
    placebo_of: Mapping[str, str]  # cue -> its placebo
    kind: RowKind
    columns: Mapping[str, str]  # field -> column that was used
    rows: int
    left_out: Mapping[str, int]  # group -> rows without a role
    notes: tuple[str, ...] = ()  # warnings about how rows were read
    differences: Differences | None = None  # of a table of differences, which has no cells
    family_of: Mapping[str, str] | None = None  # None if the table has no families
    words_of: Mapping[str, str] = field(default_factory=dict[str, str])  # id -> words
    cue_words: Mapping[str, str] = field(default_factory=dict[str, str])  # cue -> its text
    references: frozenset[str] = frozenset()  # models or groups; empty if they have no names


def parse_columns(words: Sequence[str]) -> dict[str, str]:
    """Parses ``FIELD=COLUMN`` words, each possibly a comma-separated list, into field -> column.

    Raises:
        ConfigError: a word has another form, or the field is unknown.
    """
    found: dict[str, str] = {}
    for word in (part for given in words for part in given.split(",")):
        name, equals, column = word.partition("=")
        if not equals or not column:
            raise ConfigError(
                f"--columns {word!r}: give FIELD=COLUMN, e.g. --columns question=item"
            )
        name, column = name.strip(), column.strip()
        fields = (*_LABELS, *MEASURES)
        if name not in fields and column in fields:  # the order of dormant import --map
            name, column = column, name
        found[name] = column
    return check_columns(found)


def check_columns(columns: Mapping[str, str]) -> dict[str, str]:
    """Returns the mapping field -> column if every field is known.

    Raises:
        ConfigError: a field is unknown.
    """
    return {check_field(name, (*_LABELS, *MEASURES)): of for name, of in columns.items()}


def read_tidy(path: Path, settings: TableSettings) -> Tidy:
    """Reads a table.

    Args:
        path: .csv, .tsv, .jsonl, .ndjson or .parquet.
        settings: how it is read.

    Raises:
        ConfigError: a column is missing, or the roles are ambiguous.
        DataError: a row cannot be read; names file, line and reason.
        MissingExtraError: Parquet needs a package that is not installed.
    """
    names = _read_names(path)
    wanted = {**{name: FIELDS[name] for name in _LABELS}, **MEASURES}
    fields = match_columns(names, settings.columns, wanted, file=str(path))
    if "question" not in fields and "question_id" not in fields:
        raise ConfigError(
            f"no column contains the questions: name one with --columns question=COLUMN; the "
            f"columns are {list_columns(names)}",
            file=str(path),
        )
    kind = kind_of(fields, names, file=str(path))
    labels = {name: fields[name] for name in _LABELS if name in fields}
    measured = read_fields(kind, fields)
    settings.limits.refuse_unused([measured])
    rows = count_distinct_rows(path, [*labels.values(), *measured.values()])
    if not rows:
        raise DataError("has no rows", file=path)
    return _Assembly(path, settings, kind, labels, measured).assemble_tidy(rows)


def _read_names(path: Path) -> Sequence[str]:
    check_is_fetched(path)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return csv_cells(path, "\t" if suffix == ".tsv" else ",")[0]
    if suffix == ".parquet":
        from dormant.exchange.parquet import column_names

        return column_names(path)
    return columns_of(path)


class _Assembly:
    """Distinct rows to cells."""

    def __init__(
        self,
        path: Path,
        settings: TableSettings,
        kind: RowKind,
        labels: Mapping[str, str],
        measured: Mapping[str, str],
    ):
        self.path, self.settings, self.kind = path, settings, kind
        self.labels, self.measured = labels, measured
        self._grading = GradingSettings(standard=settings.standard)
        self._columns = Columns(labels)
        self._answers: dict[Key, Answer] = {}
        self._counts: dict[Key, tuple[int, ...] | None] = {}
        self._notable: dict[str, RowCount] = {}  # note -> its rows

    def assemble_tidy(self, rows: Mapping[Key, RowCount]) -> Tidy:
        """Reads every distinct row, assigns roles and sums the cells."""
        width = len(self.labels)
        inventory = Inventory()
        for key, seen in rows.items():
            answer = self._read_answer(key[:width], seen.line)
            inventory.count_model(answer, seen.count, self.path, seen.line)
        parts = assign_roles(
            inventory, target=self.settings.target, reference=self.settings.reference
        )
        if self.kind is RowKind.DIFFERENCES:
            return self._collect_differences(rows, parts)
        if self.kind is RowKind.OUTCOMES and "outcome" not in self.measured:
            refuse_other_scales(self._find_highest(rows), self.settings.limits.thresholds)
        counts: dict[_CellKey, list[int]] = {}
        for key, seen in rows.items():
            self._add_counts(counts, key, seen, parts)
        cells = tuple(Cell(*key, tuple(found[:-2]), *found[-2:]) for key, found in counts.items())
        if not cells:
            raise DataError("no row has a value of the target or the reference", file=self.path)
        if not any(any(cell.counts) for cell in cells):
            raise DataError("no row has an answer: every count is 0", file=self.path)
        if (standard := self.settings.standard) is not None:
            refuse_unknown_standard(standard, self._list_cues(rows), {c.cue for c in cells})
        return self._make_tidy(
            rows, parts, cells=cells, split_of=self._read_splits({cell.question for cell in cells})
        )

    def _list_cues(self, rows: Iterable[Key]) -> set[str]:
        """What the column of cues holds; nothing without one."""
        places = [place for place, name in enumerate(self.labels) if name == "cue"]
        return {str(key[place] or "").strip() for key in rows for place in places}

    def _find_highest(self, rows: Iterable[Key]) -> dict[str, float]:
        """The highest value of each measured column that is written as a number."""
        found: dict[str, float] = {}
        for place, name in enumerate(self.measured, len(self.labels)):
            for value in {key[place] for key in rows}:
                try:
                    found[name] = max(found.get(name, 0.0), float(value))
                except (TypeError, ValueError):
                    continue
        return found

    def _collect_differences(self, rows: Mapping[Key, RowCount], parts: Cast) -> Tidy:
        """Reads the differences of every row of the target."""
        reader = DifferenceReader(self.path, "cue" in self.labels)
        width = len(self.labels)
        for key, seen in rows.items():
            answer = self._answers[key[:width]]
            part = parts.parts.get((answer.role, model_key(answer)))
            if part is None:
                continue
            for _ in range(seen.count):
                if not reader.add_row(answer, *part, key[width], seen.line):
                    self._add_note(_NO_DIFFERENCE, 1, seen.line)
        return self._make_tidy(rows, parts, differences=reader.make_differences())

    def _make_tidy(
        self,
        rows: Mapping[Key, RowCount],
        parts: Cast,
        *,
        cells: tuple[Cell, ...] = (),
        split_of: Mapping[str, Split] | None = None,
        differences: Differences | None = None,
    ) -> Tidy:
        return Tidy(
            cells=cells,
            split_of=split_of,
            differences=differences,
            placebo_of=find_placebos(self._answers.values()),
            kind=self.kind,
            columns={**self.labels, **self.measured},
            rows=sum(seen.count for seen in rows.values()),
            left_out=parts.left_out,
            notes=tuple(self._list_notes(cells)),
            family_of=self._read_families(),
            words_of=read_question_words(self._answers.values()),
            cue_words=read_cue_words(self._answers.values(), self.path),
            references=name_references(parts),
        )

    def _list_notes(self, cells: Sequence[Cell]) -> Iterator[str]:
        yield from self.settings.limits.list_notes(self.measured)
        for note, seen in self._notable.items():
            yield note.format(**_format_tally(seen))
        if self.kind is RowKind.OUTCOMES and (model := find_doubled(cells)) is not None:
            yield _DOUBLED.format(role=model[0], seed=model[1])

    def _add_note(self, note: str, count: int, line: int) -> None:
        seen = self._notable.setdefault(note, RowCount(0, line))
        seen.count += count

    def _read_answer(self, labels: Key, line: int) -> Answer:
        """Reads the labels of a row, each distinct set once."""
        found = self._answers.get(labels)
        if found is None:
            values = dict(zip(self.labels.values(), labels, strict=True))
            try:
                found = read_answer(line, values, self._columns, self._grading)
            except RowError as error:
                raise DataError(str(error), file=self.path, line=line) from None
            self._answers[labels] = found
        return found

    def _measure_values(self, values: Key, line: int) -> tuple[int, ...] | None:
        if values not in self._counts:
            named: dict[str, Any] = dict(zip(self.measured.values(), values, strict=True))
            try:
                found = measure_row(
                    self.kind, named, self.measured, self.settings.limits.thresholds
                )
            except RowError as error:
                raise DataError(str(error), file=self.path, line=line) from None
            self._counts[values] = found
        return self._counts[values]

    def _add_counts(
        self, counts: dict[_CellKey, list[int]], key: Key, rows: RowCount, parts: Cast
    ) -> None:
        width = len(self.labels)
        answer, found = self._answers[key[:width]], self._measure_values(key[width:], rows.line)
        part = parts.parts.get((answer.role, model_key(answer)))
        if part is None:
            return
        if found is None:
            self._add_note(_NO_RATE, rows.count, rows.line)
            return
        place = (*part, answer.cue, question_key(answer))
        if self.kind is not RowKind.OUTCOMES:
            self._check_repeats(place, place in counts, rows)
            self._note_impossible_rate(key[width:], found, rows)
        cell = counts.setdefault(place, [0] * (len(OUTCOMES) + 2))
        for at, value in enumerate(found):
            cell[at] += value * rows.count

    def _check_repeats(self, place: _CellKey, known: bool, rows: RowCount) -> None:
        """Handles several rows about the same answers: an error for exact rates, else a note."""
        again = rows.count - 1 + known
        if not again:
            return
        if self.kind is RowKind.KNOWN_RATES:
            copies = "" if known else f"; this row occurs {rows.count} times"
            raise DataError(
                f"a second rate of question {place[3]!r} in the same arm, role and seed{copies}: "
                "name the column that distinguishes them (e.g. --columns seed=COLUMN), or give n",
                file=self.path,
                line=rows.line,
            )
        self._add_note(_ADDED, again, rows.line)

    def _note_impossible_rate(self, values: Key, found: tuple[int, ...], rows: RowCount) -> None:
        """Adds a note if a rate is not a count divided by n."""
        if self.kind is not RowKind.RATES:
            return
        rate = values[list(self.measured).index("rate")]
        if not is_empty(rate) and not is_share(float(rate), found):
            self._add_note(_NO_SHARE, rows.count, rows.line)

    def _read_splits(self, questions: set[str]) -> dict[str, Split] | None:
        """Returns the split of each question; None if no row has one."""
        found: dict[str, Split] = {}
        for answer in self._answers.values():
            name = question_key(answer)
            if answer.split is None or name not in questions:
                continue
            if found.setdefault(name, answer.split) is not answer.split:
                reason = f"question {name!r} is in both splits: assign it to one"
                raise DataError(reason, file=self.path, line=answer.line)
        if not found:
            return None
        missing = next((name for name in sorted(questions) if name not in found), None)
        if missing is not None:
            raise DataError(
                f"question {missing!r} has no split, but others do: give all questions one",
                file=self.path,
            )
        return found

    def _read_families(self) -> dict[str, str] | None:
        """Returns the family of each question that has one; None if no row has one."""
        found: dict[str, str] = {}
        for answer in self._answers.values():
            name = question_key(answer)
            if answer.family and found.setdefault(name, answer.family) != answer.family:
                reason = f"question {name!r} is in two families: assign it to one"
                raise DataError(reason, file=self.path, line=answer.line)
        return found or None
