"""One call to a model: what is asked, what came back, and everything that can go wrong.

Some are made for every call: named tuples, which cost a third of what frozen dataclasses do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, Self

from dormant.engines.spending import Cost
from dormant.records import Message, Sampling

#: Most top log-probabilities that any known server gives.
MOST_LOGPROBS = 20


class Request(NamedTuple):
    """What one call asks for. ``prompt`` is the messages as JSON, made once a prompt."""

    messages: tuple[Message, ...]
    prompt: bytes
    sampling: Sampling
    n: int = 1
    seed: int | None = None
    controls: bool = True  # say that no other sampling rule (top_k, min_p) shall apply
    logprobs: int = 0  # top log-probabilities wanted of each token

    def without(self, complaint: str) -> Request | None:
        """The same without what a server complains of; None if it names nothing optional."""
        for words, weaker in (
            (("n",), self._replace(n=max(self.n // 2, 1))),
            (("top_k", "min_p"), self._replace(controls=False)),
            (("seed",), self._replace(seed=None)),
            (("logprobs", "top_logprobs"), self._replace(logprobs=5 if self.logprobs > 5 else 0)),
        ):
            if weaker != self and any(_says(complaint, word) for word in words):
                return weaker
        return None

    def fallbacks(self) -> Iterator[Request]:
        """What to try when a server does not say what it refuses: less and less."""
        n = self.n
        while n > 1:
            n //= 2
            yield self._replace(n=n)
        if self.controls:
            yield self._replace(controls=False)
        if self.seed is not None:
            yield self._replace(seed=None)
        for few in (5, 0):
            if few < self.logprobs:
                yield self._replace(logprobs=few)
        bare = self._replace(n=1, controls=False, seed=None, logprobs=0)
        if bare != self:
            yield bare


def _says(complaint: str, word: str) -> bool:
    return re.search(rf"(?<![\w.]){word}(?![\w.])", complaint) is not None


class Choice(NamedTuple):
    """One answer of a call."""

    text: str
    finish: str  # "stop", "length", "filter" or "error"
    tokens: int = 0
    logprobs: Mapping[str, float] | None = None  # of the first token, nats
    error: str = ""


class Answer(NamedTuple):
    """What one call brought back."""

    choices: tuple[Choice, ...]
    cost: Cost


class Transport(Protocol):
    """Carries calls; open it as an asynchronous context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def ask(self, request: Request) -> Answer:
        """Makes one call, without trying again.

        Raises:
            Fault: anything that went wrong.
        """
        ...


class Fault(Exception):
    """A call that brought no answer."""


class Throttled(Fault):
    """The server asks for patience (429, 503)."""

    def __init__(self, reason: str, *, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait  # seconds, where the server says so


class Broken(Fault):
    """The server or the line failed: a 5xx, a dropped connection, an unreadable body."""


class Unreachable(Broken):
    """No connection could be made."""


class Refused(Fault):
    """The server will not do this request (400, 413, 422)."""


class Filtered(Fault):
    """A content filter refused the prompt."""


class Hopeless(Fault):
    """No later call can do better: the key is refused, the model unknown, the account empty."""

    def __init__(self, reason: str, *, mendable: bool):
        super().__init__(reason)
        self.mendable = mendable  # by the user, in the model string or the environment
