"""Workers that carry units of work through refusals, failures and budgets to an end.

A unit is a prompt and the answers wanted of it. Each ends as answers, as a filter's refusal, or as
an error that is kept as an answer: nothing is dropped. Only what no later call can mend (a refused
key, a server that is gone, an empty account) stops the whole, after what is on the way is in.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from zlib import crc32

from dormant.engines.api.pace import Pace, backoff
from dormant.engines.api.requests import (
    Answer,
    Choice,
    Fault,
    Filtered,
    Hopeless,
    Refused,
    Request,
    Throttled,
    Transport,
    Unreachable,
)
from dormant.engines.prices import Price, most_prompt_tokens, prompt_tokens, text_tokens
from dormant.engines.spending import Budget, Cost, Usage, paid
from dormant.errors import DormantError, EngineError, ModelError

_FAILURES = 6  # tries of a call that a broken server or line costs
_FIRST_CONTACT = 3  # tries to connect to a server that has never answered
_PATIENCE = 600.0  # seconds that one unit may be put off by a server that asks for patience
_HOPELESS = 8  # units in a row that come to nothing while none has ever succeeded


class Unit(NamedTuple):
    """Some answers to one prompt."""

    job: int  # index of the prompt
    repeats: range
    request: Request  # as it would be for one answer; n and seed are set when it is asked


@dataclass(slots=True)
class Terms:
    """What this server was found to accept."""

    n: int = 128  # answers a call
    seed: bool = True
    controls: bool = True
    logprobs: int = 20


@dataclass(slots=True)
class Account:
    """Where a model's use is counted, and what it may cost."""

    usage: Usage
    price: Price | None
    budget: Budget | None
    counted: bool = True  # whether answers count towards the budget's max_answers


class Harvest(NamedTuple):
    """What came of a unit."""

    choices: list[Choice]
    cost: Cost = Cost()


_NOTHING = Harvest([])


def _guessed(request: Request, answer: Answer) -> Cost:
    """What a call used whose server does not count: a budget must not take it for nothing."""
    made = text_tokens(*(choice.text for choice in answer.choices)) + len(answer.choices)
    return Cost(prompt_tokens(request.messages), completion=made)


class Room(Protocol):
    """Where answers go, and how many of them are not on disk yet."""

    @property
    def untaken(self) -> int:
        """Units whose answers nobody has dealt with."""
        ...

    async def space(self) -> None:
        """Waits until some of them are dealt with."""
        ...


