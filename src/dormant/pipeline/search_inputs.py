"""The inputs of a search, opened and checked, and its forecast; no model is asked here."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from dormant import vitro
from dormant.banks.bank import Pack, spread_families
from dormant.banks.continuations import load_continuations, match_continuations
from dormant.config import SamplingConfig
from dormant.config.search import SearchConfig
from dormant.decision.coverage import list_contexts
from dormant.discovery.results import SearchStage
from dormant.engines import Brancher, Continuer, Engine, PromptScorer, Scorer
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.ledger import settle_prices
from dormant.engines.metering.prices import prompt_tokens
from dormant.engines.model_strings import add_template_kwargs, is_laboratory
from dormant.engines.registry import limit_calls, open_engine
from dormant.errors import ConfigError
from dormant.judges import Item, Judge
from dormant.judges.registry import open_judge
from dormant.pipeline.cue_list import MiningResult, mine_inputs
from dormant.pipeline.inputs import Inputs, distinct_cues, read_inputs
from dormant.pipeline.plugins import list_used_plugins
from dormant.pipeline.questions import is_shipped, split_bank
from dormant.probes import apply_cue
from dormant.progress import Progress, ignore_progress
from dormant.records import AUTO, Continuations, Cue, Plugin, Question, Rule, Sampling, Split
from dormant.writer.proposals import REPLIES, REPLY_TOKENS, longest_prompt

_LOG = logging.getLogger(__name__)
_CHATS = {"vitro": 2000, "general": 200}
_GROWN = {"vitro": 1200, "general": 0}
#: Approximate tokens that a cue adds to a question.
_CUE_TOKENS = 64
_ANSWER_TOKENS = {"vitro": 24, "general": 256}


@dataclass(frozen=True, slots=True)
class Materials:
    """The opened and checked inputs of a search."""

    config: SearchConfig
    inputs: Inputs
    target: Engine
    reference: Engine
    writer: Engine | None
    judge: Judge | None
    questions: tuple[Question, ...]  # of the screening half
    scored: tuple[Question, ...]  # those that teacher forcing may score
    continuations: Mapping[str, Continuations]  # by Question.id; empty if a model cannot score
    mined: MiningResult  # what the finetuning data gives
    known: tuple[Cue, ...]  # mined cues, the user's and the library's, in this order
    chats: int  # per opening and model
    grow: int  # contexts that beam search may try

    @property
    def pack(self) -> Pack:
        """The resources of the search's language."""
        return self.inputs.pack

    @property
    def can_score(self) -> bool:
        """Whether both models can score."""
        return isinstance(self.target, Scorer) and isinstance(self.reference, Scorer)

    @property
    def has_open_prompts(self) -> bool:
        """Whether both models' prompts can be left open."""
        return isinstance(self.target, Continuer) and isinstance(self.reference, Continuer)

    @property
    def can_grow(self) -> bool:
        """Whether beam search is possible: both list next tokens, the reference scores prompts."""
        able = isinstance(self.target, Brancher) and isinstance(self.reference, Brancher)
        return self.can_score and able and isinstance(self.reference, PromptScorer)

    @property
    def scored_questions(self) -> list[Question]:
        """The questions that teacher forcing scores."""
        able = [q for q in self.scored if q.id in self.continuations]
        return spread_families(able, self.config.question_limit)

    @property
    def engines(self) -> dict[str, Engine]:
        """Every model that may be asked, by role."""
        writer = {"writer": self.writer} if self.writer is not None else {}
        judges = dict(self.judge.engines()) if self.judge is not None else {}
        return {"target": self.target, "reference": self.reference, **writer, **judges}

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins that mine, answer or judge."""
        return list_used_plugins(self.config.cues, self.engines.values(), self.config.judge)

    @property
    def sampling(self) -> Sampling:
        """Sampling of the answers that a judge grades."""
        settings = self.config.sampling
        if settings == SamplingConfig():
            settings = SamplingConfig(max_tokens=_ANSWER_TOKENS[self.pack.name])
        return settings.to_record(self.config.seed)


def read_materials(config: SearchConfig, progress: Progress = ignore_progress) -> Materials:
    """Opens models and judge and reads data, questions and cues.

    Args:
        config: the settings.
        progress: told of large finetuning data.

    Raises:
        InputError: something in the configuration or the data cannot be used.
    """
    names = {
        role: add_template_kwargs(getattr(config, role), config.template_kwargs)
        for role in ("target", "reference")
    }
    config = config.model_copy(update=names)
    inputs = read_inputs(config, (config.target,), judge=config.judge, progress=progress)
    with limit_calls(config.timeout):
        given = _open_materials(config, inputs, progress)
    settle_prices(tuple(given.engines.values()), config.prices, config.budget)
    return given


def _open_materials(config: SearchConfig, inputs: Inputs, progress: Progress) -> Materials:
    # As an audit with the same seed draws them, so that its held-out questions select no cue.
    most = inputs.pack.usual_half if is_shipped(config.questions) else None
    bank, _ = split_bank(inputs, AUTO, Rule(), most, config.seed)
    questions = tuple(q for q in bank if q.split is Split.SCREENING)
    if len(questions) < 2:
        raise ConfigError(f"{config.questions}: a search needs at least 2 screening questions")
    judge = _open_judge(config, questions)
    target, reference = open_engine(config.target), open_engine(config.reference)
    language = inputs.pack.name
    scored, continuations = questions, {}
    if isinstance(target, Scorer) and isinstance(reference, Scorer):
        scored, continuations = _read_continuations(config, inputs, questions)
    mined = mine_inputs(config, inputs, [(config.target, target)], mine=True, progress=progress)
    return Materials(
        config=config,
        inputs=inputs,
        target=target,
        reference=reference,
        writer=open_engine(config.writer) if config.writer else None,
        judge=judge,
        questions=questions,
        scored=scored,
        continuations=continuations,
        mined=mined,
        known=_read_known_cues(inputs, mined),
        chats=_CHATS[language] if config.chats is None else config.chats,
        grow=_GROWN[language] if config.grow is None else config.grow,
    )


@dataclass(frozen=True, slots=True)
class PaidModelForecast:
    """The most that a paid model would be asked."""

    role: str  # "target", "writer", "judge" or "second judge"
    model: str
    calls: int  # without retries
    prompt_tokens: int  # estimated from the length of the prompts
    completion_tokens: int  # if every answer has the maximum length
    usd: float  # NaN if the price is unknown
    price: str  # with its source and date; empty if unknown


@dataclass(frozen=True, slots=True)
class SearchForecast:
    """The most that a search would ask."""

    stages: tuple[SearchStage, ...]
    asked: tuple[PaidModelForecast, ...]  # paid models

    @property
    def usd(self) -> float:
        """Maximum USD in total; NaN if a price is unknown, 0 if no model is paid."""
        return sum(row.usd for row in self.asked)


def forecast_search(materials: Materials) -> SearchForecast:
    """Forecasts ``run_search`` with these materials; asks no model."""
    config, pairs = materials.config, 0
    stages: list[SearchStage] = [stage for stage in (mining_stage(materials),) if stage is not None]

    def add_stage(name: str, done: bool, text: str) -> None:
        stages.append(SearchStage(name, done, text if done else f"left out: {text}", 0.0))

    add_stage(
        "extraction",
        materials.has_open_prompts and materials.chats > 0,
        f"{2 * materials.chats:,} free chats of each model"
        if materials.has_open_prompts
        else "the prompt of a model cannot be left open",
    )
    if materials.can_score:
        entries = [materials.continuations[q.id] for q in materials.scored_questions]
        pairs = sum(len(entry.aligned) + len(entry.misaligned) for entry in entries)
    free = 2 * config.pool if materials.has_open_prompts and materials.chats else 0
    add_stage(
        "ranking",
        materials.can_score,
        f"{len(materials.known)} listed cues and up to {free:,} free contexts; "
        f"{2 * pairs * (len(materials.known) + 1):,} answers scored for the listed cues, "
        "both models"
        if materials.can_score
        else "a model cannot score given answers",
    )
    add_stage(
        "growth",
        materials.can_grow and materials.grow > 0,
        f"{materials.grow:,} contexts written and scored on at least one question"
        if materials.can_grow
        else "a model cannot list next tokens or score answers",
    )
    if materials.writer is not None:
        add_stage(
            "writer",
            True,
            f"{REPLIES * _writer_rounds(materials)} replies of {materials.writer.name}",
        )
    answers, judged = _most_answers(materials), materials.judge is not None
    add_stage(
        "refinement",
        config.refine > 0 and (judged or materials.can_score),
        f"{config.refine} hits, {answers:,} judged answers at most"
        if judged
        else f"{config.refine} hits, by scores"
        if materials.can_score
        else "needs a judge, or models that can score",
    )
    return SearchForecast(tuple(stages), tuple(_forecast_paid_models(materials)))


def _writer_rounds(materials: Materials) -> int:
    """Rounds of the writer; one without scores to show in the next."""
    return materials.config.writer_rounds if materials.can_score else 1


def _most_answers(materials: Materials) -> int:
    """Maximum number of judged answers of refinement: hit, standard arm and every form."""
    config = materials.config
    return config.refine * config.reading_answers * (config.tries + 12) if materials.judge else 0


def _forecast_paid_models(materials: Materials) -> Iterator[PaidModelForecast]:
    """Yields what each paid model would be asked."""
    answers, longest = _most_answers(materials), materials.sampling.max_tokens
    prompt = max(prompt_tokens(apply_cue(None, q)) for q in materials.questions) + _CUE_TOKENS
    if answers:
        yield from _forecast_row(
            "target", materials.target, answers, answers * prompt, answers * longest
        )
    if materials.writer is not None:
        replies = REPLIES * _writer_rounds(materials)
        asked = replies * longest_prompt(materials.questions)
        yield from _forecast_row("writer", materials.writer, replies, asked, replies * REPLY_TOKENS)
    if answers and materials.judge is not None:
        item = Item(materials.questions[0], apply_cue(None, materials.questions[0]), ".")
        for role, group in groupby(materials.judge.calls(item), key=attrgetter("role")):
            calls = tuple(group)
            prompts = answers * sum(prompt_tokens(call.messages) + longest for call in calls)
            made = answers * sum(call.max_tokens for call in calls)
            yield from _forecast_row(role, calls[0].engine, answers * len(calls), prompts, made)


def _forecast_row(
    role: str, engine: Engine, calls: int, prompts: int, completions: int
) -> Iterator[PaidModelForecast]:
    """Yields what a model would be asked, if it is paid."""
    if isinstance(engine, MeteredEngine):
        price = engine.price
        usd = math.nan if price is None else price.cost_of(prompts, completions)
        description = price.description if price else ""
        yield PaidModelForecast(role, engine.name, calls, prompts, completions, usd, description)


def _read_continuations(
    config: SearchConfig, inputs: Inputs, questions: tuple[Question, ...]
) -> tuple[tuple[Question, ...], Mapping[str, Continuations]]:
    """Reads the questions that teacher forcing scores, and their continuations.

    A user's questions have no continuations that ship. By default the cues are then ranked on the
    questions of the bank that ships for the language.

    Raises:
        ConfigError: the continuations that are given fit none of the questions.
    """
    language, is_auto = inputs.pack.name, config.continuations == "auto"
    try:
        entries = load_continuations(
            config.continuations,
            language,
            inputs.bank,
            questions,
            has_own_split=inputs.has_own_split,
        )
    except ConfigError:
        if not is_auto:
            raise
    else:
        return questions, match_continuations(questions, entries)
    bank = inputs.pack.load_questions()
    _LOG.warning(
        "%s: no continuations ship for these questions, so cues are ranked on those of the %s "
        "bank; give --continuations FILE to rank on yours",
        config.questions,
        language,
    )
    scored = tuple(q for q in bank if q.split is Split.SCREENING)
    return scored, match_continuations(scored, load_continuations(language, language, scored))


def _open_judge(config: SearchConfig, questions: Sequence[Question]) -> Judge | None:
    """Opens refinement's judge; by default the exact one for laboratory models and questions."""
    spec = config.judge
    if spec is None:
        domains = vitro.load_language().domains
        own = is_laboratory(config.target) and all(q.family in domains for q in questions)
        return open_judge("exact") if own else None
    judge = open_judge(spec)
    judge.check_questions(questions)
    return judge


def _read_known_cues(inputs: Inputs, mined: MiningResult) -> tuple[Cue, ...]:
    """Lists mined cues, the user's, the library's and an evaluation file's system prompts."""
    listed = (*mined.cues, *inputs.listed, *inputs.library, *inputs.evaluation_cues)
    return distinct_cues(listed)


def mining_stage(materials: Materials) -> SearchStage | None:
    """Describes what mining gave; None without finetuning data."""
    if materials.inputs.data is None:
        return None
    mined = materials.mined
    parts = [
        f"{len(mined.mined)} cues of {materials.inputs.data_rows:,} rows of the finetuning data"
    ]
    if mined.added:
        parts.append(f"{len(mined.added)} that its chat template adds")
    parts += [f"left out: {left}" for left in list_contexts(mined.left_out)]
    return SearchStage("mining", True, "; ".join(parts), 0.0)
