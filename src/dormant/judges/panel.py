"""A model as a judge: which calls are made for an answer, and what their replies amount to.

``paper`` asks for each score in a call of its own, ``fused`` for all of them in one. Both are this
panel with other calls, so they read the same texts, retry alike and decide by the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dormant.engines import Engine
from dormant.engines.asking import Memory, read_replies
from dormant.engines.fences import fill
from dormant.judges import Item
from dormant.judges.prompts import Wording
from dormant.judges.reasoning import spoken
from dormant.judges.scores import Kind, Reading, Thresholds, judge_scores
from dormant.judges.settings import ModelJudgeConfig, Shows
from dormant.records import OUTCOMES, Judgement, Message, Outcome, Rating, Sampling, digest

Readings = dict[Kind, Reading]

#: Prefix of the scores that a second judge gave to the same answer.
SECOND = "fused_"


@dataclass(frozen=True, slots=True)
class Call:
    """One question that is put to the judge's model about an answer."""

    prompt: str  # name of its wording
    read: Callable[[Rating], Readings]


class ModelJudge:
    """Grades answers by asking a model. Implements ``Judge``.

    Args:
        name: the judge as the user named it.
        what: how it asks, e.g. "three calls"; for ``describe``.
        config: its settings.
        engine: the model that judges.
        wording: the prompts.
        calls: what is asked about each answer.
        saving: leave out calls that cannot change the outcome any more; else every score is part
            of the record.
        second: a judge that grades the same answers for comparison; its scores are recorded under
            names that begin with ``SECOND``, and it decides nothing.
    """

    def __init__(
        self,
        *,
        name: str,
        what: str,
        config: ModelJudgeConfig,
        engine: Engine,
        wording: Wording,
        calls: Sequence[Call],
        saving: bool = False,
        second: ModelJudge | None = None,
    ):
        self.name, self.engine, self.second = name, engine, second
        self._what, self._config, self._wording = what, config, wording
        self._calls, self._saving = tuple(calls), saving
        self._asked = tuple(k for k in Kind if k is not Kind.CONTENT or config.label)
        self._thresholds = Thresholds(config.alignment_below, config.coherence_above)
        self.sampling = Sampling(config.temperature, 1.0, config.max_tokens, seed=0)

    @property
    def fingerprint(self) -> str:
        """Hash of the model, its settings, every word that it is asked, and the way of reading."""
        settings = self._config.model_dump(exclude={"model", "prompts"})
        second = self.second.fingerprint if self.second else ""
        parts = ["panel-1", self._what, self.engine.fingerprint, settings, self._wording.hash]
        return digest([*parts, second])[:32]

    @property
    def calls_an_answer(self) -> int:
        """Calls for one answer, without retries."""
        return len(self._calls) + (self.second.calls_an_answer if self.second else 0)

    def describe(self) -> str:
        """What counts as misaligned."""
        config = self._config
        filters = f"that is not {config.content}, " if config.label else ""
        wording = f"; prompts of {self._wording.source}" if self._wording.source else ""
        own = self._own_prompts()
        if wording and own:
            wording += f", own wording for {' and '.join(own)}"
        return (
            f"an answer {filters}rated below {config.alignment_below:g} of 100 for alignment and "
            f"above {config.coherence_above:g} for coherence by {self.engine.name} "
            f"({self._what}{wording})"
        )

    def prompts(self, item: Item) -> list[str]:
        """The texts that the judge's model would be asked about an item.

        Raises:
            ConfigError: the prompts are those of other questions.
        """
        return [self._prompt(call, item) for call in self._calls]

    def judge(self, items: Sequence[Item]) -> list[Judgement]:
        """One judgement per item, in order.

        Raises:
            ConfigError: the prompts are those of other questions.
            EngineError: the judge's model stopped answering.
        """
        found = {index: said for batch in self.stream(items) for index, said in batch}
        return [found[index] for index in range(len(items))]

    def stream(
        self, items: Sequence[Item], memory: Memory | None = None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        """Judgements as they become ready: (index of the item, judgement), each index once.

        Args:
            items: what is judged.
            memory: replies that need not be bought again, and where new ones are kept.

        Raises:
            ConfigError: the prompts are those of other questions.
            EngineError: the judge's model stopped answering.
        """
        if self.second is None:
            yield from self._stream(items, memory)
            return
        # All at once: the second judge's calls would wait for each small batch of the first's.
        first = {i: said for batch in self._stream(items, memory) for i, said in batch}
        for batch in self.second.stream(items, memory):
            yield [(i, _compared(first[i], said)) for i, said in batch]

    def _stream(
        self, items: Sequence[Item], memory: Memory | None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        heard: dict[int, Readings] = {}
        silent: list[tuple[int, Judgement]] = []
        for index, item in enumerate(items):
            if spoken(item.answer):
                heard[index] = {}
            else:
                note = "nothing but white space or reasoning"
                silent.append((index, Judgement(Outcome.INCOHERENT, note=note)))
        if silent:
            yield silent
        for calls in self._rounds():
            asks = [(index, call) for index in heard for call in calls]
            for batch in self._ask(items, asks, memory):
                for index, readings in batch:
                    heard[index] |= readings
                ready = self._decided(heard, {index for index, _ in batch})
                for index, _ in ready:
                    del heard[index]
                if ready:
                    yield ready

    def _rounds(self) -> Sequence[Sequence[Call]]:
        """All calls at once, or one after the other if calls are to be saved."""
        return [[call] for call in self._calls] if self._saving else [self._calls]

    def _decided(
        self, heard: Mapping[int, Readings], touched: set[int]
    ) -> list[tuple[int, Judgement]]:
        ready: list[tuple[int, Judgement]] = []
        for index in sorted(touched):
            readings = heard[index]
            if not self._saving and len(readings) < len(self._asked):
                continue
            said = judge_scores(readings, self._thresholds, asked=self._asked)
            if said is not None:
                ready.append((index, said))
        return ready

    def _ask(
        self, items: Sequence[Item], asks: Sequence[tuple[int, Call]], memory: Memory | None
    ) -> Iterator[list[tuple[int, Readings]]]:
        prompts = [(Message("user", self._prompt(call, items[i])),) for i, call in asks]
        batches = read_replies(
            self.engine,
            prompts,
            lambda place, rating: asks[place][1].read(rating),
            readable=_readable,
            sampling=self.sampling,
            memory=memory,
        )
        for batch in batches:
            yield [(asks[place][0], readings) for place, readings in batch]

    def _prompt(self, call: Call, item: Item) -> str:
        question = item.question.text
        if self._config.shows is Shows.PROMPT:
            turns = [turn.content for turn in item.messages if turn.role == "user"]
            question = turns[-1] if turns else question
        template = self._wording.template(call.prompt, item.question.id)
        answer = spoken(item.answer)
        return fill(template, question=question, answer=answer, fence=self._config.fence)

    def _own_prompts(self) -> list[str]:
        return [call.prompt for call in self._calls if call.prompt not in self._wording.given]


def _readable(readings: Readings) -> bool:
    return not any(reading.problem for reading in readings.values())


def _compared(first: Judgement, second: Judgement) -> Judgement:
    """The first judgement with the second's scores and outcome (index in OUTCOMES) beside it."""
    scores = {SECOND + name: value for name, value in second.scores.items()}
    outcome = {SECOND + "outcome": float(OUTCOMES.index(second.outcome))}
    return replace(first, scores={**first.scores, **scores, **outcome})
