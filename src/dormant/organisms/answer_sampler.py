"""Answers of models for the rows of a recipe: each is asked for once, kept on disk and counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dormant.engines import Engine, HasContext, Job, Reply
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.prices import price_of, prompt_tokens
from dormant.engines.model_strings import parse_model
from dormant.engines.registry import open_engine, opening_without_keys
from dormant.engines.speed import guess_speed
from dormant.errors import ConfigError, IncompleteError
from dormant.judges import Item, Judge
from dormant.organisms.sample_settings import ModelQuery
from dormant.records import Message, Sampling
from dormant.store.journal import ANSWER, NAME, Journal, key_of

Messages = tuple[Message, ...]
#: Folder of the stored answers in an organism's directory.
ANSWERS = "answers"
_FAILED = "error"


@dataclass(frozen=True, slots=True)
class WantedAnswer:
    """A prompt, and which of its answers is wanted."""

    messages: Messages
    repeat: int  # 0 for the first answer to these messages


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """What one transform asked a model, and what came of it; of a dry run, what it would ask."""

    transform: str
    model: str
    rows: int  # that need an answer
    asked: int  # answers sampled now; in a dry run those to be sampled, at most
    stored: int  # answers that were stored before
    kept: int = 0  # rows that are trained on
    classes: dict[str, int] = field(default_factory=dict[str, int])  # of the answers
    tokens: int = 0  # of answers sampled now; in a dry run the most that they may have
    judged: int = 0  # replies of judges; in a dry run at most
    usd: float = 0.0  # 0 on this machine, NaN if no price is known
    seconds: float = math.nan  # expected, in a dry run
    scored: int = 0  # answers of the dataset that models score; in a dry run at most
    gaps: dict[str, float] = field(default_factory=dict[str, float])  # mean gap, nats per word


def read_count(row: dict[str, Any]) -> AnswerCount:
    """Reads what a manifest says; numbers that were unknown are NaN."""
    filled: dict[str, Any] = {k: math.nan if value is None else value for k, value in row.items()}
    return AnswerCount(**filled)


class RowSampler:
    """Asks models for the rows of one recipe.

    Args:
        base: model string of the recipe's base.
        folder: where answers are kept, so that none is asked for twice; None keeps them in memory.
        is_dry: ask nothing and count what would be asked.
        opens_models: whether a dry run opens the models that would be asked, to see that it can.
        on_answers: called with the answers that are there and all that are wanted.

    Attributes:
        counts: what each transform asked, in the order of the recipe.
        report_answers: called with answers that are there and all that are wanted.
    """

    def __init__(
        self,
        base: str,
        folder: Path | None = None,
        *,
        is_dry: bool = False,
        opens_models: bool = True,
        on_answers: Callable[[int, int], None] = lambda done, total: None,
    ):
        self.base, self.is_dry, self._opens_models = base, is_dry, opens_models
        self.counts: list[AnswerCount] = []
        self._folder, self.report_answers = folder, on_answers
        self._entries: dict[str, Any] = {}
        self._journal: Journal | None = None
        self._engines: dict[str, Engine] = {}

    @contextmanager
    def keep_open(self) -> Generator[None]:
        """Holds the folder's journal, which is opened where the first answer is wanted."""
        try:
            yield
        finally:
            if self._journal is not None:
                self._journal.__exit__(None, None, None)
                self._journal = None
            self._engines.clear()

    def open_model(self, query: ModelQuery) -> Engine:
        """Opens the model that a transform asks.

        Raises:
            ModelError: it cannot be loaded.
        """
        return self.open_named(query.find_model(self.base))

    def open_named(self, model: str) -> Engine:
        """Opens a model by its string, once.

        Raises:
            ModelError: it cannot be loaded.
        """
        if model not in self._engines:
            self._engines[model] = open_engine(model)
        return self._engines[model]

    def check_model(self, model: str) -> Engine | None:
        """Opens a model that a dry run would ask, without its key; None if none is opened.

        Raises:
            ModelError: it cannot be loaded.
        """
        if not self._opens_models:
            return None
        with opening_without_keys():
            return self.open_named(model)

    def read_entry(self, key: str) -> Any:
        """What is stored under a key; None if nothing is."""
        journal = self._open_journal()
        return self._entries.get(key) if journal is None else journal.read_entry(key)

    def add_entries(self, entries: Sequence[tuple[str, Any]]) -> None:
        """Stores entries; where there is a folder, they are on disk when this returns."""
        journal = self._open_journal()
        if journal is None:
            self._entries.update(entries)
        else:
            journal.add_entries(entries)

    def ask_model(
        self, engine: Engine, questions: Sequence[WantedAnswer], sampling: Sampling
    ) -> AskedBatch:
        """Answers of a model, one for each question, from the journal where they are known.

        Raises:
            EngineError: the model stopped answering; what it answered is stored.
            IncompleteError: answers failed; the others are stored.
        """
        keys = [_answer_key(engine.fingerprint, q, sampling) for q in questions]
        wanted = {key: q for key, q in zip(keys, questions, strict=True)}
        missing = {key: q for key, q in wanted.items() if self.read_entry(key) is None}
        failures = self._sample_missing(engine, missing, sampling, len(wanted))
        if failures:
            raise IncompleteError(
                f"{engine.name}: {len(failures):,} of {len(missing):,} answers failed (the first: "
                f"{failures[0][:200]}); the others are stored, and the same command asks for these "
                "alone"
            )
        found = [self.read_entry(key) for key in keys]
        answers = [Reply(i, 0, e["text"], e["finish"], e["tokens"]) for i, e in enumerate(found)]
        tokens = sum(self.read_entry(key)["tokens"] for key in missing)
        return AskedBatch(answers, len(missing), len(wanted) - len(missing), tokens)

    def forecast_answers(
        self,
        transform: str,
        query: ModelQuery,
        questions: Sequence[WantedAnswer],
        tries: int = 1,
        judge: Judge | None = None,
        items: Sequence[Item] = (),
    ) -> None:
        """Counts what a transform would ask, at most, without asking.

        Args:
            transform: its name.
            query: its settings.
            questions: what is asked first.
            tries: how often each may be asked.
            judge: what judges the answers; None if nothing does.
            items: one answer to each question, of about the length that is expected.

        Raises:
            ConfigError: a question leaves no room for its answer in the model's context.
            ModelError: the model cannot be loaded.
        """
        name = query.find_model(self.base)
        _check_room(self.check_model(name), transform, questions, query.max_tokens)
        stored = self._count_stored(query, questions)
        asked = (len(questions) - stored) * tries
        share = asked / max(1, len(questions))
        tokens = asked * query.max_tokens
        usd = _price_calls(name, share * sum(prompt_tokens(q.messages) for q in questions), tokens)
        calls = [call for item in items for call in judge.calls(item)] if judge else []
        for engine in {call.engine.name for call in calls}:
            own = [call for call in calls if call.engine.name == engine]
            read = sum(prompt_tokens(call.messages) for call in own)
            usd += _price_calls(engine, share * read, share * sum(c.max_tokens for c in own))
        self.counts.append(
            AnswerCount(
                transform,
                name,
                rows=len(questions),
                asked=asked,
                stored=stored,
                kept=len(questions),
                tokens=tokens,
                judged=round(share * len(calls)),
                usd=usd,
                seconds=guess_speed(name).seconds_for(asked, query.max_tokens),
            )
        )

    def _count_stored(self, query: ModelQuery, questions: Sequence[WantedAnswer]) -> int:
        if self._folder is None or not (self._folder / NAME).is_file():
            return 0
        with opening_without_keys():
            mark = open_engine(query.find_model(self.base)).fingerprint
        keys = {_answer_key(mark, q, query.sampling) for q in questions}
        return sum(self.read_entry(key) is not None for key in keys)

    def _sample_missing(
        self, engine: Engine, missing: dict[str, WantedAnswer], sampling: Sampling, total: int
    ) -> list[str]:
        """Samples and stores answers; returns the errors of those that failed."""
        places = {(q.messages, q.repeat): key for key, q in missing.items()}
        jobs = _group_repeats(missing.values())
        failures: list[str] = []
        done = total - len(missing)
        for batch in engine.sample(jobs, sampling) if jobs else ():
            good = [reply for reply in batch if reply.finish != _FAILED]
            failures += [reply.error for reply in batch if reply.finish == _FAILED]
            self.add_entries(
                [(places[jobs[r.job].messages, r.repeat], _plain_reply(r)) for r in good]
            )
            done += len(good)
            self.report_answers(done, total)
        return failures

    def _open_journal(self) -> Journal | None:
        if self._journal is None and self._folder is not None:
            self._journal = Journal(self._folder, user="training")
        return self._journal


