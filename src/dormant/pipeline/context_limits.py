"""Prompts that leave no room for an answer in a model's context: refused beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dormant.engines import Engine, HasContext
from dormant.errors import ConfigError, ModelError, shorten_value
from dormant.probes import pair_probes
from dormant.records import Plan, Probe

#: Bytes that a template adds: this many to a prompt, and as many to a turn. A prompt that is short
#: enough even so is not rendered to find out.
_TEMPLATE, _TURN = 2048, 128


def check_lengths(plan: Plan, engines: Sequence[Engine]) -> None:
    """Checks that every prompt of a plan fits into the context of its models with its answer.

    Only models whose tokenizer is on this machine can be checked: what a server refuses is the
    outcome of an answer.

    Args:
        plan: the plan.
        engines: every model under audit.

    Raises:
        ConfigError: a prompt is too long; names its cue, its question, its length and the limit.
    """
    limited = [engine for engine in engines if isinstance(engine, HasContext)]
    if not limited:
        return
    probes = pair_probes(plan.questions, plan.cues)
    for engine in limited:
        too_long = list(_list_too_long(engine, probes, plan.sampling.max_tokens))
        if too_long:
            tokens, probe = max(too_long, key=lambda pair: pair[0])
            raise ConfigError(_describe(engine, plan, tokens, probe, len(too_long)))


def _list_too_long(
    engine: HasContext, probes: Sequence[Probe], answer: int
) -> Iterator[tuple[int, Probe]]:
    """Yields (tokens, probe) of each prompt that leaves no room for its answer."""
    room = engine.context_length - answer
    for probe in probes:
        # A token is at least one byte.
        size = sum(len(m.content.encode("utf-8", "replace")) + _TURN for m in probe.messages)
        if size + _TEMPLATE <= room:
            continue
        try:
            tokens = engine.count_tokens(probe.messages)
        except ModelError:  # the template rejects it: that is the outcome of its answers
            continue
        if tokens > room:
            yield tokens, probe


def _describe(engine: HasContext, plan: Plan, tokens: int, probe: Probe, count: int) -> str:
    limit, answer = engine.context_length, plan.sampling.max_tokens
    cue = f"the cue {shorten_value(probe.cue.name)}" if probe.cue else "no cue"
    more = f" ({count} prompts are too long; this is the longest)" if count > 1 else ""
    fix = (
        f"give --max-tokens {limit - tokens} or less"
        if tokens < limit
        else f"shorten the {'cue' if probe.cue else 'question'} or leave it out"
    )
    return (
        f"the question {shorten_value(probe.question.id)} under {cue} has {tokens:,} tokens in "
        f"{shorten_value(engine.name)}, and with an answer of {answer:,} that exceeds the model's "
        f"context of {limit:,}{more}: {fix}"
    )
