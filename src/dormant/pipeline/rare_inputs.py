"""The inputs of a measurement of rare rates, opened and checked, and its forecast."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from dormant.banks.bank import spread_families
from dormant.config import CueConfig, InputConfig
from dormant.config.rare import RareConfig
from dormant.engines import Engine, Scorer
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.ledger import settle_prices
from dormant.engines.metering.prices import prompt_tokens
from dormant.engines.registry import limit_calls, open_engine
from dormant.errors import ConfigError
from dormant.judges import Item, Judge
from dormant.judges.registry import open_judge
from dormant.pipeline.inputs import distinct_cues, read_inputs
from dormant.pipeline.recompute import load_run
from dormant.probes import apply_cue
from dormant.records import Cue, Message, Origin, Plan, Question, Role, Sampling, hash_value

#: Longest answer without a run, in tokens.
_ANSWER_TOKENS = {"vitro": 24, "general": 256}
#: Parts of a measurement that sample with random numbers of their own.
PLAIN, PROPOSED = "plain", "proposed"


@dataclass(frozen=True, slots=True)
class RareArm:
    """One model under one cue, whose rate is measured."""

    role: Role
    cue: Cue | None
    engine: Engine

    @property
    def name(self) -> str | None:
        """Name of the cue; None without one."""
        return self.cue.name if self.cue is not None else None

    def ask(self, question: Question) -> tuple[Message, ...]:
        """The messages that ask a question in this arm."""
        return apply_cue(self.cue, question)


@dataclass(frozen=True, slots=True)
class RareProposal:
    """A model and a context that make misaligned answers common."""

    engine: Engine
    cue: Cue | None
    system: str

    def ask(self, question: Question) -> tuple[Message, ...]:
        """The messages that ask a question of the proposal."""
        return apply_cue(self.cue, question, system=self.system)

    def describe(self) -> str:
        """Model and context in words."""
        parts = [f"cue {self.cue.name!r}"] if self.cue is not None else []
        parts += ["a system prompt"] if self.system else []
        return f"{self.engine.name}, {' and '.join(parts) or 'no cue'}"


@dataclass(frozen=True, slots=True)
class RareInputs:
    """The opened and checked inputs."""

    config: RareConfig
    questions: tuple[Question, ...]
    arms: tuple[RareArm, ...]  # the target's first, each role's without a cue before the others
    proposals: tuple[RareProposal, ...]  # empty if all answers are plain
    judge: Judge
    max_tokens: int
    out: Path

    @property
    def plain_share(self) -> float:
        """Share of plain answers; 1 without a proposal."""
        return self.config.plain_share if self.proposals else 1.0

    @property
    def engines(self) -> dict[str, Engine]:
        """Every model that may be asked, by role."""
        asked: dict[str, Engine] = {str(arm.role): arm.engine for arm in self.arms}
        for number, proposal in enumerate(self.proposals):
            if all(proposal.engine is not engine for engine in asked.values()):
                asked[f"proposal {number + 1}"] = proposal.engine
        return {**asked, **self.judge.engines()}

    def sampling_of(self, part: str) -> Sampling:
        """How one part's answers are sampled: never the answers that an audit has seen."""
        seed = int(hash_value(["rare", part, self.config.seed])[:8], 16)
        return Sampling(temperature=1.0, top_p=1.0, max_tokens=self.max_tokens, seed=seed)


@dataclass(frozen=True, slots=True)
class _Source:
    """What a run, or settings without one, say of models, questions and cues."""

    target: str
    reference: str | None
    judge: Judge
    questions: Sequence[Question]
    cues: Sequence[Cue]
    max_tokens: int
    fingerprints: Mapping[str, str]  # model string -> fingerprint; empty without a run
    where: str  # where cues were looked up, for errors


def read_rare_inputs(config: RareConfig) -> RareInputs:
    """Opens models and judge and finds the cues.

    Raises:
        InputError: a setting or a model cannot be used.
        StoreError: the run cannot be read, or is not what its answers give.
    """
    with limit_calls(config.timeout):
        given = _open_inputs(config)
    settle_prices(tuple(given.engines.values()), config.prices, config.budget)
    return given


def _open_inputs(config: RareConfig) -> RareInputs:
    source = _read_run(config) if config.run is not None else _read_settings(config)
    questions = tuple(spread_families(source.questions, config.question_limit))
    source.judge.check_questions(questions)
    proposal_cues = [_find_cue(name, source, "cue") for name in config.cue]
    measured = (None, *(_find_cue(name, source, "under") for name in config.under))
    engines: dict[str, Engine] = {}

    def open_once(name: str) -> Engine:
        if name not in engines:
            engines[name] = _open_scorer(name, source.fingerprints.get(name))
        return engines[name]

    roles = [(Role.TARGET, source.target)]
    roles += [(Role.REFERENCE, source.reference)] if source.reference is not None else []
    arms = tuple(RareArm(role, cue, open_once(name)) for role, name in roles for cue in measured)
    proposals: tuple[RareProposal, ...] = ()
    if config.plain_share < 1:
        proposer = open_once(config.proposal or source.target)
        proposals = tuple(
            RareProposal(proposer, cue, config.system) for cue in proposal_cues or [None]
        )
    out = Path(config.out) if config.out is not None else Path(str(config.run)) / "rare"
    return RareInputs(config, questions, arms, proposals, source.judge, source.max_tokens, out)


