"""Workers that carry units of work through rate limits, failures and budgets to an end.

A unit is a prompt and the answers wanted of it. Each ends as answers, as a filter's refusal, or as
an error that is kept as an answer: nothing is dropped. Only what no later call can fix (a refused
key, a server that is gone, an empty account) stops the whole, after the calls in flight are in.

A worker goes round these steps until no unit is left or the pool stops::

    take      a unit, once few enough answers are in flight or not yet on disk
    acquire   leave to call, from the limiter
    reserve   money and answers, from the budget
    call      until the unit has come to an end (``retries``)
    settle    the reservation
    deliver   the answers; what a server or a budget left over goes back to be taken again
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol
from zlib import crc32

from dormant.engines.api.calls import ChatRequest, Choice, Transport
from dormant.engines.api.limiter import AimdLimiter
from dormant.engines.api.meter import Meter
from dormant.engines.api.refusals import Adaptation
from dormant.engines.api.retries import RetryingCaller, ServerCapabilities, UnitResult
from dormant.engines.api.signals import Notifier, StopSignal
from dormant.errors import BudgetError

#: Called with a prompt's index, the repeats that were answered, their answers, and the sampling
#: parameters of the call as JSON (empty where no call brought them).
Deliver = Callable[[int, range, Sequence[Choice], str], None]


class Unit(NamedTuple):
    """Some answers to one prompt."""

    job: int  # index of the prompt
    repeats: range
    request: ChatRequest  # as it would be for one answer; n and seed are set when it is asked


class Backpressure(Protocol):
    """Where answers go, and how many of them are not on disk yet."""

    @property
    def pending_units(self) -> int:
        """Units whose answers the receiver has not dealt with."""
        ...

    async def wait_for_space(self) -> None:
        """Waits until the receiver has dealt with some of them."""
        ...


class WorkerPool:
    """Works through units. One event loop, one pass.

    Args:
        name: the model string, for messages.
        transport: carries the calls.
        limiter: how many at once.
        capabilities: what the server accepts; learns.
        meter: use and budget.
        backpressure: keeps answers from piling up.
        deliver: called with the answers of each unit.
        note: called with what the user should know, once each.
    """

    def __init__(
        self,
        name: str,
        *,
        transport: Transport,
        limiter: AimdLimiter,
        capabilities: ServerCapabilities,
        meter: Meter,
        backpressure: Backpressure,
        deliver: Deliver,
        note: Callable[[str], None],
    ):
        self._transport, self._limiter, self._capabilities = transport, limiter, capabilities
        self._meter, self._backpressure, self._deliver = meter, backpressure, deliver
        self._stop = StopSignal()
        self._caller = RetryingCaller(
            name,
            transport=transport,
            limiter=limiter,
            capabilities=capabilities,
            meter=meter,
            stop=self._stop,
            note=note,
        )
        self._settings: dict[tuple[object, ...], str] = {}
        self._units: Iterator[Unit] = iter(())
        self._remainders: deque[Unit] = deque()  # what is left of units that were split
        self._in_flight = 0  # units that a worker holds
        self._idle_workers = Notifier()

    async def run(self, units: Iterator[Unit]) -> None:
        """Carries every unit to its end.

        Raises:
            EngineError, ModelError: no call can succeed.
            BudgetError: the budget is used up.
        """
        self._units = units
        self._limiter.reset()
        async with self._transport:
            workers = [asyncio.ensure_future(self._work()) for _ in range(self._limiter.max_calls)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        if self._stop.error is not None:
            raise self._stop.error

    async def _work(self) -> None:
        """One worker."""
        while (unit := await self._take()) is not None:
            # The limiter is asked without waiting first: awaiting costs time on every call.
            if not self._limiter.try_acquire():
                await self._limiter.acquire()
            try:
                await self._carry(unit)
            finally:
                self._limiter.release()
                self._in_flight -= 1
                if self._remainders or not self._in_flight or self._stop.error is not None:
                    self._idle_workers.notify_all()

    async def _take(self) -> Unit | None:
        """A unit that fits into one call; None when all is done or the pool stops."""
        while True:
            # Calls in flight and answers not on disk: what a killed process pays for again.
            while self._backpressure.pending_units + self._in_flight >= self._limiter.max_calls:
                await self._backpressure.wait_for_space()
            if self._stop.error is not None:
                return None
            unit = self._remainders.popleft() if self._remainders else next(self._units, None)
            if unit is not None:
                self._in_flight += 1
                return self._split(unit, self._capabilities.n)
            if not self._in_flight:
                return None
            # What others are carrying may come back in part.
            await self._idle_workers.wait()

    async def _carry(self, unit: Unit) -> None:
        """Carries a unit, or as much of it as the budget allows, to its end."""
        try:
            reservation = await self._meter.reserve(unit.request, len(unit.repeats))
        except BudgetError as error:
            self._stop.set(error)
            return
        result = UnitResult()
        try:
            unit = self._split(unit, reservation.answers)
            result = await self._caller.call(self._request_for(unit))
        finally:
            self._meter.settle(reservation, result.choices, result.cost)
        wanted, got = len(unit.repeats), len(result.choices)
        if got:
            settings = self._describe_settings(result.sent)
            self._deliver(unit.job, unit.repeats[:got], result.choices[:wanted], settings)
            self._split(unit, got)  # some servers give fewer answers than they are asked for

    def _describe_settings(self, sent: ChatRequest | None) -> str:
        """The sampling parameters of a call as JSON; each form is written once."""
        if sent is None:
            return ""
        key = (sent.sampling, sent.n, sent.seed is None, sent.controls, sent.adaptations)
        if key not in self._settings:
            found = self._transport.list_settings(sent)
            found["seed"] = sent.seed is not None
            if Adaptation.MOVED_SYSTEM in sent.adaptations:
                found["system"] = "in the user's turn"
            if Adaptation.MOVED_TOOLS in sent.adaptations:
                found["tools"] = "in the system prompt"
            self._settings[key] = json.dumps(found, sort_keys=True)
        return self._settings[key]

    def _split(self, unit: Unit, size: int) -> Unit:
        """The first ``size`` answers of a unit; the rest goes back to be taken again."""
        if len(unit.repeats) <= size:
            return unit
        self._remainders.append(unit._replace(repeats=unit.repeats[size:]))
        self._idle_workers.notify_all()
        return unit._replace(repeats=unit.repeats[:size])

    def _request_for(self, unit: Unit) -> ChatRequest:
        """A unit's request with as much in it as the server was found to accept."""
        base, capabilities, n = unit.request, self._capabilities, len(unit.repeats)
        seed = None
        if n == 1 and capabilities.seed:
            # Not with several answers a call: on some servers one seed gives n equal answers.
            own = crc32(f"{base.sampling.seed} {unit.repeats[0]}".encode())
            seed = crc32(base.prompt, own) >> 1  # 31 bits, which every server takes
        return ChatRequest(  # not ``_replace``, which costs several times as much
            messages=base.messages,
            prompt=base.prompt,
            sampling=base.sampling,
            n=n,
            seed=seed,
            controls=capabilities.controls,
            logprobs=min(base.logprobs, capabilities.logprobs),
            adaptations=capabilities.adaptations,
            raw=base.raw,
        )
