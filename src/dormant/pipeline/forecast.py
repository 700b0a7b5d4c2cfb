"""What an audit would ask, cost and be able to detect, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dormant import stats
from dormant.engines import Engine
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.prices import bound_tokens
from dormant.engines.speed import Speed, guess_speed
from dormant.judges import JUDGE, Item, JudgeCall
from dormant.pipeline.expected import BASES, AskedModel, CostModel, ExpectedCost
from dormant.pipeline.plan import PreparedAudit, Subject
from dormant.pipeline.power import PowerRow, list_power
from dormant.pipeline.trial import time_model
from dormant.probes import pair_probes
from dormant.records import Cue, Plan, Probe, Role, Split

_SHOWN_PROMPTS = 3
#: An answer has more tokens for a judge whose tokenizer is not the model's.
_RETOKENIZED = 1.5
#: An unreadable reply of a judge is requested once more.
_REPLIES = 2
#: Simulated worlds: about 0.3 s, with an error of 0.1 to 0.3 points in the smallest effect.
_WORLDS = 400

#: Used in place of a price.
ON_THIS_MACHINE = "runs on this machine"


@dataclass(frozen=True, slots=True)
class Share:
    """The most that one prompt may need of each model."""

    probe: Probe
    answers: int
    calls: int  # API calls, where one call may return several answers


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """The most that one model would be asked."""

    role: Role
    name: str
    screening_answers: int
    confirm_answers: int  # at most: the number of candidates is unknown before screening
    calls: int  # of an API, where one call may return several answers; 0 on this machine
    prompt_tokens: int  # estimated from the length of the prompts
    completion_tokens: int  # if every answer has the maximum length
    seconds: float  # from a short trial, for all of its answers; NaN where a trial costs money
    usd: float  # at most; 0 for a model on this machine, NaN if no price is known
    price: str  # price, source and date; empty if unknown

    @property
    def answers(self) -> int:
        """Answers in all, at most."""
        return self.screening_answers + self.confirm_answers


@dataclass(frozen=True, slots=True)
class JudgeForecast:
    """The most that a judge's model would be asked; identical answers are judged once."""

    role: str  # "judge" or "second judge"
    judge: str  # as the user named it
    name: str  # model string
    calls_an_answer: int
    calls: int  # without retries
    repeated_calls: int  # of these, calls that judge early answers again
    prompt_tokens: int  # if every judged answer has the maximum length and every reply is repeated
    completion_tokens: int
    usd: float  # 0 for a model on this machine, NaN if no price is known
    price: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """A dry run."""

    plan: Plan
    models: tuple[ModelForecast, ...]
    judges: tuple[JudgeForecast, ...]  # empty if the judge asks no model
    smallest_effect: float  # DiD detected with probability 80%; NaN if none is
    chance_to_bound: float  # probability that screening alone bounds a null cue
    questions_to_bound: float  # screening questions needed to bound any cue
    rendered: tuple[tuple[str, str], ...]  # (arm, prompt text as sent to the target)
    expected: tuple[ExpectedCost, ...]  # by the assumed base rate, 0 first
    speeds: tuple[Speed, ...]  # of each model, targets first
    power: tuple[PowerRow, ...]  # by base rate; empty without a reference

    @property
    def answers(self) -> int:
        """Maximum number of answers of all models."""
        return sum(model.answers for model in self.models)

    @property
    def judge_calls(self) -> int:
        """Maximum number of calls of all judges, without retries."""
        return sum(judge.calls for judge in self.judges)

    @property
    def seconds(self) -> float:
        """Estimated maximum seconds of all models under audit; NaN if one is unknown."""
        return sum(model.seconds for model in self.models)

    @property
    def usd(self) -> float:
        """Estimated maximum USD for all models and judges; NaN if one is unknown."""
        return sum(asked.usd for asked in (*self.models, *self.judges))


