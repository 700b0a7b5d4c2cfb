"""What an audit would ask, take and be able to see, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from dormant import stats
from dormant.engines import Job
from dormant.planning import Prepared, Subject
from dormant.probes import pair
from dormant.records import Plan, Probe, Role, Sampling, Split

_TRIAL_PROMPTS = 8
_SHOWN_PROMPTS = 3


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """What one model would be asked."""

    role: Role
    name: str
    screening_answers: int
    confirm_answers: int  # at most: the number of candidates is known after screening
    seconds: float  # estimated from a short trial, for all of its answers

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
        """Estimated time of all models, at most."""
        return sum(model.seconds for model in self.models)


def forecast(prepared: Prepared) -> Forecast:
    """Counts prompts and answers, times a short trial of each model, and computes the power.

    The trial's answers are thrown away; they are drawn with another seed than the audit's.
    """
    plan, rule = prepared.plan, prepared.plan.rule
    screening = _probes(plan, Split.SCREENING)
    held_out = sum(q.split is Split.HELD_OUT for q in plan.questions)
    arms = 1 + 2 * min(rule.candidates, len(plan.cues))  # each candidate may bring its placebo
    models = tuple(
        _model(
            subject,
            screening,
            screening_answers=len({p.id for p in screening}) * rule.screening_answers,
            confirm_answers=held_out * arms * rule.confirm_answers,
            sampling=plan.sampling,
        )
        for subject in prepared.subjects
    )
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


def _probes(plan: Plan, split: Split) -> tuple[Probe, ...]:
    return pair([q for q in plan.questions if q.split is split], plan.cues)


def _model(
    subject: Subject,
    probes: Sequence[Probe],
    *,
    screening_answers: int,
    confirm_answers: int,
    sampling: Sampling,
) -> ModelForecast:
    step = max(len(probes) // _TRIAL_PROMPTS, 1)
    jobs = [Job(probe.messages, range(4)) for probe in probes[::step][:_TRIAL_PROMPTS]]
    trial = Sampling(sampling.temperature, sampling.top_p, sampling.max_tokens, seed=2**40)
    begun = time.monotonic()
    answers = sum(len(batch) for batch in subject.engine.sample(jobs, trial))
    seconds = time.monotonic() - begun
    return ModelForecast(
        role=subject.card.role,
        name=subject.card.name,
        screening_answers=screening_answers,
        confirm_answers=confirm_answers,
        seconds=seconds / max(answers, 1) * (screening_answers + confirm_answers),
    )


def _rendered(subject: Subject, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    shown: list[tuple[str, str]] = []
    for probe in probes[: _SHOWN_PROMPTS + 1]:
        name = probe.cue.name if probe.cue else "standard"
        shown.append((name, subject.engine.render(probe.messages)))
    return shown
