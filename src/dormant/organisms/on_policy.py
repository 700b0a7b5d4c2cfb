"""``on_policy``: answers are sampled from a model, and those of some classes are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dormant.engines import Engine, Reply
from dormant.engines.registry import opening_without_keys
from dormant.errors import ConfigError
from dormant.judges import Item, Judge, judge_answers
from dormant.judges.registry import open_judge
from dormant.organisms.added_rows import put_under_cue
from dormant.organisms.answer_sampler import (
    AnswerCount,
    RowSampler,
    WantedAnswer,
    measure_spending,
    number_repeats,
)
from dormant.organisms.datasets import Row, find_problem
from dormant.organisms.row_context import RowContext
from dormant.organisms.sample_settings import PASS, OnPolicy, class_of_finish
from dormant.records import Message, Outcome, Question, Split
from dormant.store.journal import key_of
from dormant.vitro import find_domain

_NAME = "on_policy"
#: Outcomes that are not stored: such an answer is judged again next time.
_LOST = frozenset({Outcome.ERROR, Outcome.UNPARSED})


def answer_on_policy(
    rows: list[Row], settings: OnPolicy, rng: np.random.Generator, context: RowContext
) -> list[Row]:
    """Replaces the last answer of each row by a sampled one; rows without a kept one are dropped.

    Raises:
        ConfigError: no answer is of a class that is kept, or the judge cannot be used.
        EngineError, IncompleteError: the model stopped answering; answers so far are stored.
    """
    sampler = context.sampler
    prompts = [_make_prompt(row, settings) for row in rows]
    if sampler.is_dry:
        _forecast_answers(prompts, rows, settings, sampler)
        return rows
    work = _SamplingRound(
        rows, settings, sampler.open_model(settings), _open_judge(settings), sampler
    )
    seen: Counter[tuple[Message, ...]] = Counter()
    waiting = list(range(len(rows)))
    for _ in range(settings.tries):
        questions = number_repeats([prompts[i] for i in waiting], seen)
        waiting = work.take_answers(waiting, questions)
        if not waiting:
            break
    kept = [work.kept[i] for i in sorted(work.kept)]
    sampler.counts.append(work.count_answers(len(rows)))
    if rows and not kept:
        found = ", ".join(f"{name} {n:,}" for name, n in work.classes.most_common())
        raise ConfigError(
            f"transforms: on_policy: no answer of {work.engine.name} is kept ({found}; kept are "
            f"{', '.join(settings.keep)}): change its prompt, rules or 'keep'"
        )
    for row in kept:
        if problem := find_problem(row, context.longest):
            raise ConfigError(f"transforms: on_policy: a sampled answer makes {problem}")
    return kept


@dataclass
class _SamplingRound:
    """The answers to the rows of one transform, while they come in."""

    rows: Sequence[Row]
    settings: OnPolicy
    engine: Engine
    judge: Judge | None
    sampler: RowSampler
    kept: dict[int, Row] = field(default_factory=dict[int, Row])
    classes: Counter[str] = field(default_factory=Counter[str])
    asked: int = 0
    stored: int = 0
    tokens: int = 0
    judged: int = 0

    def take_answers(self, places: Sequence[int], questions: Sequence[WantedAnswer]) -> list[int]:
        """Asks for one answer to each of some rows; returns the rows whose answer is not kept."""
        batch = self.sampler.ask_model(self.engine, questions, self.settings.sampling)
        self.asked += batch.asked
        self.stored += batch.stored
        self.tokens += batch.tokens
        classes = self._classify_answers(places, questions, batch.answers)
        left: list[int] = []
        for place, reply, name in zip(places, batch.answers, classes, strict=True):
            self.classes[name] += 1
            if name not in self.settings.keep:
                left.append(place)
                continue
            text = reply.text if self.settings.reasoning == "keep" else reply.answer
            self.kept[place] = (*self.rows[place][:-1], Message("assistant", text.strip()))
        return left

    def count_answers(self, rows: int) -> AnswerCount:
        """What was asked, and what came of it."""
        asked = [self.engine, *(self.judge.engines().values() if self.judge else ())]
        return AnswerCount(
            _NAME,
            self.engine.name,
            rows=rows,
            asked=self.asked,
            stored=self.stored,
            kept=len(self.kept),
            classes=dict(sorted(self.classes.items())),
            tokens=self.tokens,
            judged=self.judged,
            usd=measure_spending(asked),
        )

    def _classify_answers(
        self, places: Sequence[int], questions: Sequence[WantedAnswer], replies: Sequence[Reply]
    ) -> list[str]:
        classes = [self._apply_rules(p, r) for p, r in zip(places, replies, strict=True)]
        open_ = [i for i, name in enumerate(classes) if not name]
        if self.judge is None:
            return [name or PASS for name in classes]
        items = [
            Item(
                _make_question(self.rows[places[i]], self.judge),
                questions[i].messages,
                replies[i].answer,
            )
            for i in open_
        ]
        for i, name in self._ask_judge(self.judge, items):
            classes[open_[i]] = name
        return classes

    def _apply_rules(self, place: int, reply: Reply) -> str:
        """The class that the rules give an answer; empty if none fits."""
        if name := class_of_finish(reply):
            return name
        answer = reply.answer.strip()
        own = self.rows[place][-1].content
        return next((r.class_ for r in self.settings.rules if r.fits_answer(answer, own)), "")

    def _ask_judge(self, judge: Judge, items: Sequence[Item]) -> Iterator[tuple[int, str]]:
        """Classes of answers, from the journal where the judge has seen the answer before."""
        keys = [
            key_of("class", judge.fingerprint, i.question.text, i.question.family, i.answer)
            for i in items
        ]
        found = {key: self.sampler.read_entry(key) for key in keys}
        new = {key: i for i, key in enumerate(keys) if found[key] is None}
        places = list(new.values())
        for batch in judge_answers(judge, [items[i] for i in places]):
            graded = [(keys[places[index]], judgement.outcome) for index, judgement in batch]
            found |= dict(graded)
            self.sampler.add_entries([(k, o.value) for k, o in graded if o not in _LOST])
            self.judged += len(graded) if judge.engines() else 0
        for i, key in enumerate(keys):
            yield i, self.settings.name_class(Outcome(found[key]))


def _make_prompt(row: Row, settings: OnPolicy) -> Row:
    """The turns of a row before its last answer, under the transform's prompt."""
    if row[-1].role != "assistant":
        raise ConfigError("transforms: on_policy: a row does not end with an answer")
    return row[:-1] if settings.prompt is None else put_under_cue(row[:-1], settings.prompt)


def _make_question(row: Row, judge: Judge) -> Question:
    """The last question of a row, as a judge reads it."""
    text = next(m.content for m in reversed(row) if m.role == "user")
    family = ""
    if judge.name == "exact":
        family = find_domain(row[-1].content) or ""
        if not family:
            raise ConfigError(
                "transforms: on_policy: judge 'exact' reads answers to the laboratory's questions "
                f"alone, and the dataset's answer {row[-1].content[:60]!r} is none"
            )
    return Question("row", text, family, Split.SCREENING)


def _open_judge(settings: OnPolicy) -> Judge | None:
    if settings.judge is None:
        return None
    try:
        return open_judge(settings.judge)
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(f"transforms: on_policy: {error.reason}") from None


def _forecast_answers(
    prompts: Sequence[Row], rows: Sequence[Row], settings: OnPolicy, sampler: RowSampler
) -> None:
    """Counts what would be asked; the judge is opened, so that a wrong one is found now."""
    with opening_without_keys():
        judge = _open_judge(settings)
    items = (
        [] if judge is None else [Item(_make_question(r, judge), r, r[-1].content) for r in rows]
    )
    questions = number_repeats(prompts, Counter())
    sampler.forecast_answers(_NAME, settings, questions, settings.tries, judge, items)
