"""One request carried to its end: sent again through rate limits, failures and refused options.

Outcome of a call, and what follows::

    answers          the end; what the server turned out to accept is remembered
    content filter   the end; every answer is recorded as filtered
    bad request      sent again with less in it; the end once nothing optional is left. One that
                     names nothing is sent again as it is first: it may have been a passing fault
    rate limit       sent again after a wait, until the waits exceed _LONGEST_WAIT in all
    failure          sent again after a wait, until _MOST_FAILURES or _PATIENCE
    waste            no reply in time, or one beyond all bounds: sent again once
    fatal error      everything stops: no later call can do better

A request that ends without answers gives an error for each of them, so nothing is dropped. If it is
the server that has gone and not this request that it cannot take, everything stops instead.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dormant.engines.api.calls import (
    BadRequestError,
    CallError,
    ChatRequest,
    ChatResponse,
    Choice,
    ContentFilterError,
    FatalError,
    NoReplyError,
    RateLimitError,
    Transport,
    UnreachableError,
    WastefulError,
)
from dormant.engines.api.limiter import AimdLimiter, draw_backoff
from dormant.engines.api.meter import Meter
from dormant.engines.api.refusals import (
    Adaptation,
    adapt_request,
    describe_adaptation,
    is_about_length,
)
from dormant.engines.api.signals import StopSignal
from dormant.errors import DormantError, EngineError, ModelError
from dormant.records import Cost

_MOST_FAILURES = 6  # failures of the server or the connection, for one request
_MOST_FIRST_CONTACTS = 3  # the same while no connection has ever been made
_MOST_WASTED = 2  # calls that took much time or memory for nothing, for one request
_LONGEST_WAIT = 600.0  # seconds that rate limits may hold one request up
_PATIENCE = 1200.0  # seconds that failures may hold one request up
_SHORTEST_BACKOFF = 0.05  # seconds; the first wait at least, doubled with each try
_SECOND_LOOK = 0.5  # seconds before a refusal that names nothing is tried again
_EQUAL_CALLS = 3  # calls with equal answers only, after which one answer a call is asked for
_MOST_UNANSWERED = 8  # requests in a row without answers before the first success


@dataclass(slots=True)
class ServerCapabilities:
    """What this server was found to accept, and whether it has answered; over all passes."""

    n: int = 128  # answers a call
    seed: bool = True
    controls: bool = True
    logprobs: int = 20
    adaptations: frozenset[Adaptation] = frozenset()
    has_answered: bool = False
    unanswered_in_a_row: int = 0  # requests
    guesses: int = 0  # requests in a row that went through with less, nothing having been named
    draws_apart: bool = False  # one call was seen to bring answers that differ
    equal_calls: int = 0  # calls in a row that brought several answers, all equal

    def count_draws(self, request: ChatRequest, choices: Sequence[Choice]) -> int:
        """How many of a call's answers are draws of their own.

        A server that gives one answer n times has drawn it once. Until a call has brought answers
        that differ, equal ones count once, and after a few such calls one answer a call is asked
        for. Without chance (temperature 0) all answers are equal.
        """
        if len(choices) < 2 or self.draws_apart or request.sampling.temperature == 0:
            return len(choices)
        if any(choice.text != choices[0].text for choice in choices):
            self.draws_apart = True
            return len(choices)
        self.equal_calls += 1
        return 1

    def learn(self, original: ChatRequest, sent: ChatRequest, got: int) -> list[str]:
        """Remembers what the server took instead of what was wanted.

        Args:
            original: the request as it was first made.
            sent: the request that brought answers.
            got: how many it brought.

        Returns:
            What was learned, as sentences that continue the model's name.
        """
        news: list[str] = []
        n = sent.n if got > 1 or (sent.n > 1 and self.equal_calls) else 1
        if n < min(original.n, self.n):
            self.n = n
            if n > 1:
                news.append(
                    f"gives {n} answers a call, so each prompt is paid for once per {n} answers"
                )
            else:
                news.append("gives one answer a call, so each prompt is paid for once per answer")
        if original.controls and not sent.controls:
            self.controls = False
            news.append("refuses top_k and min_p: the server's own defaults apply")
        if original.seed is not None and sent.seed is None:
            self.seed = False
            news.append("refuses a seed: repeating a call draws a different answer")
        if sent.logprobs < original.logprobs:
            self.logprobs = sent.logprobs
            news.append(f"gives {sent.logprobs} log-probabilities of a token")
        found = sorted(sent.adaptations - original.adaptations - self.adaptations)
        self.adaptations |= sent.adaptations
        news += [describe_adaptation(adaptation, original) for adaptation in found]
        return news


class UnitResult(NamedTuple):
    """Result of a unit of work: its answers, or an error or refusal for each of them."""

    choices: Sequence[Choice] = ()  # empty only if everything stopped first
    cost: Cost = Cost()
    sent: ChatRequest | None = None  # the request that brought them, if one did


@dataclass(slots=True)
class _Attempts:
    """The state of one request across its attempts."""

    wanted: ChatRequest
    request: ChatRequest  # what is sent next: ``wanted``, or less of it
    begun: float  # when it was first sent, s by the loop's clock
    tries: int = 0  # calls that rate limits or failures ended
    failures: int = 0  # those of them that failures ended
    wasted: int = 0  # those of them that took much time or memory
    second_looks: int = 0  # refusals that named nothing, after which the same was sent again
    complaint: str = ""  # the first refusal that does not state what is refused
    fallbacks: Iterator[ChatRequest] | None = None

    def weaken(self, error: BadRequestError) -> bool:
        """Takes out of ``request`` what the server refuses; False if nothing can be taken out."""
        weaker = adapt_request(self.request, str(error), error.param)
        if weaker is None:
            self.complaint = self.complaint or str(error)
            if not self.second_looks:
                self.second_looks = 1
                return True
            if is_about_length(str(error)):
                return False  # a prompt that is too long stays so
            self.fallbacks = self.fallbacks or self.request.iterate_fallbacks()
            weaker = next(self.fallbacks, None)
        if weaker is None:
            return False
        self.request = weaker
        return True


class RetryingCaller:
    """Sends requests until each has come to an end. One event loop, one pass.

    Args:
        name: the model string, for messages.
        transport: carries the calls; opened by the owner.
        limiter: records successes and rate limits; acquired by the owner.
        capabilities: what the server accepts; learned here.
        meter: counts what is used.
        stop: set when no call can succeed; ends what waits for another try.
        note: called with what the user should know.
    """

    def __init__(
        self,
        name: str,
        *,
        transport: Transport,
        limiter: AimdLimiter,
        capabilities: ServerCapabilities,
        meter: Meter,
        stop: StopSignal,
        note: Callable[[str], None],
    ):
        self._name, self._transport, self._limiter = name, transport, limiter
        self._capabilities, self._meter = capabilities, meter
        self._stop, self._note = stop, note
        self._last_success = -1.0  # s by the loop's clock
        self._rng = random.Random()  # waiting times only: nothing that is recorded
        self._clock: Callable[[], float] = asyncio.get_running_loop().time

    async def call(self, original: ChatRequest) -> UnitResult:
        """Sends a request until it has come to an end; no choices if everything stops first."""
        attempts = _Attempts(original, original, self._clock())
        while self._stop.error is None:
            sent_at = self._clock()
            try:
                response = await self._transport.send(attempts.request)
            except BadRequestError as error:
                looks = attempts.second_looks
                if not attempts.weaken(error):
                    return self._give_up(original, attempts.complaint, is_server_gone=False)
                if attempts.second_looks > looks:
                    await self._stop.sleep(_SECOND_LOOK)
            except ContentFilterError as error:
                return UnitResult([Choice("", "filter", error=str(error))] * original.n)
            except FatalError as error:
                self._stop.set(self._explain_fatal(error))
            except CallError as error:
                attempts.tries += 1
                attempts.failures += not isinstance(error, RateLimitError)
                attempts.wasted += isinstance(error, WastefulError)
                wait = self._plan_wait(error, attempts, sent_at)
                if wait is None:
                    return self._give_up(
                        original, str(error), is_server_gone=self._is_gone(error, attempts)
                    )
                self._meter.count_retry()
                await self._stop.sleep(wait)
            else:
                return self._accept(response, attempts)
        return UnitResult()

    def _accept(self, response: ChatResponse, attempts: _Attempts) -> UnitResult:
        self._capabilities.has_answered = True
        self._capabilities.unanswered_in_a_row = 0
        self._last_success = self._clock()
        self._limiter.record_success()
        sent = attempts.request
        choices = response.choices[: self._capabilities.count_draws(sent, response.choices)]
        self._learn(attempts, len(choices))
        return UnitResult(choices, self._meter.count_call(sent, response), sent)

    def _learn(self, attempts: _Attempts, got: int) -> None:
        """Remembers what the server took instead of what was wanted, and says so."""
        original, sent, server = attempts.wanted, attempts.request, self._capabilities
        if server.equal_calls == _EQUAL_CALLS and server.n > 1 and not server.draws_apart:
            server.n = 1
            self._note(
                f"{self._name} gave equal answers only in {_EQUAL_CALLS} calls that asked for "
                "several: each call's counts once, and one answer a call is asked for from then on"
            )
        if attempts.fallbacks is None:
            server.guesses = 0 if sent is original else server.guesses
        elif server.guesses == 0:
            # The refusal named nothing and may pass: what follows is asked for whole once more.
            server.guesses = 1
            return
        if sent is not original or got < sent.n:
            for sentence in server.learn(original, sent, got):
                self._note(f"{self._name} {sentence}")

    def _plan_wait(self, error: CallError, attempts: _Attempts, sent_at: float) -> float | None:
        """Seconds to wait before the next try; None if there should be none."""
        if not isinstance(error, RateLimitError):
            is_first_contact = (
                isinstance(error, UnreachableError) and not self._capabilities.has_answered
            )
            if attempts.failures >= (_MOST_FIRST_CONTACTS if is_first_contact else _MOST_FAILURES):
                return None
            is_over = self._clock() - attempts.begun > _PATIENCE
            if is_over or attempts.wasted >= _MOST_WASTED:
                return None
            return draw_backoff(attempts.failures, self._rng)
        now = self._clock()
        self._limiter.record_rate_limit(sent_at, now)
        if error.wait is None:
            wait = draw_backoff(attempts.tries, self._rng)
        else:
            # A little later than asked, and not all at the same moment. A server that asks for no
            # wait at all is asked less and less often all the same.
            least = draw_backoff(attempts.tries, self._rng, base=_SHORTEST_BACKOFF)
            wait = max(error.wait + self._rng.uniform(0, min(0.1 * error.wait + 0.05, 2.0)), least)
        return None if now + wait - attempts.begun > _LONGEST_WAIT else wait

    def _is_gone(self, error: CallError, attempts: _Attempts) -> bool:
        """Whether it is the server and not this request: no other has succeeded meanwhile."""
        return (
            isinstance(error, RateLimitError | UnreachableError | NoReplyError)
            and self._last_success < attempts.begun
        )

    def _give_up(self, original: ChatRequest, reason: str, *, is_server_gone: bool) -> UnitResult:
        """An error for each answer; or the end of everything, if it is the server."""
        server = self._capabilities
        server.unanswered_in_a_row += 1
        has_never_worked = (
            not server.has_answered and server.unanswered_in_a_row >= _MOST_UNANSWERED
        )
        if is_server_gone or has_never_worked:
            self._stop.set(EngineError(f"{self._name} does not answer: {reason}"))
            return UnitResult()
        return UnitResult([Choice("", "error", error=reason)] * original.n)

    def _explain_fatal(self, error: FatalError) -> DormantError:
        return (ModelError if error.is_fixable else EngineError)(f"{self._name}: {error}")
