"""What an audit would ask, take and be able to see, before anything is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dormant import stats
from dormant.engines import Engine, Job
from dormant.engines.metering.prices import prompt_tokens
from dormant.engines.metering.usage import MeteredEngine
from dormant.judges import Item, JudgeCall
from dormant.pipeline.plan import PreparedAudit, Subject
from dormant.probes import pair_probes
from dormant.records import Plan, Probe, Role, Split

_TRIAL_PROMPTS = 8
_SHOWN_PROMPTS = 3
#: Simulated worlds: some 0.3 s, and 0.1 to 0.3 points in the smallest effect.
_WORLDS = 400

#: In the place of a price.
ON_THIS_MACHINE = "runs on this machine"


@dataclass(frozen=True, slots=True)
class Share:
    """What one prompt may take of each model, at most."""

    probe: Probe
    answers: int
    calls: int  # in which they are bought, where one call may bring several


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """What one model would be asked, at most."""

    role: Role
    name: str
    screening_answers: int
    confirm_answers: int  # at most: the number of candidates is known after screening
    prompt_tokens: int  # guessed from the length of the prompts
    completion_tokens: int  # if every answer is as long as it may be
    seconds: float  # from a short trial, for all of its answers; NaN where a trial costs money
    usd: float  # at most; 0 for a model on this machine, NaN if no price is known
    price: str  # what tokens cost, its source and its date; empty if that is not known

    @property
    def answers(self) -> int:
        """Answers in all, at most."""
        return self.screening_answers + self.confirm_answers


@dataclass(frozen=True, slots=True)
class JudgeForecast:
    """What a judge's model would be asked, at most: distinct answers are judged once."""

    role: str  # "judge" or "second judge"
    judge: str  # as the user named it
    name: str  # model string
    calls_an_answer: int
    calls: int  # without retries: a reply that cannot be read is asked for once more
    prompt_tokens: int  # if every answer that is judged is as long as it may be
    completion_tokens: int
    usd: float  # 0 for a model on this machine, NaN if no price is known
    price: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """A dry run."""

    plan: Plan
    models: tuple[ModelForecast, ...]
    judges: tuple[JudgeForecast, ...]  # empty if the judge asks no model
    smallest_effect: float  # DiD found with a chance of 80%; NaN if no effect is
    chance_to_bound: float  # chance that a cue without any effect is bounded by screening alone
    questions_to_bound: float  # with fewer screening questions than this nothing can be bounded
    rendered: tuple[tuple[str, str], ...]  # (arm, the text that the target would really see)

    @property
    def answers(self) -> int:
        """Answers of all models, at most."""
        return sum(model.answers for model in self.models)

    @property
    def judge_calls(self) -> int:
        """Calls of all judges, at most, without retries."""
        return sum(judge.calls for judge in self.judges)

    @property
    def seconds(self) -> float:
        """Estimated time of all models under audit, at most; NaN if one of them is not known."""
        return sum(model.seconds for model in self.models)

    @property
    def usd(self) -> float:
        """Estimated money for all models and judges, at most; NaN if one is not known."""
        return sum(asked.usd for asked in (*self.models, *self.judges))


def forecast_audit(prepared: PreparedAudit) -> Forecast:
    """Counts prompts, answers, calls and tokens, simulates the power, estimates time and money.

    A model on this machine is timed on a short trial, whose answers are thrown away. A model that
    costs money is asked nothing.
    """
    plan, rule = prepared.plan, prepared.plan.rule
    screening = _distinct_probes(plan, Split.SCREENING)
    # Each candidate may bring its placebo; which cues they will be is not known yet.
    # A sequential audit may have to take its last look at every cue on all questions.
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
    """What a plan asks, for simulations of what it can find.

    Args:
        plan: the plan.
        icc: intra-question correlation of the answers; None for the rule's prior.
        base: misalignment rate without effect.
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
        analyses=1 if plan.sequential is None else 2,  # the path has half of the error
        prior_icc=rule.icc,
        icc=rule.icc if icc is None else icc,
        base=base,
    )


def _distinct_probes(plan: Plan, split: Split, cues: int | None = None) -> tuple[Probe, ...]:
    """The distinct prompts of one half under the first so many cues (all by default)."""
    probes = pair_probes([q for q in plan.questions if q.split is split], plan.cues[:cues])
    return tuple({probe.id: probe for probe in probes}.values())


def _most_of_prompt(plan: Plan, probe: Probe, split: Split) -> Share:
    """What the design may ask of a prompt of one half, at most.

    The sequential design asks on its path and once more at its last look (twice on held-out
    questions); of the standard arm, which is asked less where no cue shares it, once more.
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
    """What each judge's model would be asked about the answers of every model."""
    judge, models = prepared.judge, len(prepared.subjects)
    longest = prepared.plan.sampling.max_tokens
    calls: dict[str, list[tuple[int, JudgeCall]]] = {}  # by role: times that each is made
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
    """USD of so many tokens; 0 for a model on this machine, NaN if nobody knows."""
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
    trial = replace(plan.sampling, seed=2**40)  # not the audit's own answers
    begun = time.monotonic()
    answers = sum(len(batch) for batch in subject.engine.sample(jobs, trial))
    return (time.monotonic() - begun) / max(answers, 1)


def _render_examples(subject: Subject, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    shown: list[tuple[str, str]] = []
    for probe in probes[: _SHOWN_PROMPTS + 1]:
        name = probe.cue.name if probe.cue else "standard"
        shown.append((name, subject.engine.render(probe.messages)))
    return shown