def forecast_audit(prepared: PreparedAudit) -> Forecast:
    """Counts prompts, answers, calls and tokens, simulates the power, estimates time and money.

    A model on this machine is timed on a short trial, whose answers are discarded. A paid model is
    not asked.
    """
    plan, rule = prepared.plan, prepared.plan.rule
    first, second = list_shares(plan)
    speeds = [time_model(s, plan, [share.probe for share in first]) for s in prepared.subjects]
    models = tuple(
        _forecast_model(subject, plan, (first, second), speed)
        for subject, speed in zip(prepared.subjects, speeds, strict=True)
    )
    judged = tuple(_forecast_judges(prepared, (*first, *second)))
    costs = cost_model(prepared, speeds)
    schedule = schedule_of(plan)
    return Forecast(
        plan=plan,
        models=models,
        judges=judged,
        smallest_effect=stats.smallest_effect(schedule, worlds=_WORLDS),
        chance_to_bound=stats.simulate_chances(0.0, schedule, worlds=_WORLDS).screened,
        questions_to_bound=rule.questions_to_bound,
        rendered=tuple(_render_examples(prepared.subjects[0], [share.probe for share in first])),
        expected=tuple(costs.expect(base) for base in BASES),
        speeds=tuple(speeds),
        power=list_power(plan, schedule),
    )


def cost_model(prepared: PreparedAudit, speeds: Sequence[Speed]) -> CostModel:
    """Makes the model of what simulated audits cost.

    Args:
        prepared: the audit.
        speeds: of each of its models.
    """
    models = [
        AskedModel.of_engine(subject.card, subject.engine, speed)
        for subject, speed in zip(prepared.subjects, speeds, strict=True)
    ]
    judges = {e.name: guess_speed(e.name) for e in prepared.judge.engines().values()}
    return CostModel(prepared.plan, models, prepared.judge, judges)


