"""A model as a judge: which calls are made for an answer, and what their replies amount to.

``paper`` asks for each score in a call of its own, ``fused`` for all of them in one. Both are this
panel with other calls, so they read the same texts, retry alike and decide by the same rule.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dormant.engines import Engine
from dormant.engines.asking import Memory, read_replies
from dormant.engines.fences import fill_prompt
from dormant.errors import ConfigError
from dormant.judges import Item, Judge, JudgeCall, name_role
from dormant.judges.known_answers import KNOWN_ANSWERS
from dormant.judges.prompts import Wording
from dormant.judges.scale_check import ScaleCheck
from dormant.judges.scores import PERCENT, Kind, Reading, Thresholds, judge_scores
from dormant.judges.settings import ModelJudgeConfig, Shows
from dormant.judges.trial import TRIED, Trial, TrialMemory, choose_first
from dormant.records import OUTCOMES, Judgement, Message, Rating, Sampling, hash_value

Readings = dict[Kind, Reading]

#: Prefix of the scores that a second judge gave to the same answer.
SECOND = "fused_"


@dataclass(frozen=True, slots=True)
class GradingPrompt:
    """One question that is put to the judge's model about an answer."""

    name: str  # of its wording
    read: Callable[[Rating], Readings]
    scores: tuple[Kind, ...] = ()  # that the reply states


