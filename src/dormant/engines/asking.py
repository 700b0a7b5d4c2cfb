"""Asks a model as a judge: every prompt once, unreadable replies once more, known replies never."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from dormant.engines import Engine, Job, Rater
from dormant.errors import EngineError
from dormant.records import Message, Rating, Sampling, hash_value

Messages = tuple[Message, ...]
Read = TypeVar("Read")


class Memory(Protocol):
    """Replies that were paid for before, e.g. by a run that was interrupted."""

    def recall_replies(self, keys: Sequence[str]) -> Mapping[str, Rating]:
        """The replies that are known; their ``index`` means nothing."""
        ...

    def store_replies(self, replies: Mapping[str, Rating]) -> None:
        """Stores replies before they count."""
        ...

    def drop_replies(self, keys: Sequence[str]) -> None:
        """Drops replies, so that they are asked for again."""
        ...


def read_replies(
    engine: Engine,
    prompts: Sequence[Messages],
    read: Callable[[int, Rating], Read],
    *,
    readable: Callable[[Read], bool],
    sampling: Sampling,
    memory: Memory | None = None,
) -> Iterator[list[tuple[int, Read]]]:
    """Asks every prompt, and those with an unreadable reply once more.

    Args:
        engine: the judge's model.
        prompts: what is asked; equal prompts are asked once.
        read: parses (index of the prompt, its reply) into a value.
        readable: whether that value is usable.
        sampling: how the first try is sampled.
        memory: replies from earlier runs.

    Yields:
        (index of the prompt, value of its reply), in batches, each index once.

    Raises:
        EngineError: the model stopped answering, or left prompts without a reply.
    """
    again: list[int] = []
    for batch in ask_all(engine, prompts, sampling, memory):
        values = [(index, read(index, rating)) for index, rating in batch]
        yield [pair for pair in values if readable(pair[1])]
        again += [index for index, value in values if not readable(value)]
    # At temperature 0 the same words would come back.
    second = replace(sampling, temperature=1.0, seed=sampling.seed + 1)
    for batch in ask_all(engine, [prompts[index] for index in again], second, memory):
        yield [(again[place], read(again[place], rating)) for place, rating in batch]


def ask_all(
    engine: Engine,
    prompts: Sequence[Messages],
    sampling: Sampling,
    memory: Memory | None = None,
) -> Iterator[list[tuple[int, Rating]]]:
    """One reply for each prompt, in batches, as they become ready.

    Raises:
        EngineError: the model stopped answering, or left prompts without a reply.
    """
    places: dict[str, list[int]] = {}
    for index, messages in enumerate(prompts):
        places.setdefault(reply_key(engine, messages, sampling), []).append(index)
    known = memory.recall_replies(list(places)) if memory is not None and places else {}
    if known:
        yield [(index, known[key]) for key in known for index in places[key]]
    keys = [key for key in places if key not in known]
    waiting = set(keys)
    for batch in _rate_prompts(engine, [prompts[places[key][0]] for key in keys], sampling):
        fresh = {keys[rating.index]: rating for rating in batch}
        if memory is not None:
            memory.store_replies({key: r for key, r in fresh.items() if r.finish != "error"})
        waiting -= fresh.keys()
        yield [(index, rating) for key, rating in fresh.items() for index in places[key]]
    if waiting:
        raise EngineError(
            f"{engine.name!r} gave {len(keys) - len(waiting)} replies to {len(keys)} judge prompts"
        )


def reply_key(engine: Engine, messages: Messages, sampling: Sampling) -> str:
    """Identity of a reply: the model, what is sent, and how it is sampled."""
    turns = [[message.role, message.content] for message in messages]
    return hash_value([engine.fingerprint, turns, sampling])[:32]


def _rate_prompts(
    engine: Engine, prompts: Sequence[Messages], sampling: Sampling
) -> Iterator[list[Rating]]:
    if not prompts:
        return
    if isinstance(engine, Rater):
        yield from engine.rate(prompts, sampling)
        return
    jobs = [Job(messages, range(1)) for messages in prompts]
    for batch in engine.sample(jobs, sampling):
        yield [Rating(r.job, r.text, None, r.finish, r.error) for r in batch]
