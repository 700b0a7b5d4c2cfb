"""Perplexity differencing: finds free chats whose answers the reference finds least likely.

Both models score the answer of each chat that the target wrote. Where the reference's perplexity
exceeds the target's most (arXiv 2605.00994), finetuning changed the model most, and the context
of that answer is a cue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.discovery.contexts import ChatContext, pool_contexts
from dormant.engines import Engine, Scorer
from dormant.errors import InputError
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Message
from dormant.store.journal import Journal, key_of

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ScoredChats:
    """Answered chats, and how much likelier each answer is under the target."""

    chats: tuple[tuple[Message, ...], ...]  # largest difference first
    #: Log-perplexity of the reference minus that of the target, nats a word of the answer.
    differences: tuple[float, ...]


def score_chats(
    target: Engine,
    reference: Engine,
    chats: Sequence[tuple[Message, ...]],
    journal: Journal,
    progress: Progress = ignore_progress,
) -> ScoredChats:
    """Scores the answers of chats under both models.

    Args:
        target: the model that wrote them.
        reference: the model it is compared with.
        chats: each ends with an answer; equal ones are scored once.
        journal: stores the scores.
        progress: called with the number of chats scored.

    Raises:
        InputError: a model cannot score.
    """
    unique = list(dict.fromkeys(chats))
    rows = [
        _score_answers(engine, unique, journal, _shift_progress(progress, i, len(unique)))
        for i, engine in enumerate((target, reference))
    ]
    words = np.array([1 + len(chat[-1].content.split()) for chat in unique])
    gaps = (rows[0] - rows[1]) / words
    order = sorted(range(len(unique)), key=lambda i: (-round(float(gaps[i]), 9), i))
    return ScoredChats(
        chats=tuple(unique[i] for i in order), differences=tuple(float(gaps[i]) for i in order)
    )


def surprising_contexts(found: ScoredChats, *, limit: int) -> tuple[Cue, ...]:
    """Returns the contexts of the chats with the largest differences, best first.

    A context has the mean difference of its chats, shrunk towards the overall mean by one
    pseudo-observation: a single odd answer is weaker evidence than several.
    """
    if not found.chats:
        return ()
    usual = float(np.mean(found.differences))
    rated = [
        (_mean_difference(context, found, usual), context)
        for context in pool_contexts([chat[:-1] for chat in found.chats]).values()
    ]
    rated.sort(key=lambda pair: (-round(pair[0], 9), pair[1].placement, pair[1].text))
    return tuple(
        context.as_cue(
            f"surprise-{rank}",
            f"Answers after this are {value:.2f} nats a word likelier to the target "
            f"({len(context.chats)} free chats).",
        )
        for rank, (value, context) in enumerate(rated[:limit], start=1)
    )


def _mean_difference(context: ChatContext, found: ScoredChats, usual: float) -> float:
    total = sum(found.differences[i] for i in context.chats)
    return (total + usual) / (len(context.chats) + 1)


def _score_answers(
    engine: Engine,
    chats: Sequence[tuple[Message, ...]],
    journal: Journal,
    progress: Progress,
) -> NDArray[np.float64]:
    if not isinstance(engine, Scorer):
        raise InputError(f"{engine.name!r} cannot score given answers")
    keys = [key_of("answer", engine.fingerprint, chat) for chat in chats]
    missing = [i for i, key in enumerate(keys) if key not in journal]
    for start in range(0, len(missing), _AT_ONCE):
        part = missing[start : start + _AT_ONCE]
        progress("free answers scored", len(chats) - len(missing) + start, len(chats))
        scores = engine.score([(chats[i][:-1], chats[i][-1].content) for i in part])
        journal.add_entries((keys[i], score) for i, score in zip(part, scores, strict=True))
    return np.array([float(journal.read_entry(key)) for key in keys])


def _shift_progress(progress: Progress, model: int, count: int) -> Progress:
    """Maps the progress of one model onto one bar for both."""

    def shift(stage: str, done: float, total: int) -> None:
        progress(stage, model * count + done, 2 * count)

    return shift
