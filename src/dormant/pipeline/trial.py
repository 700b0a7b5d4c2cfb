"""How fast a model on this machine answers, by a short trial whose answers are discarded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from dormant.engines import Job
from dormant.engines.metering.budget import MeteredEngine
from dormant.engines.model_strings import HF, parse_model
from dormant.engines.speed import HOSTED, Speed
from dormant.pipeline.plan import Subject
from dormant.records import Plan, Probe

#: Prompts and answers to each; a batch of them is decoded at once, as in an audit.
_PROMPTS, _ANSWERS = 8, 4
#: Tokens of the answers of a real model: a step costs the same, however long the answers get.
_FEW, _MANY = 1, 9
#: Apart from an audit's seed, so that its answers stay fresh.
_SEED = 2**40


def time_model(subject: Subject, plan: Plan, probes: Sequence[Probe]) -> Speed:
    """Times a model; a paid one is not asked.

    A Hugging Face model writes 1 and 9 tokens, from which longer answers follow; the laboratory's
    and scripted ones, which are fast, write whole answers.

    Args:
        subject: the model.
        plan: its prompts and sampling settings.
        probes: prompts of the audit, some of which are tried.
    """
    if isinstance(subject.engine, MeteredEngine):
        return HOSTED
    chosen = probes[:: max(len(probes) // _PROMPTS, 1)][:_PROMPTS]
    longest = plan.sampling.max_tokens
    if parse_model(subject.card.name).provider != HF or longest <= _MANY:
        return Speed(_time_answers(subject, plan, chosen, longest))
    few = _time_answers(subject, plan, chosen, _FEW)
    many = _time_answers(subject, plan, chosen, _MANY)
    token = max(many - few, 0.0) / (_MANY - _FEW)
    return Speed(max(few - token, 0.0), token)


def _time_answers(subject: Subject, plan: Plan, probes: Sequence[Probe], tokens: int) -> float:
    """Seconds an answer of at most so many tokens."""
    jobs = [Job(probe.messages, range(_ANSWERS)) for probe in probes]
    trial = replace(plan.sampling, seed=_SEED, max_tokens=tokens)
    begun = time.monotonic()
    answers = sum(len(batch) for batch in subject.engine.sample(jobs, trial))
    return (time.monotonic() - begun) / max(answers, 1)