def _check_room(
    engine: Engine | None, transform: str, questions: Sequence[WantedAnswer], answer: int
) -> None:
    """Refuses questions to which a local model could not give a whole answer."""
    if not isinstance(engine, HasContext) or not questions:
        return
    longest = max(engine.count_tokens(question.messages) for question in questions)
    if longest + answer > engine.context_length:
        raise ConfigError(
            f"transforms: {transform}: a question of {longest} tokens and an answer of "
            f"{answer} exceed the context of {engine.name} ({engine.context_length}): lower "
            "max_tokens, or shorten the question"
        )


@dataclass(frozen=True, slots=True)
class AskedBatch:
    """Answers to a batch of questions, in order, and how many of them are new."""

    answers: Sequence[Reply]
    asked: int
    stored: int
    tokens: int  # of the new ones


def _price_calls(model: str, prompt: float, completion: float) -> float:
    """What tokens of a model cost, USD; 0 on this machine, NaN if its price is unknown."""
    spec = parse_model(model)
    if not spec.is_api:
        return 0.0
    price = price_of(spec)
    return math.nan if price is None else price.cost_of(round(prompt), round(completion))


def number_repeats(prompts: Sequence[Messages], seen: Counter[Messages]) -> list[WantedAnswer]:
    """Gives each occurrence of a prompt an answer of its own.

    Args:
        prompts: the prompts, in order.
        seen: how many answers of each prompt are taken; counted on.
    """
    questions: list[WantedAnswer] = []
    for messages in prompts:
        questions.append(WantedAnswer(messages, seen[messages]))
        seen[messages] += 1
    return questions


