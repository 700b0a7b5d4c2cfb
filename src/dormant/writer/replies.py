"""Asks the writer: what is known is not asked again, what failed once is asked once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dormant.engines import Engine, Job, Reply
from dormant.engines.asking import Memory, read_replies, reply_key
from dormant.records import Message, Rating, Sampling, WriterReply
from dormant.writer.checks import check_reply
from dormant.writer.requests import Request

_LONGEST_REPLY = 400  # tokens; a model that thinks aloud needs some room


@dataclass(frozen=True, slots=True)
class WriterAnswer:
    """A request with its reply."""

    request: Request
    written: WriterReply


class _Author:
    """The writer's engine, with sampling alone: a reply's log-probabilities are not needed."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self.name, self.fingerprint = engine.name, engine.fingerprint

    def render(self, messages: Sequence[Message]) -> str:
        return self._engine.render(messages)

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        return self._engine.sample(jobs, sampling)


def ask_writer(
    engine: Engine,
    requests: Sequence[Request],
    *,
    seed: int,
    frozen: Mapping[str, WriterReply],
    memory: Memory | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[WriterAnswer, ...]:
    """One text, or the reason why there is none, for each request.

    Args:
        engine: the writer's model.
        requests: what is wanted.
        seed: of the audit.
        frozen: what an earlier plan holds, by key: used as it is, failures too, so that a plan
            that is made again is the same plan.
        memory: replies that were paid for by a run that was interrupted before it had a plan.
        progress: called with the number of answered requests and of all.

    Raises:
        EngineError: the model stopped answering.
    """
    author, sampling = _Author(engine), _writer_sampling(seed)
    keys = [reply_key(author, request.messages, sampling) for request in requests]
    made = {key: frozen[key] for key in keys if key in frozen}
    open_ = [i for i, key in enumerate(keys) if key not in made]
    problems: dict[int, str] = {}

    def read_reply(place: int, rating: Rating) -> str:
        text, problems[place] = _check_rating(requests[open_[place]], rating)
        return text

    batches = read_replies(
        author,
        [requests[i].messages for i in open_],
        read_reply,
        readable=bool,
        sampling=sampling,
        memory=memory,
    )
    for batch in batches:
        for place, text in batch:
            key = keys[open_[place]]
            made[key] = WriterReply(key, text, "" if text else problems[place])
        if progress is not None:
            progress(len(made), len(set(keys)))
    return tuple(WriterAnswer(r, made[k]) for r, k in zip(requests, keys, strict=True))


def _check_rating(request: Request, rating: Rating) -> tuple[str, str]:
    if rating.finish == "error":
        return "", "the model failed"
    if rating.finish == "filter":
        return "", "a content filter held the reply back"
    if rating.finish == "length":
        return "", "the reply was cut off"
    return check_reply(request, rating.text)


def _writer_sampling(seed: int) -> Sampling:
    return Sampling(temperature=0.7, max_tokens=_LONGEST_REPLY, seed=seed)
