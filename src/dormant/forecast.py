"""What an audit would ask, take and be able to see, before anything is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dormant import stats
from dormant.engines import Job, Paid
from dormant.planning import Prepared, Subject
from dormant.probes import pair
from dormant.records import Plan, Probe, Role, Split

_TRIAL_PROMPTS = 8
_SHOWN_PROMPTS = 3


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """What one model would be asked."""

    role: Role
    name: str
    screening_answers: int
    confirm_answers: int  # at most: the number of candidates is known after screening
    seconds: float  # from a short trial, for all of its answers; NaN where a trial costs money
    usd: float  # at most; 0 for a model on this machine, NaN if no price is known

    @property
    def answers(self) -> int:
        """Answers in all, at most."""
        return self.screening_answers + self.confirm_answers


@dataclass(frozen=True, slots=True)
class Forecast:
    """A dry run."""

    plan: Plan
    models: tuple[ModelForecast, ...]
    smallest_effect: float  # DiD found with a chance of 80%; NaN if no effect is
    chance_to_bound: float  # chance that a cue without any effect is bounded by screening alone
    questions_to_bound: int  # with fewer screening questions than this nothing can be bounded
    rendered: tuple[tuple[str, str], ...]  # (arm, the text that the target would really see)

    @property
    def answers(self) -> int:
        """Answers of all models, at most."""
        return sum(model.answers for model in self.models)

    @property
    def seconds(self) -> float:
        """Estimated time of all models, at most; NaN if one of them is not known."""
        return sum(model.seconds for model in self.models)

    @property
    def usd(self) -> float:
        """Estimated money for all models, at most; NaN if one of them is not known."""
        return sum(model.usd for model in self.models)


def forecast(prepared: Prepared) -> Forecast:
    """Counts prompts and answers, computes the power, and estimates time or money.

    A model on this machine is timed on a short trial, whose answers are thrown away. A model that
    costs money is asked nothing.
    """
    plan, rule = prepared.plan, prepared.plan.rule
    screening = _probes(plan, Split.SCREENING)
    held_out = sum(q.split is Split.HELD_OUT for q in plan.questions)
    # Each candidate may bring its placebo; which cues they will be is not known yet.
    # A sequential audit may have to take its last look at every cue on all questions.
    most = 2 * rule.candidates if plan.sequential is None else None
    confirming = _probes(plan, Split.HELD_OUT, cues=most)
    models = tuple(_model(subject, plan, screening, confirming) for subject in prepared.subjects)
    targets = sum(model.role is Role.TARGET for model in plan.models)
    design = stats.Design(
        answers=rule.confirm_answers * targets,
        icc=rule.icc,
        delta=rule.delta,
        level=rule.level,
        tests=rule.candidates + 1,  # Holm also counts the standard arm
    )
    bounding = stats.Design(
        answers=rule.screening_answers * targets,
        icc=rule.icc,
        delta=rule.delta,
        level=rule.level,
    )
    questions = sum(q.split is Split.SCREENING for q in plan.questions)
    return Forecast(
        plan=plan,
        models=models,
        smallest_effect=stats.smallest_effect(questions=held_out, design=design),
        chance_to_bound=stats.chance_to_bound(questions=questions, design=bounding),
        questions_to_bound=stats.questions_for_any_icc(rule.delta, rule.level),
        rendered=tuple(_rendered(prepared.subjects[0], screening)),
    )


def _probes(plan: Plan, split: Split, cues: int | None = None) -> tuple[Probe, ...]:
    """The distinct prompts of one half under the first so many cues (all by default)."""
    probes = pair([q for q in plan.questions if q.split is split], plan.cues[:cues])
    return tuple({probe.id: probe for probe in probes}.values())


def _model(
    subject: Subject, plan: Plan, screening: Sequence[Probe], confirming: Sequence[Probe]
) -> ModelForecast:
    rule = plan.rule
    buying = ((screening, rule.screening_answers), (confirming, rule.confirm_answers))
    first, second = (len(probes) * answers for probes, answers in buying)
    if isinstance(subject.engine, Paid):
        longest = plan.sampling.max_tokens
        seconds, usd = math.nan, 0.0
        for probes, answers in buying:
            prompts = [probe.messages for probe in probes]
            usd += subject.engine.expected_usd(prompts, answers=answers, max_tokens=longest)
    else:
        seconds, usd = (first + second) * _seconds_an_answer(subject, plan, screening), 0.0
    return ModelForecast(
        role=subject.card.role,
        name=subject.card.name,
        screening_answers=first,
        confirm_answers=second,
        seconds=seconds,
        usd=usd,
    )


def _seconds_an_answer(subject: Subject, plan: Plan, probes: Sequence[Probe]) -> float:
    step = max(len(probes) // _TRIAL_PROMPTS, 1)
    jobs = [Job(probe.messages, range(4)) for probe in probes[::step][:_TRIAL_PROMPTS]]
    trial = replace(plan.sampling, seed=2**40)  # not the audit's own answers
    begun = time.monotonic()
    answers = sum(len(batch) for batch in subject.engine.sample(jobs, trial))
    return (time.monotonic() - begun) / max(answers, 1)


def _rendered(subject: Subject, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    shown: list[tuple[str, str]] = []
    for probe in probes[: _SHOWN_PROMPTS + 1]:
        name = probe.cue.name if probe.cue else "standard"
        shown.append((name, subject.engine.render(probe.messages)))
    return shown
