"""Cues whose earlier turns a chat template rejects: left out, and named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dormant.engines import Engine
from dormant.errors import ModelError
from dormant.probes import apply_cue
from dormant.records import Cue, Question


def drop_refused_turns(
    cues: Sequence[Cue], engines: Sequence[Engine], questions: Sequence[Question]
) -> tuple[tuple[Cue, ...], tuple[str, ...]]:
    """Leaves out cues with earlier turns that a model cannot be asked with.

    Templates may demand that the user begins and that the turns alternate. A server's template is
    unknown: its refusal is the outcome of an answer.

    Args:
        cues: of the plan, in order.
        engines: every model that is asked.
        questions: the first is asked with each such cue.

    Returns:
        The other cues, and a note on each that is left out.
    """
    refused = {
        cue.name: reason
        for cue in cues
        if questions and any(part.turns for part in cue.effects)
        for reason in _list_refusals(cue, engines, questions[0])
    }
    notes = tuple(f"the earlier turns of the cue {name}: {why}" for name, why in refused.items())
    return tuple(cue for cue in cues if cue.name not in refused), notes


def _list_refusals(cue: Cue, engines: Sequence[Engine], question: Question) -> Iterator[str]:
    messages = apply_cue(cue, question)
    for engine in engines:
        try:
            engine.render(messages)
        except ModelError as error:
            yield str(error)
