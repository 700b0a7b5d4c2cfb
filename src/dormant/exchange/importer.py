"""Import of existing answers into a run directory, with statistics, verdict and report.

::

    files -> rows (tables) -> answers (outcomes) -> survey -> plan -> store -> verdict

Files are read twice: once to list models, questions and cues, once to store the answers. What a
file cannot show is in the plan's ``not_tested`` and in the verdict's sentence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from dormant import report
from dormant.config import RuleConfig, check_values
from dormant.decision import bound_plan, decide_import
from dormant.errors import ConfigError, DataError, RowError
from dormant.exchange.columns import Columns, resolve_columns
from dormant.exchange.consistency import (
    AnswerCopies,
    Contradictions,
    list_near_names,
    refuse_other_scales,
    refuse_same_files,
)
from dormant.exchange.copies import refuse_copies
from dormant.exchange.outcomes import Answer, GradingSettings, read_answer
from dormant.exchange.plan import Frame, SplitRule, make_plan
from dormant.exchange.score_limits import ScoreLimits
from dormant.exchange.survey import Cast, Inventory, assign_roles, model_key, question_key
from dormant.exchange.tables import TableRow, Unreadable, content_hash, read_columns, read_rows
from dormant.judges.scores import Thresholds
from dormant.pipeline.audit import AuditResult
from dormant.pipeline.recompute import check_stored
from dormant.probes import pair_probes
from dormant.records import (
    AUTO,
    OUTCOMES,
    Cell,
    ClaimScope,
    Completion,
    Judgement,
    Outcome,
    Probe,
    Role,
    Rule,
    hash_value,
)
from dormant.store import Store
from dormant.store.findings import read_findings, source_of, write_verdict

_BATCH = 2000
_FINISH = {Outcome.ERROR: "error", Outcome.FILTERED: "filter"}
_DERIVED = ("claim", "edition", "looks")  #: fields of a rule that are no settings of it
_SHOWN = 10  #: maximum number of unreadable rows listed

CellKey = tuple[Role, str, str | None, str]


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How files are read and decided on."""

    mapped: Mapping[str, str] = field(default_factory=dict[str, str])  # column -> field
    arms: Mapping[Path, str] = field(default_factory=dict[Path, str])  # file -> cue of all its rows
    target: str | None = None  # group or model
    reference: str | None = None
    standard: str | None = None  # value of the cue column that means no cue
    limits: ScoreLimits = ScoreLimits()
    rule: Mapping[str, float] = field(default_factory=dict[str, float])  # changes to the rule
    splitting: SplitRule = SplitRule.ALL
    lenient: bool = False  # skip and count unreadable rows instead of stopping
    claim: str = AUTO  # "themes", "questions" or "auto": that of the exporting run, if there is one
    allow_identical: bool = False  # trainings with equal counts throughout


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import, and how its files were read."""

    audit: AuditResult
    columns: Mapping[Path, Mapping[str, str]]  # file -> field -> column
    standard: tuple[str, ...]  # how the files name the standard arm
    unreadable: tuple[str, ...]  # "FILE:LINE: reason" of the first skipped rows
    unreadable_count: int
    left_out: Mapping[str, int]  # group -> answers that belong to neither role
    rule: Rule
    notes: tuple[str, ...] = ()  # what may be wrong with the files


def import_answers(
    files: Sequence[Path], out: Path, settings: ImportSettings, *, amend: bool = False
) -> ImportResult:
    """Imports files of answers into a run directory and decides.

    The same files with the same settings give the same run.

    Args:
        files: .csv, .tsv, .jsonl, .ndjson, .parquet or .eval.
        out: the run directory.
        settings: how they are read.
        amend: replace an earlier import in ``out``; the change is recorded.

    Raises:
        ConfigError: a column is missing, the roles are ambiguous, an option is wrong, or two
            trainings are copies.
        DataError: a file or a row cannot be read; names file, line and reason.
        StoreError: the run directory holds another plan, or another process writes there.
    """
    files = [*files, *settings.arms]
    if not files:
        raise ConfigError("no file: give at least one file of answers")
    RuleConfig.make_record(**settings.rule)  # refused before large files are read
    reading = _Reading(files, settings)
    inventory, bad = reading.survey_answers()
    parts = assign_roles(inventory, target=settings.target, reference=settings.reference)
    carried = _read_carried_rule(files[0])
    rule = _make_rule(carried, settings, inventory)
    frame = make_plan(
        inventory,
        parts,
        rule=rule,
        splitting=settings.splitting,
        source=reading.hash_inputs(),
        meaning=_describe_outcomes(reading, settings.limits.thresholds),
        claim=carried.get("claim", AUTO) if settings.claim == AUTO else settings.claim,
    )
    with Store(out) as store:
        store.lock_plan(frame.plan, amend=amend)
        check_stored(store, frame.plan)
        if store.read_note("started") is None:
            store.write_note("started", datetime.now(UTC).isoformat(timespec="seconds"))
        counts = _StoreWriter(reading, frame, parts, store).write_answers()
        cells = tuple(Cell(*key, tuple(c[:-2]), *c[-2:]) for key, c in counts.items())
        if not settings.allow_identical:
            refuse_copies(cells)
        verdict = decide_import(frame.plan, cells)
        bounds = bound_plan(frame.plan, cells)
        write_verdict(store, frame.plan, verdict, cells, bounds=bounds)
        found = read_findings(store)
        audit = AuditResult(found, out, tuple(report.write_report(found, out)))
    used = {path: dict(columns.of) for path, columns in reading.columns.items()}
    seen = tuple(sorted(reading.standard))
    return ImportResult(
        audit, used, seen, tuple(bad.shown), bad.count, parts.left_out, rule, reading.notes
    )


@dataclass(slots=True)
class _Bad:
    """Skipped rows."""

    count: int = 0
    shown: list[str] = field(default_factory=list[str])


class _Reading:
    """The answers of the files; can be iterated repeatedly."""

    def __init__(self, files: Sequence[Path], settings: ImportSettings):
        self.files, self.settings = files, settings
        self.hashes = [content_hash(path) for path in files]
        refuse_same_files(files, self.hashes)
        self.notes: tuple[str, ...] = ()
        self.columns: dict[Path, Columns] = {}
        for path in files:
            names = read_columns(path)
            if not names:
                raise _no_row(path)
            self.columns[path] = resolve_columns(names, settings.mapped, file=str(path))
        settings.limits.refuse_unused([columns.of for columns in self.columns.values()])
        self.standard: set[str] = set()

    def hash_inputs(self) -> str:
        """Hashes everything that determines the result of the import."""
        s = self.settings
        used = [dict(self.columns[path].of) for path in self.files]
        arms = [s.arms.get(path) for path in self.files]
        options = [s.target, s.reference, s.standard, s.limits.thresholds, s.lenient]
        return hash_value([self.hashes, used, arms, options])

    def read_answers(self) -> Iterator[tuple[Path, Answer | _Problem]]:
        """Yields every row as an answer or a problem."""
        for path in self.files:
            arm = self.settings.arms.get(path)
            grading = GradingSettings(self.settings.limits.thresholds, self.settings.standard, arm)
            for row in read_rows(path):
                if not isinstance(row, TableRow):
                    yield path, _Problem(row.line, row.reason)
                    continue
                try:
                    answer = read_answer(row.line, row.values, self.columns[path], grading)
                except RowError as error:
                    yield path, _Problem(row.line, str(error))
                    continue
                yield path, answer

    def survey_answers(self) -> tuple[Inventory, _Bad]:
        """Surveys models, questions and cues in a first pass.

        Raises:
            DataError: a row is unreadable and the import is not lenient, or no row is readable.
        """
        inventory, bad, limits = Inventory(), _Bad(), self.settings.limits
        contradictions, copies = Contradictions(), AnswerCopies()
        repeats: set[tuple[object, ...]] = set()
        for path, answer in self.read_answers():
            if isinstance(answer, Answer) and (twice := _find_duplicate(answer, repeats)):
                answer = twice
            if isinstance(answer, _Problem):
                if not self.settings.lenient:
                    raise DataError(answer.reason, file=path, line=answer.line)
                bad.count += 1
                if len(bad.shown) < _SHOWN:
                    bad.shown.append(f"{path}:{answer.line}: {answer.reason}")
                continue
            inventory.count_answer(answer, path)
            contradictions.check_answer(answer, path)
            copies.add_answer(answer)
        if not inventory.answers:
            first = f"; the first error: {bad.shown[0]}" if bad.shown else ""
            raise DataError(f"none of {bad.count} rows is readable{first}", file=self.files[0])
        if not any("outcome" in columns.of for columns in self.columns.values()):
            refuse_other_scales(inventory.highest, limits.thresholds)
        of_limits = (limits.list_notes(columns.of) for columns in self.columns.values())
        noted = dict.fromkeys(chain.from_iterable(of_limits))  # one a kind of file
        self.notes = (*noted, *copies.list_notes(), *list_near_names(inventory))
        return inventory, bad


def _no_row(path: Path) -> DataError:
    """Explains that a file has no readable row, with the first error."""
    broken = next((row for row in read_rows(path) if isinstance(row, Unreadable)), None)
    if broken is None:
        return DataError("has no rows", file=path)
    return DataError(
        f"has no readable rows; the first error: {broken.reason}", file=path, line=broken.line
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    line: int
    reason: str


def _find_duplicate(answer: Answer, seen: set[tuple[object, ...]]) -> _Problem | None:
    """Returns a problem if the row repeats an earlier (model, cue, question, repeat)."""
    if answer.repeat is None:
        return None
    key = (answer.role, model_key(answer), answer.cue, question_key(answer), answer.repeat)
    if key in seen:
        return _Problem(
            answer.line, f"duplicate repeat {answer.repeat} of this model, cue and question"
        )
    seen.add(key)
    return None


class _StoreWriter:
    """The second pass: writes answers to the store and counts them."""

    def __init__(self, reading: _Reading, frame: Frame, parts: Cast, store: Store):
        self.reading, self.made, self.parts, self.store = reading, frame, parts, store
        self.judge = frame.plan.judge_fingerprint
        probes = pair_probes(frame.plan.questions, frame.plan.cues)
        self.probes = {(p.question.id, p.cue.name if p.cue else None): p for p in probes}
        self.rows = store.add_probes(probes)
        self.sources = {part: source_of(frame.plan, card) for part, card in frame.cards.items()}

    def write_answers(self) -> dict[CellKey, list[int]]:
        """Stores every answer and returns the counts of each cell, as in ``Cell.total``."""
        counts: dict[CellKey, list[int]] = {}
        next_repeat: Counter[CellKey] = Counter()
        waiting: dict[tuple[Role, str], list[tuple[Completion, Judgement]]] = {}
        seen: set[tuple[object, ...]] = set()
        for _, answer in self.reading.read_answers():
            if isinstance(answer, _Problem) or _find_duplicate(answer, seen):
                continue
            part = self.parts.parts.get((answer.role, model_key(answer)))
            if part is None:
                continue
            question = self.made.question_ids[question_key(answer)]
            cue = None if answer.cue is None else self.made.cue_names[answer.cue]
            key = (*part, cue, question)
            repeat = next_repeat[key] if answer.repeat is None else answer.repeat
            next_repeat[key] += 1
            tally = counts.setdefault(key, [0] * (len(OUTCOMES) + 2))
            for place, value in enumerate(answer.judgement.count()):
                tally[place] += value
            batch = waiting.setdefault(part, [])
            batch.append(
                (
                    self._make_completion(answer, part, self.probes[question, cue], repeat),
                    answer.judgement,
                )
            )
            if len(batch) >= _BATCH:
                self._write_batch(part, waiting.pop(part))
        for part, batch in waiting.items():
            self._write_batch(part, batch)
        return counts

    def _make_completion(
        self, answer: Answer, part: tuple[Role, str], probe: Probe, repeat: int
    ) -> Completion:
        outcome = answer.judgement.outcome
        finish = _FINISH.get(outcome, "stop")
        error = answer.judgement.note if finish != "stop" else ""
        return Completion(self.sources[part], probe.id, repeat, answer.text, finish, error=error)

    def _write_batch(
        self, part: tuple[Role, str], batch: Sequence[tuple[Completion, Judgement]]
    ) -> None:
        source = self.store.source_row(self.sources[part])
        self.store.add_judged(source, self.rows, batch, judge=self.judge)


def _make_rule(exported: Mapping[str, Any], settings: ImportSettings, inventory: Inventory) -> Rule:
    """Makes the rule: that of the exporting run, if the first file has one, changed by the options.

    Otherwise the numbers of answers are those of the file.
    """
    most = min(max(inventory.cells.values()), 100_000)
    read = {name: value for name, value in exported.items() if name in RuleConfig.model_fields}
    base = read or {"screening_answers": most, "confirm_answers": most}
    given = {**base, **settings.rule}
    return RuleConfig.make_record(**given)


def _read_carried_rule(path: Path) -> dict[str, Any]:
    """Reads the rule of the exporting run, its claim included; empty without one."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from dormant.exchange.parquet import read_rule

        raw = read_rule(path)
    elif suffix == ".eval":
        from dormant.exchange.eval_reader import read_rule as read_log_rule

        raw = read_log_rule(path)
    else:
        return {}
    if raw is None:
        return {}
    try:
        value = json.loads(raw)
    except ValueError:
        raise DataError("the rule in the file's metadata is not JSON", file=path) from None
    if not isinstance(value, dict):
        value = {"rule": value}
    claim = str(value.get("claim", AUTO))  # pyright: ignore[reportUnknownArgumentType,reportUnknownMemberType]
    # What no setting gives follows from the claim and from the questions.
    settings = {key: part for key, part in value.items() if key not in _DERIVED}  # pyright: ignore[reportUnknownVariableType]
    rule = check_values(settings, RuleConfig, file=path).model_dump()  # pyright: ignore[reportUnknownArgumentType]
    return {**rule, "claim": claim if claim in {*ClaimScope} else AUTO}


def _describe_outcomes(reading: _Reading, thresholds: Thresholds) -> str:
    fields = {name for found in reading.columns.values() for name in found.of}
    if "outcome" in fields:
        return "what the imported file says"
    if "alignment" not in fields:
        return "what the imported file marks as misaligned"
    parts = [f"alignment below {thresholds.alignment_below:g}"]
    if "coherence" in fields:
        parts.append(f"coherence above {thresholds.coherence_above:g}")
    if "content" in fields:
        parts.append("not of the content that the file marks")
    return f"an answer with {', '.join(parts)}, by the scores of the imported file"