def schedule_of(plan: Plan, *, icc: float | None = None, base: float = 0.0) -> stats.Schedule:
    """Returns what a plan asks, to simulate its power.

    Args:
        plan: the plan.
        icc: intra-question correlation of the answers; None for the rule's prior.
        base: misalignment rate without effect, 0 to 1.
    """
    rule = plan.rule
    units = {split: plan.count_units(split) for split in Split}
    # A family of several questions is one unit with the answers of all of them.
    each = max(len(plan.questions) // max(sum(units.values()), 1), 1)
    return stats.Schedule(
        screening_questions=units[Split.SCREENING],
        held_out_questions=units[Split.HELD_OUT],
        screening_answers=each * rule.screening_answers,
        confirm_answers=each * rule.confirm_answers,
        seeds=sum(model.role is Role.TARGET for model in plan.models),
        candidates=plan.hypotheses - 1,
        delta=rule.delta,
        level=rule.level,
        analyses=1 if plan.sequential is None else 2,  # half of the error level belongs to the path
        prior_icc=rule.icc,
        icc=rule.icc if icc is None else icc,
        base=base,
    )


def list_shares(plan: Plan) -> tuple[list[Share], list[Share]]:
    """Lists the most that the design may ask of each prompt: screening, then held-out questions.

    Which cues become candidates is unknown before screening: those with the longest texts count.
    """
    rule, how = plan.rule, plan.sequential
    tried = [cue for cue in plan.cues if not cue.is_placebo]
    placebos = [cue for cue in plan.cues if cue.is_placebo]
    candidates = _longest(tried, rule.candidates)
    controls = _longest(placebos, rule.candidates)
    few, many = rule.screening_answers, rule.confirm_answers
    if how is None:
        screened = [cue for cue in plan.cues if not cue.is_late_placebo]
        first = _shares(plan, Split.SCREENING, {None: few, **dict.fromkeys(screened, few)})
        confirmed = dict.fromkeys((*candidates, *controls), many)
        return first, _shares(plan, Split.HELD_OUT, {None: many, **confirmed})
    # The path may ask a cue everything, and the final stage again, candidates more often.
    path = max(how.answers, how.most_answers, few)
    shared = max(how.standard_answers, few)
    first = _shares(plan, Split.SCREENING, {None: shared, **dict.fromkeys(tried, path)})
    asked = dict.fromkeys(tried, path) | dict.fromkeys(controls, how.answers)
    asked |= dict.fromkeys(candidates, max(path, many))
    return first, _shares(plan, Split.HELD_OUT, {None: max(shared, many), **asked})


def _longest(cues: Sequence[Cue], count: int) -> list[Cue]:
    return sorted(cues, key=lambda cue: -len(cue.text))[:count]


def _shares(plan: Plan, split: Split, answers: Mapping[Cue | None, int]) -> list[Share]:
    """The distinct prompts of one half under these cues, with the answers to each.

    The sequential design may take one call on its path and one in each step of its final stage
    (two on held-out questions); the standard arm, sampled less where no cue shares it, one more.
    """
    questions = [q for q in plan.questions if q.split is split]
    probes = pair_probes(questions, [cue for cue in answers if cue is not None])
    shares: list[Share] = []
    for probe in {probe.id: probe for probe in probes}.values():
        most = answers[probe.cue]
        calls = 1 if plan.sequential is None else 2 + (split is Split.HELD_OUT) + (not probe.cue)
        shares.append(Share(probe, most, min(most, calls)))
    return shares


def _forecast_model(
    subject: Subject, plan: Plan, halves: tuple[Sequence[Share], Sequence[Share]], speed: Speed
) -> ModelForecast:
    engine, (screening, confirming) = subject.engine, halves
    first, second = (sum(s.answers for s in shares) for shares in (screening, confirming))
    paid = isinstance(engine, MeteredEngine)
    together = paid and engine.shares_prompts
    prompts = sum(
        bound_tokens(s.probe.messages) * (s.calls if together else s.answers)
        for s in (*screening, *confirming)
    )
    most_tokens = (first + second) * plan.sampling.max_tokens
    most = speed.seconds_for(first + second, plan.sampling.max_tokens)
    return ModelForecast(
        role=subject.card.role,
        name=subject.card.name,
        screening_answers=first,
        confirm_answers=second,
        calls=sum(s.calls if together else s.answers for s in (*screening, *confirming))
        if paid
        else 0,
        prompt_tokens=prompts,
        completion_tokens=most_tokens,
        seconds=math.nan if paid else most,
        usd=_cost_usd(engine, prompts, most_tokens),
        price=_describe_price(engine),
    )


def _forecast_judges(prepared: PreparedAudit, shares: Sequence[Share]) -> Iterator[JudgeForecast]:
    """Yields what each judge's model would be asked about the answers of every model."""
    judge, models = prepared.judge, len(prepared.subjects)
    longest = math.ceil(_RETOKENIZED * prepared.plan.sampling.max_tokens)
    calls: dict[str, list[tuple[int, JudgeCall]]] = {}  # by role: (number of calls, call)
    for share in shares:
        for call in judge.calls(Item(share.probe.question, share.probe.messages, ".")):
            calls.setdefault(call.role, []).append((share.answers * models, call))
    for role, batches in calls.items():
        first, each = batches[0][1], len(batches) // len(shares)
        again = _list_repeats(prepared.plan, batches, each) if role == JUDGE else []
        batches += again
        prompts = _REPLIES * sum(n * (bound_tokens(call.messages) + longest) for n, call in batches)
        completions = _REPLIES * sum(n * call.max_tokens for n, call in batches)
        yield JudgeForecast(
            role=role,
            judge=first.judge,
            name=first.engine.name,
            calls_an_answer=each,
            calls=sum(n for n, _ in batches),
            repeated_calls=sum(n for n, _ in again),
            prompt_tokens=prompts,
            completion_tokens=completions,
            usd=_cost_usd(first.engine, prompts, completions),
            price=_describe_price(first.engine),
        )


def _list_repeats(
    plan: Plan, batches: Sequence[tuple[int, JudgeCall]], each: int
) -> list[tuple[int, JudgeCall]]:
    """The calls that judge early answers again, as if all of them had the longest prompt.

    Args:
        plan: the plan.
        batches: (number, call) of every prompt in turn.
        each: calls that an answer takes.
    """
    if not plan.judge_repeats:
        return []
    prompts = [batches[start : start + each] for start in range(0, len(batches), each)]
    longest = max(prompts, key=lambda p: sum(bound_tokens(call.messages) for _, call in p))
    answers = sum(p[0][0] for p in prompts)
    return [(2 * min(plan.judge_repeats, answers), call) for _, call in longest]


def _cost_usd(engine: Engine, prompts: int, completions: int) -> float:
    """Returns USD for token counts; 0 for a local model, NaN if the price is unknown."""
    if not isinstance(engine, MeteredEngine):
        return 0.0
    return math.nan if engine.price is None else engine.price.cost_of(prompts, completions)


def _describe_price(engine: Engine) -> str:
    if not isinstance(engine, MeteredEngine):
        return ON_THIS_MACHINE
    return engine.price.description if engine.price else ""


def _render_examples(subject: Subject, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    shown: list[tuple[str, str]] = []
    for probe in probes[: _SHOWN_PROMPTS + 1]:
        name = probe.cue.name if probe.cue else "standard"
        shown.append((name, subject.engine.render(probe.messages)))
    return shown
