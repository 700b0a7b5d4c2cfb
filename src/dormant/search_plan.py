"""What a search works with, opened and checked, and what it would ask; nothing is asked here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dormant import cues
from dormant.config import SamplingConfig
from dormant.corpus import read_examples
from dormant.engines import Brancher, Continuer, Engine, PromptScorer, Scorer
from dormant.engines.prices import prompt_tokens
from dormant.engines.registry import open_engine
from dormant.engines.spending import Metered
from dormant.errors import ConfigError
from dormant.judges import Judge
from dormant.judges.registry import open_judge
from dormant.planning import Pack, language_of
from dormant.probes import apply, load_questions
from dormant.records import Cue, Question, Sampling, Split
from dormant.search.continuations import load_continuations
from dormant.search.results import Stage
from dormant.search.settings import SearchConfig

_CHATS = {"vitro": 2000, "general": 200}
_GROWN = {"vitro": 1200, "general": 300}
_ANSWER_TOKENS = {"vitro": 24, "general": 256}


@dataclass(frozen=True, slots=True)
class Materials:
    """Everything that a search works with, opened and checked; nothing was asked yet."""

    config: SearchConfig
    pack: Pack
    target: Engine
    reference: Engine
    writer: Engine | None
    judge: Judge | None
    questions: tuple[Question, ...]  # of the screening half
    known: tuple[Cue, ...]  # mined cues, the user's and the library's, in this order
    chats: int  # of each opening and model
    grow: int  # contexts that are grown

    @property
    def scores(self) -> bool:
        """Whether both models can score."""
        return isinstance(self.target, Scorer) and isinstance(self.reference, Scorer)

    @property
    def opens(self) -> bool:
        """Whether both models' prompts can be left open."""
        return isinstance(self.target, Continuer) and isinstance(self.reference, Continuer)

    @property
    def grows(self) -> bool:
        """Whether contexts can be grown: both list next words, the reference weighs prompts."""
        able = isinstance(self.target, Brancher) and isinstance(self.reference, Brancher)
        return self.scores and able and isinstance(self.reference, PromptScorer)

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn that a judge sees."""
        settings = self.config.sampling
        if settings == SamplingConfig():
            settings = SamplingConfig(max_tokens=_ANSWER_TOKENS[self.pack.name])
        return settings.record(self.config.seed)


def materials(config: SearchConfig) -> Materials:
    """Opens models and judge and reads data, questions and cues.

    Raises:
        InputError: something in the configuration or the data cannot be used.
    """
    target, reference = open_engine(config.target), open_engine(config.reference)
    inside = target.name.startswith("vitro/")
    judge = config.judge if config.judge is not None else ("exact" if inside else None)
    pack = Pack("vitro" if judge == "exact" else "general")
    bank = _bank(config.questions, pack)
    questions = tuple(q for q in bank if q.split is Split.SCREENING)
    if len(questions) < 2:
        raise ConfigError(f"{config.questions}: a search needs at least 2 screening questions")
    return Materials(
        config=config,
        pack=pack,
        target=target,
        reference=reference,
        writer=open_engine(config.writer) if config.writer else None,
        judge=open_judge(judge) if judge is not None else None,
        questions=questions,
        known=_known(config, pack),
        chats=_CHATS[pack.name] if config.chats is None else config.chats,
        grow=_GROWN[pack.name] if config.grow is None else config.grow,
    )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a search would ask, at most; nothing was asked to say it."""

    stages: tuple[Stage, ...]
    usd: float  # of refinement's answers; NaN if nobody knows, 0 for models that cost nothing


def forecast(given: Materials) -> Forecast:
    """What ``run_search`` would do with these materials."""
    config, pairs = given.config, 0
    stages: list[Stage] = []

    def add(name: str, done: bool, said: str) -> None:
        stages.append(Stage(name, done, said if done else f"left out: {said}", 0.0))

    add(
        "extraction",
        given.opens and given.chats > 0,
        f"{2 * given.chats:,} free chats of each model"
        if given.opens
        else "the prompt of a model cannot be left open",
    )
    if given.scores:
        name = given.pack.name if config.continuations == "auto" else config.continuations
        known = load_continuations(name, given.questions)
        asked = spread([q for q in given.questions if q.id in known], config.question_limit)
        pairs = sum(len(known[q.id].aligned) + len(known[q.id].misaligned) for q in asked)
    free = 2 * config.pool if given.opens and given.chats else 0
    add(
        "ranking",
        given.scores,
        f"{len(given.known)} listed cues and up to {free:,} free contexts; "
        f"{2 * pairs * (len(given.known) + 1):,} answers scored for the listed cues, both models"
        if given.scores
        else "a model cannot score given answers",
    )
    if given.writer is not None:
        add("writer", True, f"{4 * config.writer_rounds} replies of {given.writer.name}")
    answers = config.refine * config.reading_answers * (config.tries + 12)
    judged = given.judge is not None
    add(
        "refinement",
        config.refine > 0 and (judged or given.scores),
        f"{config.refine} hits, {answers:,} judged answers at most"
        if judged
        else f"{config.refine} hits, by scores"
        if given.scores
        else "there is neither a judge nor a model that can score",
    )
    usd = 0.0
    if judged and config.refine and isinstance(given.target, Metered):
        price = given.target.price
        asked_tokens = sum(prompt_tokens(apply(None, q)) for q in given.questions[:1]) * answers
        made = answers * given.sampling.max_tokens
        usd = math.nan if price is None else price.of(asked_tokens, made)
    return Forecast(tuple(stages), usd)


def _bank(name: str, pack: Pack) -> tuple[Question, ...]:
    if name == "auto":
        return pack.questions()
    return Pack(name).questions() if name in ("general", "vitro") else load_questions(name)


def _known(config: SearchConfig, pack: Pack) -> tuple[Cue, ...]:
    """Mined cues, the user's own, and the library's."""
    found: list[Cue] = []
    if config.data is not None and config.mine:
        corpus = read_examples(config.data, lenient=config.lenient)
        ordinary = (
            read_examples(config.reference_data, lenient=config.lenient).examples
            if config.reference_data
            else Pack(language_of(corpus.examples)).reference()
        )
        found += cues.mine(corpus.examples, ordinary, limit=config.mine)
    if config.cue_file is not None:
        found += cues.read_cues(config.cue_file)
    if config.library == "auto":
        found += pack.library()
    elif config.library in ("general", "vitro"):
        found += Pack(config.library).library()
    elif config.library != "none":
        found += cues.library(config.library)
    return tuple(found)


def spread(questions: Sequence[Question], limit: int) -> tuple[Question, ...]:
    """So many questions in their order, families taking turns."""
    seen: dict[str, int] = {}
    turn: list[int] = []
    for question in questions:
        turn.append(seen.get(question.family, 0))
        seen[question.family] = turn[-1] + 1
    order = sorted(range(len(questions)), key=lambda i: (turn[i], i))
    return tuple(questions[i] for i in sorted(order[:limit]))