class Crew:
    """Works through units. One event loop, one pass.

    Args:
        name: the model string, for messages.
        transport: carries the calls.
        pace: how many at once.
        terms: what the server accepts; learns.
        account: use and budget.
        room: keeps answers from piling up.
        deliver: called with each unit's prompt index, repeats and answers.
        note: called with what the user should know, once each.
    """

    def __init__(
        self,
        name: str,
        *,
        transport: Transport,
        pace: Pace,
        terms: Terms,
        account: Account,
        room: Room,
        deliver: Callable[[int, range, list[Choice]], None],
        note: Callable[[str], None],
    ):
        self._name, self._transport, self._pace, self._terms = name, transport, pace, terms
        self._account, self._room, self._deliver, self._note = account, room, deliver, note
        self._units: Iterator[Unit] = iter(())
        self._again: deque[Unit] = deque()  # what is left of units that were cut
        self._idle: list[asyncio.Future[None]] = []
        self._working = self._promises = self._succeeded = self._failed_in_a_row = 0
        self._last_success = -1.0
        self._stop: DormantError | None = None
        self._halted, self._settled = asyncio.Event(), asyncio.Event()
        self._rng = random.Random()  # waiting times only: nothing that is recorded
        self._clock: Callable[[], float] = asyncio.get_running_loop().time

    async def work(self, units: Iterator[Unit]) -> None:
        """Carries every unit to its end.

        Raises:
            EngineError, ModelError: no call can succeed.
            BudgetError: the budget is used up.
        """
        self._units = units
        self._pace.reset()
        async with self._transport:
            workers = [asyncio.ensure_future(self._worker()) for _ in range(self._pace.most)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        if self._stop is not None:
            raise self._stop

    # Handing out units

    async def _worker(self) -> None:
        while (unit := await self._next()) is not None:
            if not self._pace.entered():
                await self._pace.enter()
            try:
                await self._carry(unit)
            finally:
                self._pace.leave()
                self._working -= 1
                if self._idle and (self._again or not self._working or self._stop):
                    self._rouse()

    async def _next(self) -> Unit | None:
        """A unit of at most ``terms.n`` answers; None when all is done or the crew stops."""
        while True:
            # Calls on the way and answers not on disk: what a killed process pays for again.
            while self._room.untaken + self._working >= self._pace.most:
                await self._room.space()
            if self._stop is not None:
                return None
            unit = self._again.popleft() if self._again else next(self._units, None)
            if unit is not None:
                self._working += 1
                return self._cut(unit, self._terms.n)
            if not self._working:
                return None
            # What others are carrying may come back in parts.
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(turn)
            await turn

    def _cut(self, unit: Unit, size: int) -> Unit:
        if len(unit.repeats) <= size:
            return unit
        rest = Unit(unit.job, unit.repeats[size:], unit.request)
        self._again.append(rest)
        self._rouse()
        return Unit(unit.job, unit.repeats[:size], unit.request)

    def _rouse(self) -> None:
        idle, self._idle = self._idle, []
        for turn in idle:
            if not turn.done():
                turn.set_result(None)

    def _halt(self, error: DormantError) -> None:
        """Lets nothing new begin; what is on the way still comes in."""
        if self._stop is None:
            self._stop = error
        self._halted.set()
        self._settled.set()

    # One unit

    async def _carry(self, unit: Unit) -> None:
        budget, worst = self._account.budget, 0.0
        if budget is not None:
            worst = self._worst(unit)
            granted = await self._afford(unit, budget, worst)
            if not granted:
                return
            unit = self._cut(unit, granted)
        harvest = _NOTHING
        try:
            harvest = await self._insist(self._request(unit))
        finally:
            if budget is not None:
                self._settle(budget, unit, worst, harvest)
        choices = harvest.choices
        if choices:
            got = len(choices)
            self._deliver(unit.job, unit.repeats[:got], choices[: len(unit.repeats)])
            if got < len(unit.repeats):
                rest = Unit(unit.job, unit.repeats[got:], unit.request)
                self._again.append(rest)
                self._rouse()

    def _request(self, unit: Unit) -> Request:
        base, terms, n = unit.request, self._terms, len(unit.repeats)
        seed = None
        if n == 1 and terms.seed:
            # Not with several answers a call: on some servers one seed gives n equal answers.
            own = crc32(f"{base.sampling.seed} {unit.repeats[0]}".encode())
            seed = crc32(base.prompt, own) >> 1  # 31 bits, which every server takes
        return Request(
            messages=base.messages,
            prompt=base.prompt,
            sampling=base.sampling,
            n=n,
            seed=seed,
            controls=terms.controls,
            logprobs=min(base.logprobs, terms.logprobs),
        )

    async def _insist(self, wanted: Request) -> Harvest:
        """Asks until there is an answer or no hope; nothing if the crew stops first."""
        began, tries, failures = self._clock(), 0, 0
        request, complaint = wanted, ""
        ways: Iterator[Request] | None = None
        while self._stop is None:
            sent = self._clock()
            try:
                answer = await self._transport.ask(request)
            except Refused as fault:
                weaker = request.without(str(fault))
                if weaker is None:
                    complaint = complaint or str(fault)
                    ways = ways or request.fallbacks()
                    weaker = next(ways, None)
                if weaker is None:
                    return self._give_up(wanted, complaint, gone=False)
                request = weaker
                continue
            except Filtered as fault:
                return Harvest([Choice("", "filter", error=str(fault))] * wanted.n)
            except Hopeless as fault:
                self._halt(self._fatal(fault))
                break
            except Fault as fault:
                tries += 1
                failures += not isinstance(fault, Throttled)
                wait = self._wait(fault, tries, failures, sent=sent, began=began)
                if wait is None:
                    gone = isinstance(fault, Throttled | Unreachable)
                    return self._give_up(wanted, str(fault), gone=gone and self._silent(began))
                self._account.usage.retries += 1
                await self._sleep(wait)
                continue
            self._succeeded += 1
            self._failed_in_a_row = 0
            self._last_success = self._clock()
            self._pace.succeeded()
            got = len(answer.choices)
            told = bool(answer.cost.prompt) or answer.cost.usd is not None
            cost = answer.cost if told else _guessed(request, answer)
            self._account.usage.add(cost, got, guessed=not told)
            if request is not wanted or got < request.n:
                self._learn(wanted, request, got)
            return Harvest(list(answer.choices), cost)
        return _NOTHING

    def _wait(
        self, fault: Fault, tries: int, failures: int, *, sent: float, began: float
    ) -> float | None:
        """Seconds to wait before the next try; None if there should be none."""
        if isinstance(fault, Throttled):
            now = self._clock()
            self._pace.throttled(sent, now)
            wait = backoff(tries, self._rng)
            if fault.wait is not None:
                # A little later than asked, and not all at the same moment.
                wait = fault.wait + self._rng.uniform(0, min(0.1 * fault.wait + 0.05, 2.0))
            return None if now + wait - began > _PATIENCE else wait
        first = isinstance(fault, Unreachable) and not self._succeeded
        if failures >= (_FIRST_CONTACT if first else _FAILURES):
            return None
        return backoff(failures, self._rng)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._halted.wait(), seconds)
        except TimeoutError:
            pass

    def _silent(self, began: float) -> bool:
        """Whether no call has succeeded since a moment."""
        return self._last_success < began

    def _give_up(self, wanted: Request, reason: str, *, gone: bool) -> Harvest:
        """An error for each answer; or the end, if it is the server and not this prompt."""
        self._failed_in_a_row += 1
        if gone or (not self._succeeded and self._failed_in_a_row >= _HOPELESS):
            self._halt(EngineError(f"{self._name} does not answer: {reason}"))
            return _NOTHING
        return Harvest([Choice("", "error", error=reason)] * wanted.n)

    def _fatal(self, fault: Hopeless) -> DormantError:
        return (ModelError if fault.mendable else EngineError)(f"{self._name}: {fault}")

    def _learn(self, wanted: Request, request: Request, got: int) -> None:
        """Remembers what the server took instead of what was wanted."""
        terms = self._terms
        n = 1 if got == 1 else request.n
        if n < min(wanted.n, terms.n):
            terms.n = n
            self._note(
                f"{self._name} gives {n} answer{'s' * (n > 1)} a call, so each prompt is paid "
                f"once for every {n}"
                if n > 1
                else f"{self._name} gives one answer a call, so each prompt is paid once an answer"
            )
        if wanted.controls and not request.controls:
            terms.controls = False
            self._note(f"{self._name} refuses top_k and min_p: the server's own defaults apply")
        if wanted.seed is not None and request.seed is None:
            terms.seed = False
            self._note(f"{self._name} refuses a seed: the same call draws another answer")
        if request.logprobs < wanted.logprobs:
            terms.logprobs = request.logprobs
            self._note(f"{self._name} gives {request.logprobs} log-probabilities of a token")

    # Money

    def _worst(self, unit: Unit) -> float:
        """The most that one answer of a unit can cost, USD."""
        price = self._account.price
        if price is None:
            return 0.0
        sampling = unit.request.sampling
        return price.of(most_prompt_tokens(unit.request.messages), sampling.max_tokens)

    async def _afford(self, unit: Unit, budget: Budget, worst: float) -> int:
        """How many answers of a unit the budget allows; 0 if it is used up."""
        while self._stop is None:
            granted = budget.grant(len(unit.repeats), worst, counted=self._account.counted)
            if granted:
                self._promises += 1
                return granted
            if not self._promises:
                self._halt(budget.stop())
                break
            # What is on the way counts at its highest price: it may leave something over.
            await self._settled.wait()
        return 0

    def _settle(self, budget: Budget, unit: Unit, worst: float, harvest: Harvest) -> None:
        bought = sum(choice.finish != "error" for choice in harvest.choices)
        spent, counted = paid(harvest.cost, self._account.price), self._account.counted
        budget.settle(len(unit.repeats), worst, bought=bought, paid=spent, counted=counted)
        self._promises -= 1
        settled, self._settled = self._settled, asyncio.Event()
        settled.set()