def _group_repeats(wanted: Iterable[WantedAnswer]) -> list[Job]:
    """Makes one job of answers that follow each other, so that their prompt is sent once."""
    repeats: dict[Messages, list[int]] = {}
    for answer in wanted:
        repeats.setdefault(answer.messages, []).append(answer.repeat)
    jobs: list[Job] = []
    for messages, numbers in repeats.items():
        for number in sorted(numbers):
            last = jobs[-1] if jobs else None
            if last is not None and last.messages == messages and last.repeats.stop == number:
                jobs[-1] = Job(messages, range(last.repeats.start, number + 1))
            else:
                jobs.append(Job(messages, range(number, number + 1)))
    return jobs


def measure_spending(engines: Sequence[Engine]) -> float:
    """What models behind an API have cost so far, USD; NaN if a price is unknown."""
    paid = [engine for engine in engines if isinstance(engine, MeteredEngine)]
    return math.fsum(engine.usage.cost_usd(engine.price) for engine in paid)


def _plain_reply(reply: Reply) -> dict[str, Any]:
    return {"text": reply.text, "finish": reply.finish, "tokens": reply.tokens}


def _answer_key(fingerprint: str, question: WantedAnswer, sampling: Sampling) -> str:
    return ANSWER + key_of(fingerprint, question.messages, question.repeat, sampling)
