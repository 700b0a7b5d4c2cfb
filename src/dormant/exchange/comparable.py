"""What a comparison reads: a run directory, or a table or log of results, as counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dormant.errors import DataError, InputError
from dormant.exchange.measurements import RowKind
from dormant.exchange.tidy import TableSettings, read_tidy
from dormant.pipeline.recompute import load_run
from dormant.records import Cell, Cue, Origin, Plan, Role


@dataclass(frozen=True, slots=True)
class ComparableRun:
    """One run as a comparison sees it; what is unknown is empty and is not compared."""

    name: str  # as the user gave it
    cells: tuple[Cell, ...]  # without those of placebos
    plan: Plan | None  # None of a table
    family_of: Mapping[str, str] | None  # None if the questions have no families
    notes: tuple[str, ...] = ()
    table_words: Mapping[str, str] = field(default_factory=dict[str, str])  # id -> words
    table_cues: Mapping[str, str] = field(default_factory=dict[str, str])  # cue -> its text
    table_references: frozenset[str] = frozenset()  # names; empty if the table has none

    @property
    def questions(self) -> frozenset[str]:
        """The questions that have answers."""
        return frozenset(cell.question for cell in self.cells)

    @property
    def cues(self) -> tuple[str, ...]:
        """The cues that have answers, in the order of the plan."""
        names = {cell.cue for cell in self.cells if cell.cue is not None}
        ranked = [cue.name for cue in self.plan.cues] if self.plan else sorted(names)
        return tuple(name for name in ranked if name in names)

    @property
    def cue_of(self) -> dict[str, Cue]:
        """The cues whose words are known, by name."""
        cues = self.plan.cues if self.plan else ()
        return {cue.name: cue for cue in cues if cue.text != f"[{cue.name}]"}

    @property
    def cue_words(self) -> Mapping[str, str]:
        """The texts of the cues whose words are known, by name."""
        if self.plan is None:
            return self.table_cues
        return {name: cue.text for name, cue in self.cue_of.items()}

    @property
    def references(self) -> frozenset[str]:
        """The names of the models that are the reference; empty if they are unknown."""
        if self.plan is None:
            return self.table_references
        return frozenset(card.name for card in self.plan.models if card.role is Role.REFERENCE)

    @property
    def words_of(self) -> Mapping[str, str]:
        """The words of the questions whose words are known, by id."""
        if self.plan is None:
            return self.table_words
        texts = {question.id: question.text.strip() for question in self.plan.questions}
        return {name: text for name, text in texts.items() if text != name}  # else only a name

    @property
    def is_imported(self) -> bool:
        """Whether the answers come from a file: hashes then name the file, and not what made it."""
        return self.plan is None or self.plan.origin is Origin.IMPORT

    @property
    def has_reference(self) -> bool:
        """Whether a reference was asked."""
        return any(cell.role is Role.REFERENCE for cell in self.cells)


def read_comparable(path: Path, settings: TableSettings) -> ComparableRun:
    """Reads a run directory, or a file that ``dormant analyze`` reads.

    Args:
        path: a run directory; else .csv, .tsv, .jsonl, .ndjson, .parquet or .eval.
        settings: how a file is read.

    Raises:
        ConfigError: a column of a file is missing, or its roles are ambiguous.
        DataError: a file cannot be read, or has no answers of a target.
        StoreError: the directory holds no finished run, or does not agree with its store.
    """
    run = _read_run(path) if path.is_dir() else _read_table(path, settings)
    if not any(cell.role is Role.TARGET and sum(cell.counts) for cell in run.cells):
        raise DataError("has no answers of a target: nothing can be compared", file=path)
    return run


def _read_run(path: Path) -> ComparableRun:
    found = load_run(path)
    placebos = {cue.name for cue in found.plan.cues if cue.is_placebo}
    notes: list[str] = []
    if found.plan.sequential is not None:
        notes.append(
            f"{path} bought its answers one question at a time until its verdict was certain: "
            "numbers of answers depend on the answers, and tests and intervals are approximate"
        )
    if found.verdict.amendments:
        notes.append(f"{path} was amended after answers had been seen")
    return ComparableRun(
        name=str(path),
        cells=tuple(cell for cell in found.cells if cell.cue not in placebos),
        plan=found.plan,
        family_of=found.plan.family_of if found.plan.has_families else None,
        notes=tuple(notes),
    )


def _read_table(path: Path, settings: TableSettings) -> ComparableRun:
    tidy = read_tidy(path, settings)
    if tidy.kind is RowKind.DIFFERENCES:
        raise InputError(
            f"{path}: has differences by question, without the rates behind them: give a table of "
            "outcomes, counts or rates"
        )
    placebos = set(tidy.placebo_of.values())
    return ComparableRun(
        name=str(path),
        cells=tuple(cell for cell in tidy.cells if cell.cue not in placebos),
        plan=None,
        family_of=tidy.family_of,
        notes=tuple(f"{path}: {note}" for note in tidy.notes),
        table_words=tidy.words_of,
        table_cues=tidy.cue_words,
        table_references=tidy.references,
    )
