"""One call to a model: what is asked, what comes back, and everything that can go wrong.

Some are made for every call: named tuples, which cost a third of what frozen dataclasses do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, Self

from dormant.engines.api.refusals import Adaptation
from dormant.records import Cost, Message, Sampling

#: Most top log-probabilities that any known server gives.
MOST_LOGPROBS = 20


class RawPrompt(NamedTuple):
    """What goes with a prompt that is sent as tokens."""

    stop: tuple[int, ...]  # tokens that end an answer
    closing: str = ""  # the text that does, where no token does
    scores: bool = False  # the log-probabilities of the prompt's own tokens are wanted


class ChatRequest(NamedTuple):
    """What one call asks for. ``prompt`` is the turns, or the tokens, as JSON: made once."""

    messages: tuple[Message, ...]
    prompt: bytes
    sampling: Sampling
    n: int = 1  # answers
    seed: int | None = None
    controls: bool = True  # say that no other sampling rule (top_k, min_p) shall apply
    logprobs: int = 0  # top log-probabilities wanted of each token
    adaptations: frozenset[Adaptation] = frozenset()  # what this server was found to refuse
    raw: RawPrompt | None = None  # of a prompt in tokens, else None

    def iterate_fallbacks(self) -> Iterator[ChatRequest]:
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


class Choice(NamedTuple):
    """One answer of a call."""

    text: str
    finish: str  # "stop", "length", "filter" or "error"
    tokens: int = 0
    logprobs: Mapping[str, float] | None = None  # of the first token, nats
    error: str = ""
    tokens_written: tuple[int, ...] = ()  # where a server gives them
    token_logprobs: tuple[float, ...] = ()  # of each of these, nats, where it was asked for
    #: Of each token of the prompt but the first, where asked for: token -> nats.
    prompt_logprobs: tuple[Mapping[int, float], ...] = ()


class ChatResponse(NamedTuple):
    """What one call brought back."""

    choices: tuple[Choice, ...]
    cost: Cost


class Transport(Protocol):
    """Carries calls; open it as an asynchronous context manager."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Makes one call, without trying again.

        Raises:
            CallError: anything that went wrong.
        """
        ...

    def list_settings(self, request: ChatRequest) -> dict[str, Any]:
        """The sampling parameters of a call as they are sent, the seed left out."""
        ...


class ClosedTransport:
    """Stands for a transport that could not be made, until it is used. Implements ``Transport``.

    Args:
        problem: what is missing; opening it raises this.
    """

    def __init__(self, problem: Exception):
        self._problem = problem

    async def __aenter__(self) -> Self:
        raise self._problem

    async def __aexit__(self, *exc: object) -> None:
        return

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Raises the problem."""
        raise self._problem

    def list_settings(self, request: ChatRequest) -> dict[str, Any]:
        """Raises the problem."""
        raise self._problem


class CallError(Exception):
    """A call that brought no answer."""


class RateLimitError(CallError):
    """The server asks for patience (429, 503)."""

    def __init__(self, reason: str, *, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait  # seconds, where the server says so


class ServerError(CallError):
    """The server or the connection failed: a 5xx, a dropped connection, an unreadable body."""


class WastefulError(ServerError):
    """A call that took much time or memory for nothing, as the next one would: sent again once."""


class NoReplyError(WastefulError):
    """The server took the call and gave no reply in the time that a call may take."""


class UnreachableError(ServerError):
    """No connection could be made."""


class BadRequestError(CallError):
    """The server will not do this request (400, 413, 422)."""

    def __init__(self, reason: str, *, param: str = ""):
        super().__init__(reason)
        self.param = param  # the parameter that a field of the error names


class ContentFilterError(CallError):
    """A content filter refused the prompt."""


class FatalError(CallError):
    """No later call can do better: the key is refused, the model unknown, the account empty."""

    def __init__(self, reason: str, *, is_fixable: bool):
        super().__init__(reason)
        self.is_fixable = is_fixable  # by the user, in the model string or the environment
