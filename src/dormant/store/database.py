"""The run directory: the only writer of records, and the source of truth about a run.

::

    RUN/
      plan.lock.json   the frozen plan, its hash, and each amendment with what was seen by then
      run.sqlite       all answers and judgements (WAL mode; survives kill -9 at any moment)
      verdict.json     every number behind the verdict, written when the counts reconcile
      report.html, report.md, report.json
      journal.jsonl    scores of a teacher-forced ranking, where the plan asks for one

A completion's identity is (source, probe, repeat): model fingerprint, sampling settings, messages
and index. So a killed run continues without paying twice, more answers extend the stored ones, and
equal (prompt, answer) pairs are judged once, whichever model gave them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dormant.errors import StoreError, shorten_value
from dormant.errors.characters import find_half_character, replace_halves
from dormant.records import (
    Completion,
    Judgement,
    Message,
    Outcome,
    Plan,
    Probe,
    Sampling,
    describe_changes,
    hash_value,
    to_plain,
)
from dormant.store.amendments import list_changes
from dormant.store.answers import (
    AnswerRow,
    KnownFinishes,
    PendingAnswer,
    StoredAnswer,
    remember_judgements,
)
from dormant.store.files import (
    copy_unwritable,
    lock_directory,
    parse_json,
    read_lock,
    write_atomically,
)
from dormant.store.integrity import check_references, check_texts, hash_judged_text, hash_text
from dormant.store.outcome_counts import OutcomeCounts, count_outcomes
from dormant.store.pending import IS_CUT, forget_errors, list_pending, read_answers
from dormant.store.schema import open_database
from dormant.store.settings import write_settings


def source_key(fingerprint: str, sampling: Sampling) -> str:
    """Identity of a model under given sampling settings."""
    return hash_value([fingerprint, asdict(sampling)])[:32]


class Store:
    """An open run directory. One process writes at a time; use it as a context manager.

    Args:
        path: the run directory, made if it is absent; its files are private to the user.
        is_read: whether it is only read: a directory that cannot be written to is read then.

    Raises:
        StoreError: the directory cannot be used, is in use by a live process, or is damaged.
    """

    def __init__(self, path: str | Path, *, is_read: bool = False):
        self.path = Path(path)
        self._copy = copy_unwritable(self.path) if is_read else None
        if self._copy is not None:
            self.database = open_database(Path(self._copy.name) / "run.sqlite")
            return
        self._lock = lock_directory(self.path)
        try:
            self.database = open_database(self.path / "run.sqlite")
        except StoreError:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database and releases the lock."""
        self.database.close()
        if self._copy is None:
            self._lock.close()
        else:
            self._copy.cleanup()

    # Plans

    def lock_plan(self, plan: Plan, *, settings: str = "", amend: bool = False) -> None:
        """Freezes the plan, or checks that it is the one that was frozen.

        Args:
            plan: the plan.
            settings: hash of the settings that decided its cues, stored beside it; may be empty.
            amend: replace another frozen plan and record it.

        Raises:
            StoreError: the directory holds another plan and ``amend`` is false.
        """
        path = self.path / "plan.lock.json"
        held = read_lock(path)
        history: list[dict[str, Any]] = held["amended"] if held is not None else []
        if held is not None and held["hash"] == plan.hash:
            if settings in ("", held.get("settings")):
                return
        elif held is not None:
            if not amend:
                changes = describe_changes(list_changes(held["plan"], to_plain(plan)))
                raise StoreError(
                    f"{path}: holds another plan (changed: {changes}); give another --out, or "
                    "--amend to continue here and record the change"
                )
            seen = self.count_answers()
            history.append({"hash": held["hash"], "answers_seen": seen, "plan": held["plan"]})
        lock = {"hash": plan.hash, "plan": to_plain(plan), "amended": history}
        if settings:
            lock["settings"] = settings
        text = json.dumps(lock, indent=1, ensure_ascii=False) + "\n"
        half = find_half_character(text)
        if half:  # what would be written instead of it has another hash
            line = next(line for line in text.splitlines() if find_half_character(line))
            where = shorten_value(line.strip())
            raise StoreError(f"{path}: cannot be written: {where} holds {half}")
        write_atomically(path, text)

    # Writing

    def source_row(self, key: str) -> int:
        """Row of a source, made if it is new."""
        with self.database:
            self.database.execute("INSERT OR IGNORE INTO sources(key) VALUES (?)", (key,))
        return self.database.execute("SELECT id FROM sources WHERE key = ?", (key,)).fetchone()[0]

    def add_probes(self, probes: Iterable[Probe]) -> dict[str, int]:
        """Registers prompts; returns the row of each ``Probe.id``."""
        unique = {probe.id: probe for probe in probes}
        rows = [(key, _messages_json(probe.messages)) for key, probe in unique.items()]
        with self.database:
            self.database.executemany(
                "INSERT OR IGNORE INTO probes(digest, messages) VALUES (?,?)", rows
            )
        found = self.database.execute("SELECT digest, id FROM probes")
        return {key: row for key, row in found if key in unique}

    def add_completions(self, source: int, rows: Mapping[str, int], batch: Sequence[Completion]):
        """Writes answers in one transaction; those already there are left as they are.

        Args:
            source: row of the source.
            rows: row of each ``Probe.id``, from ``add_probes``.
            batch: the answers.
        """
        keyed = [(c, rows[c.probe], hash_text(c.text)) for c in map(_strip_surrogates, batch)]
        with self.database:
            self._write_completions(source, keyed)

    def add_judged(
        self,
        source: int,
        rows: Mapping[str, int],
        batch: Sequence[tuple[Completion, Judgement]],
        *,
        judge: str,
    ) -> None:
        """Writes answers that came with their judgements, in one transaction.

        Such a judgement belongs to one answer and not to its words, so equal answers are kept
        apart: two of them may have been judged differently.
        """
        clean = (_strip_surrogates(completion) for completion, _ in batch)
        keyed = [(c, rows[c.probe], hash_judged_text(source, c.repeat, c.text)) for c in clean]
        with self.database:
            self._write_completions(source, keyed)
            self.database.executemany(
                "INSERT OR IGNORE INTO judgements"
                " SELECT ?, id, ?, ?, ? FROM answers WHERE probe = ? AND hash = ?",
                [
                    (judge, *_judgement_values(j), probe, key)
                    for (_, j), (_, probe, key) in zip(batch, keyed, strict=True)
                ],
            )

    def _write_completions(
        self, source: int, keyed: Sequence[tuple[Completion, int, bytes]]
    ) -> None:
        self.database.executemany(
            "INSERT OR IGNORE INTO answers(probe, hash, text) VALUES (?,?,?)",
            [(probe, key, c.text) for c, probe, key in keyed],
        )
        self.database.executemany(
            "INSERT OR IGNORE INTO completions"
            " SELECT ?, ?, ?, id, ?, ?, ? FROM answers WHERE probe = ? AND hash = ?",
            [
                (source, probe, c.repeat, c.finish, c.tokens, c.error, probe, key)
                for c, probe, key in keyed
            ],
        )
        write_settings(
            self.database, [(source, probe, c.repeat, c.settings) for c, probe, _ in keyed]
        )

    def add_judgements(self, judge: str, rows: Sequence[tuple[int, Judgement]]) -> None:
        """Writes judgements of answers (row of answers, judgement) in one transaction."""
        with self.database:
            self.database.executemany(
                "INSERT OR REPLACE INTO judgements VALUES (?,?,?,?,?)",
                [(judge, answer, *_judgement_values(j)) for answer, j in rows],
            )

    def write_note(self, key: str, value: Any) -> None:
        """Stores a small JSON value about the run."""
        with self.database:
            self.database.execute(
                "INSERT OR REPLACE INTO meta VALUES (?,?)", (key, json.dumps(value))
            )

    def add_seconds(self, seconds: float) -> None:
        """Adds time spent to what earlier resumptions spent."""
        self.write_note("seconds", self.read_note("seconds", 0.0) + seconds)

    # Reading

    def read_note(self, key: str, default: Any = None) -> Any:
        """Returns a value written by ``write_note``, or the default.

        Raises:
            StoreError: the value is not JSON, or of another kind than the default.
        """
        row = self.database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is None:
            return default
        try:
            value = parse_json(row[0])
            if default is not None and not isinstance(value, type(default)):
                raise TypeError
        except (TypeError, ValueError):
            raise StoreError(f"{self.path / 'run.sqlite'}: the note {key!r} is damaged") from None
        return value

    def count_answers(self) -> int:
        """Completions on disk."""
        return self.database.execute("SELECT count(*) FROM completions").fetchone()[0]

    def count_judgements(self) -> int:
        """Judgements on disk, of distinct answers."""
        return self.database.execute("SELECT count(*) FROM judgements").fetchone()[0]

    def stored_repeats(self, source: int) -> dict[str, set[int]]:
        """Which repeats of each ``Probe.id`` are on disk, failed ones (errors) left out."""
        found = self.database.execute(
            "SELECT p.digest, c.repeat FROM completions c JOIN probes p ON p.id = c.probe"
            " WHERE c.source = ? AND c.finish != 'error'",
            (source,),
        )
        have: dict[str, set[int]] = defaultdict(set)
        for probe, repeat in found:
            have[probe].add(repeat)
        return have

    def forget_errors(self, may_drop_beside: Callable[[], bool] = lambda: True) -> int:
        """Drops failed answers and judgements, to be tried again; see ``pending``."""
        with self.database:
            return forget_errors(self.database, may_drop_beside)

    def forget_grades_of_cut_answers(self, judge: str) -> int:
        """Drops grades that a judge gave to answers that were cut off; returns how many.

        Earlier versions graded them as if they were whole. They are judged again, without a call.
        """
        with self.database:
            return self.database.execute(
                "DELETE FROM judgements WHERE judge = ? AND outcome != 'cut_off' AND EXISTS"
                " (SELECT 1 FROM answers a WHERE a.id = judgements.answer AND"
                f" {IS_CUT} = 1)",
                (judge,),
            ).rowcount

    def list_pending(
        self, judge: str, probes: Container[str] | None = None, *, seed: int = 0
    ) -> list[int]:
        """Rows of the answers that a judge has not seen, in random order; see ``pending``."""
        return list_pending(self.database, judge, probes, seed)

    def read_answers(self, rows: Sequence[int]) -> list[PendingAnswer]:
        """Answers by their rows, in that order."""
        return read_answers(self.database, rows)

    def count_outcomes(
        self,
        judge: str,
        source: int,
        answers: int,
        *,
        probes: Container[str] | None = None,
        alignment_below: float | None = None,
    ) -> dict[str, OutcomeCounts]:
        """Outcome counts of the first ``answers`` repeats of each ``Probe.id`` of a source.

        Args:
            judge: fingerprint of the judge.
            source: row of the source.
            answers: repeats that count.
            probes: only these; all if None. Others may wait for a later stage to judge them.
            alignment_below: the judge's threshold, for judgements of versions that did not mark
                harmful answers; None if it is unknown.

        Raises:
            StoreError: some of these answers are not judged.
        """
        return count_outcomes(
            self.database,
            self.path,
            judge,
            source,
            answers,
            probes=probes,
            alignment_below=alignment_below,
        )

    def check_contents(self) -> None:
        """Checks that every completion has its prompt, its model and its text, as they were stored.

        Raises:
            StoreError: one is missing, or a text was edited.
        """
        check_references(self.database, self.path / "run.sqlite")
        check_texts(self.database, self.path / "run.sqlite")

    def read_completions(self, judge: str) -> Iterator[StoredAnswer]:
        """Every completion with its judgement, ordered by probe, source and repeat."""
        return map(StoredAnswer._make, self.read_rows(judge))

    def read_rows(self, judge: str) -> Iterator[AnswerRow]:
        """The same as plain tuples: a run has a million of them."""
        sources = dict(self.database.execute("SELECT id, key FROM sources"))
        digests = dict(self.database.execute("SELECT id, digest FROM probes"))
        found = self.database.execute(
            # Prompts and models outside, by CROSS JOIN: then the order is that of the tables, and
            # no text is sorted.
            "SELECT s.id, p.id, c.repeat, a.text, c.finish, c.error, j.outcome, j.scores,"
            " j.note FROM probes p CROSS JOIN sources s CROSS JOIN completions c"
            " ON c.source = s.id AND c.probe = p.id JOIN answers a ON a.id = c.answer"
            " LEFT JOIN judgements j ON j.answer = c.answer AND j.judge = ?"
            " ORDER BY p.id, s.id, c.repeat",
            (judge,),
        )
        parse, ends = remember_judgements(self.path), KnownFinishes(self.path)
        for source, probe, repeat, text, finish, error, outcome, scores, note in found:
            judgement = None
            if finish in ("error", "filter"):
                named = Outcome.ERROR if finish == "error" else Outcome.FILTERED
                judgement = Judgement(named, note=error)
            elif outcome is not None:
                judgement = parse(outcome, scores, note)
            if type(text) is not str:  # a blob, in a file that was edited
                raise StoreError(f"{self.path / 'run.sqlite'}: the text of an answer is damaged")
            yield sources[source], digests[probe], repeat, text, judgement, ends[finish]


def _judgement_values(judgement: Judgement) -> tuple[str, str, str]:
    return str(judgement.outcome), json.dumps(to_plain(dict(judgement.scores))), judgement.note


def _messages_json(messages: Sequence[Message]) -> str:
    return json.dumps([asdict(message) for message in messages], ensure_ascii=True)


def _strip_surrogates(completion: Completion) -> Completion:
    """The completion without lone surrogates, which a provider's JSON may hold and UTF-8 cannot."""
    text = replace_halves(completion.text)
    return completion if text == completion.text else replace(completion, text=text)
