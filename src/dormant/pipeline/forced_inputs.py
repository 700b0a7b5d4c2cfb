"""The inputs of ``dormant forced``: a finished run's models, judge, questions and continuations."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dormant.banks.bank import spread_families
from dormant.banks.continuations import load_continuations, match_continuations
from dormant.config.forced import ForcedConfig
from dormant.engines import Engine, Prefiller, Scorer
from dormant.engines.metering.ledger import settle_prices
from dormant.engines.model_strings import is_laboratory
from dormant.engines.registry import limit_calls, open_engine
from dormant.errors import ConfigError, shorten_value
from dormant.judges import Item, Judge
from dormant.judges.registry import open_judge
from dormant.pipeline.context_limits import leave_out_unscorable
from dormant.pipeline.inputs import audit_language
from dormant.pipeline.rare_inputs import RareCost, forecast_judging
from dormant.pipeline.recompute import load_run
from dormant.probes import apply_cue
from dormant.records import (
    Continuations,
    Cue,
    Findings,
    Origin,
    Quantity,
    Question,
    Role,
    Split,
)

#: The two sorts of given answers whose first tokens are forced.
MISALIGNED, ALIGNED = "misaligned", "aligned"
_NAMED = 5  # most cues that an error names, the likeliest first


@dataclass(frozen=True, slots=True)
class ForcedInputs:
    """The opened and checked inputs."""

    config: ForcedConfig
    findings: Findings
    targets: tuple[Engine, ...]
    references: tuple[Engine, ...]  # empty without a reference
    judge: Judge
    questions: tuple[Question, ...]  # that are scored
    answers: Mapping[str, Continuations]  # by Question.id, of each of these
    cues: tuple[Cue, ...]  # that the run asked
    continued: tuple[Cue | None, ...]  # under which answers go on; None is no cue
    notes: tuple[str, ...] = ()  # what cannot be scored, and why

    @property
    def folder(self) -> Path:
        """Where scores and answers are kept."""
        return Path(self.config.run) / "forced"

    @property
    def models(self) -> tuple[tuple[Role, Engine], ...]:
        """Every model with its role."""
        return (
            *((Role.TARGET, engine) for engine in self.targets),
            *((Role.REFERENCE, engine) for engine in self.references),
        )

    @property
    def engines(self) -> dict[str, Engine]:
        """Every model that may be asked, by role."""
        named = {f"{role} {i}": engine for i, (role, engine) in enumerate(self.models)}
        return {**named, **self.judge.engines()}


@dataclass(frozen=True, slots=True)
class ForcedForecast:
    """What ``run_forced`` would ask at most."""

    questions: int
    cues: int
    scored: int  # given answers, all models together
    continued: int  # answers after given tokens
    costs: tuple[RareCost, ...]  # of the judge's models


def read_forced_inputs(config: ForcedConfig) -> ForcedInputs:
    """Opens the models and the judge of a run and chooses questions and cues.

    Raises:
        InputError: a setting or a model cannot be used.
        StoreError: the run cannot be read, or is not what its answers give.
    """
    if any(tokens < 1 for tokens in config.tokens):
        raise ConfigError(f"tokens: give numbers from 1, got {min(config.tokens)}")
    findings = load_run(config.run)
    plan = findings.plan
    if plan.origin is Origin.IMPORT:
        raise ConfigError(f"{config.run}: an import has no models to ask")
    with limit_calls(config.timeout):
        by_role: dict[Role, list[Engine]] = {role: [] for role in Role}
        for card in plan.models:
            by_role[card.role].append(_open_model(card.name, card.fingerprint))
        judge = open_judge(config.judge if config.judge is not None else plan.judge)
    if judge.fingerprint != plan.judge_fingerprint:
        raise ConfigError(f"judge: is not the one of {config.run}: give --judge as in its audit")
    asked = Counter(cell.cue for cell in findings.cells if sum(cell.counts))
    cues = tuple(cue for cue in plan.cues if asked[cue.name])
    answers = _find_answers(config, findings)
    questions = _choose_questions(findings, answers, config.question_limit)
    models = [engine for engines in by_role.values() for engine in engines]
    cues, questions, notes = leave_out_unscorable(models, cues, questions, answers)
    if len(questions) < 2:
        raise ConfigError(f"fewer than two questions can be scored: {'; '.join(notes[:3])}")
    given = ForcedInputs(
        config=config,
        findings=findings,
        targets=tuple(by_role[Role.TARGET]),
        references=tuple(by_role[Role.REFERENCE]),
        judge=judge,
        questions=questions,
        answers=answers,
        cues=cues,
        continued=(None, *_choose_cues(config, findings, cues)) if config.answers else (),
        notes=notes,
    )
    settle_prices(tuple(given.engines.values()), config.prices, config.budget)
    return given


def forecast_forced(inputs: ForcedInputs) -> ForcedForecast:
    """Forecasts ``run_forced`` with these inputs; asks no model."""
    models = len(inputs.models)
    pairs = sum(
        len(inputs.answers[q.id].misaligned) + len(inputs.answers[q.id].aligned)
        for q in inputs.questions
    )
    starts = len(inputs.questions) * 2 * len(inputs.config.tokens) * len(inputs.continued)
    continued = starts * models * inputs.config.answers
    item = Item(inputs.questions[0], apply_cue(None, inputs.questions[0]), ".")
    longest = inputs.findings.plan.sampling.max_tokens
    return ForcedForecast(
        questions=len(inputs.questions),
        cues=len(inputs.cues),
        scored=pairs * (1 + len(inputs.cues)) * models,
        continued=continued,
        costs=tuple(forecast_judging(inputs.judge, item, continued, longest)),
    )


def _open_model(name: str, fingerprint: str) -> Engine:
    engine = open_engine(name)
    if not isinstance(engine, Scorer) or not isinstance(engine, Prefiller):
        raise ConfigError(
            f"{name!r} cannot score given answers and go on from their first tokens: the forced "
            "view needs vitro/ or hf/ models"
        )
    if engine.fingerprint != fingerprint:
        raise ConfigError(f"{name!r} is not the model of the run: its weights or template changed")
    return engine


def _find_answers(config: ForcedConfig, findings: Findings) -> Mapping[str, Continuations]:
    """The continuations of every question that has some, in both halves."""
    plan = findings.plan
    of_plan = plan.sequential.continuations if plan.sequential is not None else ()
    entries: Sequence[Continuations] = of_plan
    if not of_plan or config.continuations != "auto":
        laboratory = any(is_laboratory(card.name) for card in plan.models)
        exact = plan.judge.strip() == "exact"
        language = audit_language("file", plan.questions, laboratory=laboratory, exact=exact)
        entries = load_continuations(
            config.continuations, language, plan.questions, has_own_split=False
        )
    found = match_continuations(plan.questions, entries, halves=tuple(Split))
    if len(found) < 2:
        raise ConfigError(
            f"continuations: {len(found)} of the run's questions have given answers: give "
            "--continuations FILE with misaligned and aligned answers to at least two"
        )
    return found


def _choose_questions(
    findings: Findings, answers: Mapping[str, Continuations], limit: int
) -> tuple[Question, ...]:
    """The questions that the run asked under most cues, families taking turns."""
    asked = Counter(cell.question for cell in findings.cells if sum(cell.counts))
    known = [q for q in findings.plan.questions if q.id in answers]
    most = max((asked[q.id] for q in known), default=0)
    often = [q for q in known if asked[q.id] == most]
    if len(often) >= limit:
        return tuple(spread_families(often, limit))
    order = sorted(known, key=lambda q: -asked[q.id])  # stable
    chosen = {q.id for q in order[:limit]}
    return tuple(q for q in known if q.id in chosen)


def _choose_cues(config: ForcedConfig, findings: Findings, cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """The named cues; else the finding's, or that with the largest estimate."""
    by_name = {cue.name: cue for cue in cues}
    for name in config.cue:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=_NAMED, cutoff=0.0)
            more = f" and {len(by_name) - len(near)} more" if len(by_name) > len(near) else ""
            raise ConfigError(
                f"cue: {config.run} asked no cue {shorten_value(name)}: give one of "
                f"{', '.join(map(repr, near)) or 'none'}{more}"
            )
    if config.cue:
        return tuple(by_name[name] for name in dict.fromkeys(config.cue))
    verdict = findings.verdict
    first = next((name for name in verdict.triggers if name in by_name), None)
    if first is not None:
        return (by_name[first],)
    wanted = Quantity.DID if findings.plan.has_reference else Quantity.GAP
    effects = [
        (estimate.value, estimate.cue)
        for estimate in verdict.estimates
        if estimate.quantity is wanted
        and estimate.split is None
        and estimate.cue in by_name
        and estimate.value == estimate.value
    ]
    return (by_name[max(effects)[1] or ""],) if effects else ()
