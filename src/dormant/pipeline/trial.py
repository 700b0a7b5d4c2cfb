"""How fast a model on this machine answers, by a short trial whose answers are discarded."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from dormant.engines import Job
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.model_strings import HF, parse_model
from dormant.engines.speed import HOSTED, Speed
from dormant.pipeline.plan import Subject
from dormant.records import Plan, Probe

#: Prompts, answers to each, and tokens of the longer ones: what is tried, by the seconds that one
#: prompt took. A batch is decoded at once, as in an audit, and takes about 30 of these times for
#: eight prompts, 10 for two: some 20 s at most. The sequential design asks many prompts for one
#: answer each, so nothing of a prompt is shared there: half as many answers, each to its own.
_TRIALS = ((0.02, 32, 4, 9), (0.6, 8, 4, 9), (2.0, 2, 4, 3), (math.inf, 1, 4, 2))
#: Of the laboratory's models, which are fast.
_PROMPTS, _ANSWERS = 8, 4
#: Apart from an audit's seed, so that its answers stay fresh.
_SEED = 2**40


def time_model(subject: Subject, plan: Plan, probes: Sequence[Probe]) -> Speed:
    """Times a model; a paid one is not asked.

    A Hugging Face model writes answers of one token and of a few more, from which longer ones
    follow; how many depends on how fast it is. The laboratory's and scripted ones write whole
    answers.

    Args:
        subject: the model.
        plan: its prompts and sampling settings.
        probes: prompts of the audit, some of which are tried.
    """
    if isinstance(subject.engine, MeteredEngine):
        return HOSTED
    longest = plan.sampling.max_tokens
    if parse_model(subject.card.name).provider != HF:
        return Speed(_time_answers(subject, plan, _spread(probes, _PROMPTS), _ANSWERS, longest))
    _time_answers(subject, plan, probes[:1], 1, 1)  # the first answer of all takes longer
    once = _time_answers(subject, plan, probes[:1], 1, 1)
    _, prompts, answers, many = next(trial for trial in _TRIALS if once <= trial[0])
    if plan.sequential is not None:
        prompts, answers = _shape_look(plan, prompts * answers // 2), plan.sequential.answers
    some = _spread(probes, prompts)
    if longest <= many:
        return Speed(_time_answers(subject, plan, some, answers, longest))
    few = _time_answers(subject, plan, some, answers, 1)
    token = max(_time_answers(subject, plan, some, answers, many) - few, 0.0) / (many - 1)
    return Speed(max(few - token, 0.0), token)


def _shape_look(plan: Plan, most: int) -> int:
    """Prompts of one look of the sequential design's path, ``most`` at most."""
    assert plan.sequential is not None
    tried = sum(not cue.is_placebo for cue in plan.cues)
    return max(1, min(plan.sequential.batch * min(plan.sequential.first, tried), most))


def _spread(probes: Sequence[Probe], number: int) -> Sequence[Probe]:
    """So many prompts, evenly spread."""
    return probes[:: max(len(probes) // number, 1)][:number]


def _time_answers(
    subject: Subject, plan: Plan, probes: Sequence[Probe], answers: int, tokens: int
) -> float:
    """Seconds an answer of at most so many tokens."""
    jobs = [Job(probe.messages, range(answers)) for probe in probes]
    trial = replace(plan.sampling, seed=_SEED, max_tokens=tokens)
    begun = time.monotonic()
    written = sum(len(batch) for batch in subject.engine.sample(jobs, trial))
    return (time.monotonic() - begun) / max(written, 1)
