"""What an audit would ask, cost and be able to detect, before anything is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dormant import stats
from dormant.engines import Engine, Job
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.metering.prices import prompt_tokens
from dormant.judges import Item, JudgeCall
from dormant.pipeline.plan import PreparedAudit, Subject
from dormant.probes import pair_probes
from dormant.records import Plan, Probe, Role, Split

_TRIAL_PROMPTS = 8
_SHOWN_PROMPTS = 3
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
    calls: int  # without retries: an unreadable reply is requested once more
    prompt_tokens: int  # if every judged answer has the maximum length
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
    screening = _distinct_probes(plan, Split.SCREENING)
    # Each candidate may add its placebo; which cues become candidates is unknown here.
    # The final stage of a sequential audit may need every cue on all questions.
    most = 2 * rule.candidates if plan.sequential is None else None
    confirming = _distinct_probes(plan, Split.HELD_OUT, cues=most)
    first = [_most_of_prompt(plan, probe, Split.SCREENING) for probe in screening]
    second = [_most_of_prompt(plan, probe, Split.HELD_OUT) for probe in confirming]
    models = tuple(_forecast_model(subject, plan, first, second) for subject in prepared.subjects)
    judged = tuple(_forecast_judges(prepared, (*first, *second)))
    schedule = schedule_of(plan)
    return Forecast(
        plan=plan,
        models=models,
        judges=judged,
        smallest_effect=stats.smallest_effect(schedule, worlds=_WORLDS),
        chance_to_bound=stats.simulate_chances(0.0, schedule, worlds=_WORLDS).screened,
        questions_to_bound=rule.questions_to_bound,
        rendered=tuple(_render_examples(prepared.subjects[0], screening)),
    )


def schedule_of(plan: Plan, *, icc: float | None = None, base: float = 0.0) -> stats.Schedule:
    """Returns what a plan asks, to simulate its power.

    Args:
        plan: the plan.
        icc: intra-question correlation of the answers; None for the rule's prior.
        base: misalignment rate without effect, 0 to 1.
    """
    rule = plan.rule
    return stats.Schedule(
        screening_questions=sum(q.split is Split.SCREENING for q in plan.questions),
        held_out_questions=sum(q.split is Split.HELD_OUT for q in plan.questions),
        screening_answers=rule.screening_answers,
        confirm_answers=rule.confirm_answers,
        seeds=sum(model.role is Role.TARGET for model in plan.models),
        candidates=rule.candidates,
        delta=rule.delta,
        level=rule.level,
        analyses=1 if plan.sequential is None else 2,  # half of the error level belongs to the path
        prior_icc=rule.icc,
        icc=rule.icc if icc is None else icc,
        base=base,
    )


def _distinct_probes(plan: Plan, split: Split, cues: int | None = None) -> tuple[Probe, ...]:
    """Lists the distinct prompts of one half under the first ``cues`` cues (all if None)."""
    probes = pair_probes([q for q in plan.questions if q.split is split], plan.cues[:cues])
    return tuple({probe.id: probe for probe in probes}.values())


def _most_of_prompt(plan: Plan, probe: Probe, split: Split) -> Share:
    """Returns the most that the design may ask of a prompt of one half.

    The sequential design asks on its path and again in its final stage (twice on held-out
    questions); the standard arm, sampled less where no cue shares it, may need one more call.
    """
    rule, how = plan.rule, plan.sequential
    held_out = split is Split.HELD_OUT
    last = rule.confirm_answers if held_out else rule.screening_answers
    if how is None:
        return Share(probe, last, 1)
    standard = probe.cue is None
    path = how.standard_answers if standard else max(how.answers, how.most_answers)
    answers = max(path, rule.screening_answers, last)
    return Share(probe, answers, min(answers, 2 + held_out + standard))


def _forecast_model(
    subject: Subject, plan: Plan, screening: Sequence[Share], confirming: Sequence[Share]
) -> ModelForecast:
    engine = subject.engine
    first, second = (sum(s.answers for s in shares) for shares in (screening, confirming))
    paid = isinstance(engine, MeteredEngine)
    together = paid and engine.shares_prompts
    prompts = sum(
        prompt_tokens(s.probe.messages) * (s.calls if together else s.answers)
        for s in (*screening, *confirming)
    )
    made = (first + second) * plan.sampling.max_tokens
    probes = [s.probe for s in screening]
    seconds = math.nan if paid else (first + second) * _seconds_an_answer(subject, plan, probes)
    return ModelForecast(
        role=subject.card.role,
        name=subject.card.name,
        screening_answers=first,
        confirm_answers=second,
        prompt_tokens=prompts,
        completion_tokens=made,
        seconds=seconds,
        usd=_cost_usd(engine, prompts, made),
        price=_describe_price(engine),
    )


def _forecast_judges(prepared: PreparedAudit, shares: Sequence[Share]) -> Iterator[JudgeForecast]:
    """Yields what each judge's model would be asked about the answers of every model."""
    judge, models = prepared.judge, len(prepared.subjects)
    longest = prepared.plan.sampling.max_tokens
    calls: dict[str, list[tuple[int, JudgeCall]]] = {}  # by role: (number of calls, call)
    for share in shares:
        for call in judge.calls(Item(share.probe.question, share.probe.messages, ".")):
            calls.setdefault(call.role, []).append((share.answers * models, call))
    for role, made in calls.items():
        first = made[0][1]
        prompts = sum(n * (prompt_tokens(call.messages) + longest) for n, call in made)
        completions = sum(n * call.max_tokens for n, call in made)
        yield JudgeForecast(
            role=role,
            judge=first.judge,
            name=first.engine.name,
            calls_an_answer=len(made) // len(shares),
            calls=sum(n for n, _ in made),
            prompt_tokens=prompts,
            completion_tokens=completions,
            usd=_cost_usd(first.engine, prompts, completions),
            price=_describe_price(first.engine),
        )


def _cost_usd(engine: Engine, prompts: int, made: int) -> float:
    """Returns USD for token counts; 0 for a local model, NaN if the price is unknown."""
    if not isinstance(engine, MeteredEngine):
        return 0.0
    return math.nan if engine.price is None else engine.price.cost_of(prompts, made)


def _describe_price(engine: Engine) -> str:
    if not isinstance(engine, MeteredEngine):
        return ON_THIS_MACHINE
    return engine.price.description if engine.price else ""


def _seconds_an_answer(subject: Subject, plan: Plan, probes: Sequence[Probe]) -> float:
    step = max(len(probes) // _TRIAL_PROMPTS, 1)
    jobs = [Job(probe.messages, range(4)) for probe in probes[::step][:_TRIAL_PROMPTS]]
    trial = replace(
        plan.sampling, seed=2**40
    )  # a seed apart from the audit's, so its answers stay fresh
    begun = time.monotonic()
    answers = sum(len(batch) for batch in subject.engine.sample(jobs, trial))
    return (time.monotonic() - begun) / max(answers, 1)


def _render_examples(subject: Subject, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    shown: list[tuple[str, str]] = []
    for probe in probes[: _SHOWN_PROMPTS + 1]:
        name = probe.cue.name if probe.cue else "standard"
        shown.append((name, subject.engine.render(probe.messages)))
    return shown