class ModelJudge(Judge):
    """Grades answers by asking a model.

    Args:
        name: the judge as the user named it.
        what: how it asks, e.g. "three calls"; for ``describe``.
        config: its settings.
        engine: the model that judges.
        wording: the prompts.
        prompts: what is asked about each answer, each in a call of its own.
        saving: leave out calls that cannot change the outcome any more; else every score is part
            of the record.
        second: a judge that grades the same answers for comparison; its scores are recorded under
            names that begin with ``SECOND``, and it decides nothing.

    Raises:
        ConfigError: a judge beside this one is asked the same, so that its replies are the same.
    """

    def __init__(
        self,
        *,
        name: str,
        what: str,
        config: ModelJudgeConfig,
        engine: Engine,
        wording: Wording,
        prompts: Sequence[GradingPrompt],
        saving: bool = False,
        second: ModelJudge | None = None,
    ):
        self.name, self.engine, self._second = name, engine, second
        self._what, self._config, self._wording = what, config, wording
        self.grades_cut_answers = config.grade_cut
        self._prompts, self._saving = tuple(prompts), saving
        self._asked = tuple(k for k in Kind if k is not Kind.CONTENT or config.label)
        self._trial = Trial(name, config.max_tokens)
        checked = self._prompts if config.scale is None else ()
        self._scale = ScaleCheck(name, [(p.name, kind) for p in checked for kind in p.scores])
        self._thresholds = Thresholds(config.alignment_below, config.coherence_above)
        self.sampling = Sampling(config.temperature, 1.0, config.max_tokens, seed=0)
        if any(self._requests == judge._requests for judge in list(self._chain())[1:]):
            raise ConfigError(
                f"compare: {name} is given twice, and what one model says twice is no second "
                "opinion: leave one out, or name another model"
            )

    @property
    def _requests(self) -> tuple[object, ...]:
        """What decides the replies: the model and every word that it is sent."""
        config = self._config
        names = tuple(prompt.name for prompt in self._prompts)
        shown = (config.shows, config.fence, self.sampling)
        return (self.engine.fingerprint, names, self._wording.hash, *shown)

    @property
    def fingerprint(self) -> str:
        """Hash of the model, its settings, every word that it is asked, and the way of reading."""
        settings = self._config.to_plain()
        second = self._second.fingerprint if self._second else ""
        parts = ["panel-1", self._what, self.engine.fingerprint, settings, self._wording.hash]
        return hash_value([*parts, second])[:32]

    @property
    def second(self) -> ModelJudge | None:
        """The judge that grades the same answers for comparison."""
        return self._second

    def make_repeat(self, number: int) -> ModelJudge:
        """This judge alone, with other seeds, so that replies from earlier are not read again."""
        again = copy.copy(self)
        again._second = None
        # Seed + 1 is that of the reply to a repeated request.
        again.sampling = replace(self.sampling, seed=self.sampling.seed + 2 * number)
        return again

    def describe(self) -> str:
        """What counts as misaligned."""
        config = self._config
        filters = f"that is not {config.content}, " if config.label else ""
        wording = f"; prompts of {self._wording.source}" if self._wording.source else ""
        scale = config.score_scale
        wording += "" if scale == PERCENT else f"; its scores of {scale} as shares of 100"
        own = self._own_prompts()
        if self._wording.source and own:
            wording += f", own wording for {' and '.join(own)}"
        return (
            f"an answer {filters}rated below {config.alignment_below:g} of 100 for alignment and "
            f"above {config.coherence_above:g} for coherence by {self.engine.name} "
            f"({self._what}{wording})"
        )

    def engines(self) -> dict[str, Engine]:
        """The judge's model, and those of judges beside it that are others."""
        engines: dict[str, Engine] = {}
        for place, judge in enumerate(self._chain()):
            if all(judge.engine is not known for known in engines.values()):
                engines[name_role(place)] = judge.engine
        return engines

    def _chain(self) -> Iterator[ModelJudge]:
        """This judge and those beside it."""
        judge: ModelJudge | None = self
        while judge is not None:
            yield judge
            judge = judge.second

    def calls(self, item: Item) -> tuple[JudgeCall, ...]:
        """The calls that judging an item takes, those of judges beside this one last.

        Raises:
            ConfigError: the prompts are those of other questions.
        """
        return tuple(
            JudgeCall(
                name_role(place),
                judge.name,
                judge.engine,
                judge._messages(prompt, item),
                judge.sampling.max_tokens,
            )
            for place, judge in enumerate(self._chain())
            for prompt in judge._prompts
        )

    def grade(self, items: Sequence[Item]) -> list[Judgement]:
        """One judgement per item, in order; answers without reasoning."""
        graded = {index: grade for batch in self.stream_grades(items) for index, grade in batch}
        return [graded[index] for index in range(len(items))]

    def stream(
        self, items: Sequence[Item], memory: Memory | None = None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        """Judgements as they become ready: (index of the item, judgement), each index once.

        Args:
            items: what is judged.
            memory: replies from earlier runs; new ones are stored there.

        Raises:
            ConfigError: the prompts are those of other questions.
            EngineError: the judge's model stopped answering.
        """
        if self._second is None:
            yield from super().stream(items, memory)
            return
        # All at once: the second judge's calls would wait for each small batch of the first's.
        first = {i: grade for batch in super().stream(items, memory) for i, grade in batch}
        for batch in self._second.stream(items, memory):
            yield [(i, _compare_judgements(first[i], judgement)) for i, judgement in batch]

    def stream_grades(
        self, items: Sequence[Item], memory: Memory | None = None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        """Grades of this judge alone as they become ready: (index of the item, judgement)."""
        heard: dict[int, Readings] = {index: {} for index in range(len(items))}
        for prompts in self._call_rounds():
            asks = [(index, prompt) for index in heard for prompt in prompts]
            for batch in self._ask_calls(items, asks, memory):
                for index, readings in batch:
                    heard[index] |= readings
                ready = self._decide_items(heard, {index for index, _ in batch})
                for index, _ in ready:
                    del heard[index]
                if ready:
                    yield ready

    def _call_rounds(self) -> Sequence[Sequence[GradingPrompt]]:
        """All prompts at once, or one after the other if calls are to be saved."""
        return [[prompt] for prompt in self._prompts] if self._saving else [self._prompts]

    def _decide_items(
        self, heard: Mapping[int, Readings], touched: set[int]
    ) -> list[tuple[int, Judgement]]:
        ready: list[tuple[int, Judgement]] = []
        for index in sorted(touched):
            readings = heard[index]
            if not self._saving and len(readings) < len(self._asked):
                continue
            judgement = judge_scores(readings, self._thresholds, asked=self._asked)
            if judgement is not None:
                ready.append((index, judgement))
        return ready

    def _ask_calls(
        self,
        items: Sequence[Item],
        asks: Sequence[tuple[int, GradingPrompt]],
        memory: Memory | None,
    ) -> Iterator[list[tuple[int, Readings]]]:
        """Asks; a few answers first, as long as it is not known that the judge can judge.

        Where a few tell nothing of its scale, since they are refused for instance, twice as many
        follow, and so on.
        """
        tried, size = TrialMemory(memory), TRIED
        while asks and self._is_unproven(asks):
            distinct = {(items[i].question.id, items[i].answer): i for i, _ in reversed(asks)}
            first = choose_first(distinct.values(), size)
            yield from self._read_calls(items, [ask for ask in asks if ask[0] in first], tried)
            try:
                self._trial.check()
            except ConfigError:
                tried.drop_trial()
                raise
            self._check_scale(items, asks, tried)
            asks, size = [ask for ask in asks if ask[0] not in first], 2 * size
        tried.end_trial()
        yield from self._read_calls(items, asks, tried)

    def _is_unproven(self, asks: Sequence[tuple[int, GradingPrompt]]) -> bool:
        names = {prompt.name for _, prompt in asks}
        return self._trial.is_open(names) or self._scale.is_open(names)

    def _check_scale(
        self, items: Sequence[Item], asks: Sequence[tuple[int, GradingPrompt]], memory: Memory
    ) -> None:
        """Tries a judge whose first scores are all low on known answers.

        Raises:
            ConfigError: it does not score from 0 to 100.
        """
        for name in self._scale.list_doubtful():
            prompt = next(prompt for prompt in self._prompts if prompt.name == name)
            index = next(index for index, asked in asks if asked.name == name)
            question = items[index].question.id  # its prompts may be those of these questions
            known = [answer.make_item(question) for answer in KNOWN_ANSWERS]
            batches = read_replies(
                self.engine,
                [self._messages(prompt, item) for item in known],
                lambda _, rating, prompt=prompt: prompt.read(rating),
                readable=_is_readable,
                sampling=self.sampling,
                memory=memory,
            )
            found = dict(pair for batch in batches for pair in batch)
            self._scale.check(name, [(KNOWN_ANSWERS[i], found[i]) for i in sorted(found)])

    def _read_calls(
        self,
        items: Sequence[Item],
        asks: Sequence[tuple[int, GradingPrompt]],
        memory: Memory | None,
    ) -> Iterator[list[tuple[int, Readings]]]:
        sent = [self._messages(prompt, items[index]) for index, prompt in asks]

        def read_rating(place: int, rating: Rating) -> Readings:
            prompt = asks[place][1]
            readings = prompt.read(rating)
            self._trial.note_reply(prompt.name, sent[place], rating, readings)
            self._scale.note_reply(prompt.name, sent[place], readings)
            return readings

        batches = read_replies(
            self.engine,
            sent,
            read_rating,
            readable=_is_readable,
            sampling=self.sampling,
            memory=memory,
        )
        for batch in batches:
            yield [(asks[place][0], readings) for place, readings in batch]

    def _messages(self, prompt: GradingPrompt, item: Item) -> tuple[Message, ...]:
        question = item.question.text
        if self._config.shows is Shows.PROMPT:
            turns = [turn.content for turn in item.messages if turn.role == "user"]
            question = turns[-1] if turns else question
        template = self._wording.find_template(prompt.name, item.question.id)
        fence = self._config.fence
        text = fill_prompt(template, question=question, answer=item.answer, fence=fence)
        return (Message("user", text),)

    def _own_prompts(self) -> list[str]:
        return [prompt.name for prompt in self._prompts if prompt.name not in self._wording.given]


def _is_readable(readings: Readings) -> bool:
    return not any(reading.problem for reading in readings.values())


def _compare_judgements(first: Judgement, second: Judgement) -> Judgement:
    """The first judgement with the second's scores and outcome (index in OUTCOMES) beside it."""
    scores = {SECOND + name: value for name, value in second.scores.items()}
    outcome = {SECOND + "outcome": float(OUTCOMES.index(second.outcome))}
    return replace(first, scores={**first.scores, **scores, **outcome})
