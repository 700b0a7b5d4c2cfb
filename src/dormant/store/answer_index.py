"""The answers of a run, filtered by model, cue, question, outcome and words, page by page.

The metadata of an answer (model, prompt, repeat, outcome) is held in memory, 25 bytes each; its
text is read from the run when it is shown. The full-text index is built in the background, in a
private temporary directory that is removed when the index is closed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dormant.errors import StoreError
from dormant.probes import pair_probes
from dormant.records import (
    NO_CUE,
    OUTCOMES,
    AnswerFilter,
    AnswerPage,
    Judgement,
    ListedAnswer,
    ModelCard,
    Outcome,
    Plan,
    Probe,
    Role,
)
from dormant.store.answers import parse_judgement
from dormant.store.findings import source_of
from dormant.store.snapshots import Snapshot
from dormant.store.word_index import WordIndex, list_terms

_UNJUDGED = len(OUTCOMES)  #: code of an answer that is not judged
_CHUNK = 50_000  # rows read at once
_REMEMBERED = 16  # searches whose results are kept
_CODES = " ".join(f"WHEN '{outcome}' THEN {code}" for code, outcome in enumerate(OUTCOMES))
_COMPLETIONS = (
    "SELECT c.probe, c.source, c.repeat, c.answer, CASE c.finish"
    f" WHEN 'error' THEN {OUTCOMES.index(Outcome.ERROR)}"
    f" WHEN 'filter' THEN {OUTCOMES.index(Outcome.FILTERED)}"
    f" ELSE coalesce(CASE j.outcome {_CODES} END, {_UNJUDGED}) END"
    " FROM completions c LEFT JOIN judgements j ON j.answer = c.answer AND j.judge = ?"
)

Ints = NDArray[np.int64]
#: Role, ``Cue.name`` (None in the standard arm) and outcome (None if not judged).
ArmOutcome = tuple[Role, str | None, Outcome | None]


class AnswerIndex:
    """The answers of one run; use it as a context manager.

    Args:
        run: the run directory, which is only read.
        plan: its frozen plan. Answers of an earlier plan are left out.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, run: Path, plan: Plan):
        self.run, self.plan = run, plan
        self._lock = threading.Lock()
        self._found: dict[AnswerFilter, Ints] = {}
        self._snapshot = Snapshot(run)
        try:
            self._read_rows()
        except (sqlite3.Error, OverflowError, ValueError) as error:
            self._snapshot.close()
            raise StoreError(f"{run / 'run.sqlite'}: damaged ({error})") from None
        prompts = {row: _join_messages(probe) for row, probe in self._probes.items()}
        self.words = WordIndex(self._snapshot, prompts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops building the full-text index, and removes it."""
        self.words.close()
        self._snapshot.close()

    def _read_rows(self) -> None:
        """Reads the metadata of all answers to the plan's prompts, ordered by prompt."""
        database = self._snapshot.database
        # Several cues may give the same prompt: the first of them names it.
        by_id = {p.id: p for p in reversed(pair_probes(self.plan.questions, self.plan.cues))}
        rows = dict(database.execute("SELECT digest, id FROM probes").fetchall())
        self._probes: dict[int, Probe] = {
            rows[key]: by_id[key] for key in reversed(by_id) if key in rows
        }
        sources = dict(database.execute("SELECT key, id FROM sources").fetchall())
        self._models: dict[int, ModelCard] = {
            sources[key]: card
            for card in self.plan.models
            if (key := source_of(self.plan, card)) in sources
        }
        cursor = database.execute(_COMPLETIONS, (self.plan.judge_fingerprint,))
        table = np.concatenate([np.empty((0, 5), np.int64), *_read_chunks(cursor)])
        probe_rank = _rank_of(list(self._probes))
        source_rank = _rank_of(list(self._models))
        probes, sources_ = _look_up(probe_rank, table[:, 0]), _look_up(source_rank, table[:, 1])
        is_known = (probes >= 0) & (sources_ >= 0)
        table, probes, sources_ = table[is_known], probes[is_known], sources_[is_known]
        order = np.lexsort((table[:, 2], sources_, probes))
        table = table[order]
        self._probe = probes[order].astype(np.int32)  # rank in the plan's order
        self._source = sources_[order].astype(np.int16)
        self._repeat = table[:, 2].astype(np.int32)
        self._answer = table[:, 3].copy()
        self._outcome = table[:, 4].astype(np.int8)
        self._probe_list = list(self._probes.values())
        self._model_list = list(self._models.values())

    @property
    def total(self) -> int:
        """Number of answers of the plan."""
        return len(self._answer)

    def count_outcomes(self, wanted: AnswerFilter) -> dict[Outcome | None, int]:
        """Counts the matching answers by outcome; None for those that are not judged."""
        counts = np.bincount(self._outcome[self._find_places(wanted)], minlength=_UNJUDGED + 1)
        names = (*OUTCOMES, None)
        return {name: int(n) for name, n in zip(names, counts, strict=True) if n}

    def count_arms(self, wanted: AnswerFilter) -> Counter[ArmOutcome]:
        """Counts the matching answers by role, ``Cue.name`` and outcome."""
        places = self._find_places(wanted)
        kinds = _UNJUDGED + 1
        codes = self._probe[places].astype(np.int64) * len(self._model_list)
        codes = (codes + self._source[places]) * kinds + self._outcome[places]
        counts: Counter[ArmOutcome] = Counter()
        for code, number in zip(*np.unique(codes, return_counts=True), strict=True):
            pair, outcome = divmod(int(code), kinds)
            rank, source = divmod(pair, len(self._model_list))
            probe = self._probe_list[rank]
            cue = probe.cue.name if probe.cue else None
            named = None if outcome == _UNJUDGED else OUTCOMES[outcome]
            counts[self._model_list[source].role, cue, named] += int(number)
        return counts

    def read_page(self, wanted: AnswerFilter, *, first: int = 0, most: int = 20) -> AnswerPage:
        """Reads some of the matching answers, in the order of prompt, model and repeat.

        Args:
            wanted: the filter.
            first: index of the first answer among the matches, from 0; past the end gives none.
            most: largest number of answers on the page.

        Raises:
            InputError: the search is too long.
            StoreError: an answer or its judgment is damaged, or words cannot be searched yet.
        """
        places = self._find_places(wanted)
        return AnswerPage(len(places), first, self.read_answers(places[first : first + most]))

    def draw_answers(self, wanted: AnswerFilter, most: int) -> tuple[ListedAnswer, ...]:
        """Reads at most ``most`` of the matching answers, evenly spaced.

        Raises:
            InputError: the search is too long.
            StoreError: as of ``read_page``.
        """
        places = self._find_places(wanted)
        if len(places) > most:
            places = places[np.arange(most) * len(places) // most]
        return self.read_answers(places)

    @property
    def share_indexed(self) -> float:
        """Share of the answers whose words can be searched, 0 to 1."""
        return self.words.share

    def list_terms(self, text: str) -> Sequence[str]:
        """The terms that a search looks for, longest first, to highlight in the texts.

        Raises:
            InputError: the search is too long.
        """
        return list_terms(text)

    def read_answers(self, places: Sequence[int] | Ints) -> tuple[ListedAnswer, ...]:
        """Reads answers by their ``ListedAnswer.number``; unknown numbers are left out.

        Raises:
            StoreError: the text or judgment of an answer is damaged.
        """
        known = [int(place) for place in places if 0 <= place < self.total]
        texts = self._read_texts([int(self._answer[place]) for place in known])
        return tuple(self._make_answer(place, texts) for place in known)

    def _make_answer(self, place: int, texts: Mapping[int, tuple[Any, ...]]) -> ListedAnswer:
        probe, card = self._probe_list[self._probe[place]], self._model_list[self._source[place]]
        text, outcome, scores, note = texts.get(int(self._answer[place]), (None,) * 4)
        if not isinstance(text, str):
            raise StoreError(f"{self.run / 'run.sqlite'}: the text of an answer is damaged")
        code = int(self._outcome[place])
        named = None if code == _UNJUDGED else OUTCOMES[code]
        if outcome is None or named in (Outcome.ERROR, Outcome.FILTERED):
            judgement = Judgement(named or Outcome.UNPARSED)
        else:
            judgement = parse_judgement(self.run, outcome, scores, note)
        return ListedAnswer(
            number=place,
            role=card.role,
            seed=card.seed,
            cue=probe.cue.name if probe.cue else None,
            question=probe.question.id,
            repeat=int(self._repeat[place]),
            messages=probe.messages,
            answer=text,
            outcome=named,
            scores=judgement.scores,
            note=judgement.note,
        )

    def _read_texts(self, rows: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """Text, outcome, scores and note of rows of ``answers``."""
        found: dict[int, tuple[Any, ...]] = {}
        with self._lock:
            for start in range(0, len(rows), 500):
                part = rows[start : start + 500]
                cursor = self._snapshot.database.execute(
                    "SELECT a.id, a.text, j.outcome, j.scores, j.note FROM answers a"  # noqa: S608
                    " LEFT JOIN judgements j ON j.answer = a.id AND j.judge = ?"
                    f" WHERE a.id IN ({','.join('?' * len(part))})",
                    (self.plan.judge_fingerprint, *part),
                )
                found.update((row, tuple(rest)) for row, *rest in cursor)
        return found

    def _find_places(self, wanted: AnswerFilter) -> Ints:
        """Numbers of all matching answers, ascending."""
        places = self._found.get(wanted)
        if places is None:
            places = np.flatnonzero(self._match(wanted))
            if len(self._found) >= _REMEMBERED:
                with suppress(StopIteration, KeyError):
                    del self._found[next(iter(self._found))]
            self._found[wanted] = places
        return places

    def _match(self, wanted: AnswerFilter) -> NDArray[np.bool_]:
        fits = np.ones(self.total, bool)
        if wanted.role is not None:
            fits &= np.array([c.role is wanted.role for c in self._model_list], bool)[self._source]
        if wanted.cue or wanted.question:
            is_wanted = [_is_asked(probe, wanted) for probe in self._probe_list]
            fits &= np.array(is_wanted, bool)[self._probe]
        if wanted.outcome is not None:
            fits &= self._outcome == OUTCOMES.index(wanted.outcome)
        if wanted.text:
            rows = self.words.find_rows(wanted.text, in_prompts=wanted.in_prompts)
            if wanted.in_prompts:
                asked = np.isin(np.array(list(self._probes), np.int64), rows)
                fits &= asked[self._probe]
            else:
                fits &= np.isin(self._answer, rows)
        return fits


def _is_asked(probe: Probe, wanted: AnswerFilter) -> bool:
    name = NO_CUE if probe.cue is None else probe.cue.name
    return wanted.cue in ("", name) and wanted.question in ("", probe.question.id)


def _join_messages(probe: Probe) -> str:
    return "\n".join(message.content for message in probe.messages)


def _read_chunks(cursor: sqlite3.Cursor) -> Iterator[Ints]:
    while rows := cursor.fetchmany(_CHUNK):
        yield np.array(rows, np.int64)


def _rank_of(ids: Sequence[int]) -> Ints:
    """An array that maps an id to its index in a list; -1 for other ids."""
    ranks = np.full(max(ids, default=0) + 1, -1, np.int64)
    ranks[np.array(ids, np.int64)] = np.arange(len(ids))
    return ranks


def _look_up(ranks: Ints, ids: Ints) -> Ints:
    is_inside = (ids >= 0) & (ids < len(ranks))
    return np.where(is_inside, ranks[np.where(is_inside, ids, 0)], -1)