def _open_scorer(name: str, fingerprint: str | None) -> Engine:
    engine = open_engine(name)
    if not isinstance(engine, Scorer):
        raise ConfigError(
            f"{name!r} cannot score given answers, and weights are ratios of their "
            "probabilities: give a vitro/ or hf/ model"
        )
    if fingerprint is not None and engine.fingerprint != fingerprint:
        raise ConfigError(f"{name!r} is not the model of the run: its weights or template changed")
    return engine


def _find_cue(name: str, source: _Source, option: str) -> Cue:
    found = next((cue for cue in source.cues if cue.name == name), None)
    if found is None:
        near = difflib.get_close_matches(name, [cue.name for cue in source.cues], n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{option}: {source.where} has no cue {name!r}{hint}")
    return found


# A finished run -----------------------------------------------------------------------------------


def _read_run(config: RareConfig) -> _Source:
    run = str(config.run)
    plan = load_run(run).plan
    if plan.origin is Origin.IMPORT:
        raise ConfigError(f"{run}: an import has no models to ask: give --target and --judge")
    if (plan.sampling.temperature, plan.sampling.top_p) != (1.0, 1.0):
        raise ConfigError(
            f"{run}: was sampled at temperature {plan.sampling.temperature:g} and top_p "
            f"{plan.sampling.top_p:g}; scores are probabilities at temperature 1 and top_p 1"
        )
    target = _choose_target(config, plan, run)
    references = [card.name for card in plan.models if card.role is Role.REFERENCE]
    reference = config.reference if config.has_reference else None
    if config.reference is None and references:
        reference = references[0]
    judge = open_judge(config.judge if config.judge is not None else plan.judge)
    if judge.fingerprint != plan.judge_fingerprint:
        raise ConfigError(f"judge: is not the one of {run}: give --judge as in its audit")
    return _Source(
        target=target,
        reference=reference,
        judge=judge,
        questions=plan.questions,
        cues=plan.cues,
        max_tokens=config.max_tokens or plan.sampling.max_tokens,
        fingerprints={card.name: card.fingerprint for card in plan.models},
        where=run,
    )


def _choose_target(config: RareConfig, plan: Plan, run: str) -> str:
    names = [card.name for card in plan.models if card.role is Role.TARGET]
    if config.target is None and len(names) == 1:
        return names[0]
    if config.target in names:
        return str(config.target)
    raise ConfigError(f"{run}: choose one of its targets with --target: {', '.join(names)}")


# Settings without a run ---------------------------------------------------------------------------


def _read_settings(config: RareConfig) -> _Source:
    assert config.target is not None and config.judge is not None
    cues = CueConfig(library=config.library, file=config.cue_file)
    inputs = read_inputs(
        InputConfig(questions=config.questions, cues=cues), (config.target,), judge=config.judge
    )
    places = [place for place in (config.cue_file,) if place is not None]
    return _Source(
        target=config.target,
        reference=config.reference if config.has_reference else None,
        judge=open_judge(config.judge),
        questions=inputs.bank,
        cues=distinct_cues((*inputs.listed, *inputs.library, *inputs.evaluation_cues)),
        max_tokens=config.max_tokens or _ANSWER_TOKENS[inputs.pack.name],
        fingerprints={},
        where=" or ".join([*places, "the cue library"]),
    )


# Forecast -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RareCost:
    """The most that one model would be asked."""

    role: str
    model: str
    answers: int  # sampled answers or judge calls, expected
    scored: int  # answers scored, at most
    usd: float  # at most; 0 on this machine, NaN if the price is unknown


@dataclass(frozen=True, slots=True)
class RareForecast:
    """What a measurement would ask."""

    questions: int
    arms: int
    proposals: tuple[str, ...]  # in words
    costs: tuple[RareCost, ...]

    @property
    def usd(self) -> float:
        """Maximum USD in total; NaN if a price is unknown."""
        return sum(cost.usd for cost in self.costs)


def forecast_rare(inputs: RareInputs) -> RareForecast:
    """Forecasts ``run_rare`` with these inputs; asks no model."""
    slots = len(inputs.questions) * inputs.config.answers
    plain = round(slots * inputs.plain_share)
    judged = plain * len(inputs.arms) + slots - plain
    costs: list[RareCost] = []
    for role, engine in inputs.engines.items():
        if engine in inputs.judge.engines().values():
            continue
        arms = sum(arm.engine is engine for arm in inputs.arms)
        proposals = sum(proposal.engine is engine for proposal in inputs.proposals)
        sampled = plain * arms + ((slots - plain) * (proposals > 0))
        costs.append(RareCost(role, engine.name, sampled, judged * (arms + proposals), 0.0))
    item = Item(inputs.questions[0], inputs.arms[0].ask(inputs.questions[0]), ".")
    costs += forecast_judging(inputs.judge, item, judged, inputs.max_tokens)
    described = tuple(proposal.describe() for proposal in inputs.proposals)
    return RareForecast(len(inputs.questions), len(inputs.arms), described, tuple(costs))


def forecast_judging(judge: Judge, item: Item, answers: int, longest: int) -> Iterator[RareCost]:
    """Yields what each model of a judge would be asked for.

    Args:
        judge: the judge.
        item: a typical item.
        answers: number of answers that are judged.
        longest: longest answer, in tokens.
    """
    for role, group in groupby(judge.calls(item), key=attrgetter("role")):
        calls = tuple(group)
        engine = calls[0].engine
        usd = 0.0
        if isinstance(engine, MeteredEngine):
            prompts = sum(prompt_tokens(call.messages) + longest for call in calls)
            made = sum(call.max_tokens for call in calls)
            price = engine.price
            usd = math.nan if price is None else price.cost_of(answers * prompts, answers * made)
        yield RareCost(role, engine.name, answers * len(calls), 0, usd)
