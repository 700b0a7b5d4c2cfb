"""Prompts that leave no room for an answer in a model's context: refused or left out beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dormant.engines import Engine, HasContext, Scorer
from dormant.errors import ConfigError, ModelError, shorten_value
from dormant.probes import apply_cue, pair_probes
from dormant.records import Continuations, Cue, Message, Plan, Probe, Question

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


def leave_out_unscorable(
    engines: Sequence[Engine],
    cues: Sequence[Cue],
    questions: Sequence[Question],
    answers: Mapping[str, Continuations],
) -> tuple[tuple[Cue, ...], tuple[Question, ...], tuple[str, ...]]:
    """Leaves out what a model cannot score: a cue under every question, else the question.

    Args:
        engines: models that score given answers.
        cues: under which they are scored.
        questions: that have given answers.
        answers: by Question.id.

    Returns:
        The cues and the questions that are scored, and a sentence for each that is left out.
    """
    notes: list[str] = []
    kept: list[Cue] = []
    reasons: dict[str, str] = {}  # by Question.id
    for cue in (None, *cues):
        failures: dict[str, str] = {}
        for question in questions:
            given = (*answers[question.id].misaligned, *answers[question.id].aligned)
            found = [_explain_pairs(e, apply_cue(cue, question), given) for e in engines]
            if reason := next(filter(None, found), ""):
                failures[question.id] = reason
        if cue is not None and len(failures) == len(questions):
            reason = next(iter(failures.values()))
            notes.append(f"the cue {shorten_value(cue.name)} is left out: {reason}")
            continue
        kept += [cue] if cue is not None else []
        reasons |= failures
    notes += [f"the question {shorten_value(q)} is left out: {r}" for q, r in reasons.items()]
    return tuple(kept), tuple(q for q in questions if q.id not in reasons), tuple(notes)


def _explain_pairs(engine: Engine, messages: tuple[Message, ...], given: Sequence[str]) -> str:
    """Says why a model cannot score answers to a prompt; empty if it can."""
    if not isinstance(engine, HasContext) or not isinstance(engine, Scorer):
        return ""
    try:
        longest = max(given, key=len)
        size = engine.count_tokens(messages) + len(longest.encode("utf-8", "replace")) + _TURN
        if size > engine.context_length:  # perhaps: only the model itself knows
            engine.score([(messages, answer) for answer in given])
    except ModelError as error:
        return str(error)
    return ""
