"""``ApiEngine``: a model behind an API, behind the protocols ``Engine`` and ``Rater``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence

from dormant.engines import Job, Rating, Reply, prices
from dormant.engines.api.bridge import Outlet, stream
from dormant.engines.api.crew import Account, Crew, Room, Terms, Unit
from dormant.engines.api.direct import Direct
from dormant.engines.api.names import Endpoint, endpoint
from dormant.engines.api.pace import Pace
from dormant.engines.api.requests import MOST_LOGPROBS, Choice, Request, Transport
from dormant.engines.api.wire import prompt_json
from dormant.engines.spending import Budget, Usage
from dormant.errors import ModelError
from dormant.records import Message, Sampling, digest

_LOG = logging.getLogger(__name__)
_CONNECTIONS = "DORMANT_MAX_CONNECTIONS"
_MOST_CALLS = 100
_TIMEOUT = 600.0  # seconds a call, all its answers included
#: Raised when the way a prompt is sent changes, so that answers sent in two ways never mix.
_WAY = 1


class ApiEngine:
    """A model behind an API.

    Its weights cannot be hashed: the fingerprint holds its name, its provider and the way of
    asking, so a provider that changes a model under its name goes unseen.

    Args:
        name: the model string, see ``names``.
        connections: at most so many calls at once; ``DORMANT_MAX_CONNECTIONS``, else 100, if None.
        timeout: seconds that one call may take.
        budget: a ceiling on answers and money; may also be set later.
        price: USD per million tokens, instead of the known price.

    Raises:
        ModelError: the string is incomplete, or a key or a base URL is missing.
        MissingExtraError: what the API needs is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        connections: int | None = None,
        timeout: float = _TIMEOUT,
        budget: Budget | None = None,
        price: prices.Price | None = None,
    ):
        self.name, self.budget = name, budget
        self.endpoint: Endpoint | None = endpoint(name)
        self.notes: list[str] = []  # what the user should know about this server
        self._usage, self._terms = Usage(), Terms()
        self._given_price, self._known_price = price, False
        self._price: prices.Price | None = price
        most = _connections() if connections is None else connections
        self._pace = Pace(most)
        self._transport = self.transport(connections=most, timeout=timeout)
        self._terms.controls = self.endpoint is not None and not self.endpoint.hosted
        provider = self.endpoint.provider if self.endpoint else name.partition("/")[0]
        route = "direct" if self.endpoint else "inspect"
        self.fingerprint = digest(["api", _WAY, route, provider, name])[:32]

    def transport(self, *, connections: int, timeout: float) -> Transport:
        """Another way to the same model, not opened yet."""
        if self.endpoint is not None:
            return Direct(self.endpoint, connections=connections, timeout=timeout)
        from dormant.engines.api.layer import Layered

        layered = self.name.removeprefix("inspect/")
        return Layered(layered, connections=connections, timeout=timeout)

    @property
    def usage(self) -> Usage:
        """What was used since the engine was made."""
        return self._usage

    @property
    def price(self) -> prices.Price | None:
        """What its tokens cost; None if nobody knows."""
        if self._given_price is None and not self._known_price:
            self._price, self._known_price = prices.price_of(self.name), True
        return self._price

    @price.setter
    def price(self, price: prices.Price | None) -> None:
        self._given_price = self._price = price
        self._known_price = False

    @property
    def usd(self) -> float:
        """What was spent since the engine was made, USD; NaN if nobody knows."""
        return self._usage.usd(self.price)

    @property
    def shares_prompts(self) -> bool:
        """Whether one call may bring several answers to a prompt; most providers give one."""
        return self.endpoint is not None

    def render(self, messages: Sequence[Message]) -> str:
        """The turns that are sent, one a line; the server's own template stays unseen."""
        return "\n".join(f"{message.role}: {message.content}" for message in messages)

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields answers in batches as they come in.

        Where the server allows it, one call brings several answers to its prompt. A server that
        takes a seed gets one of its own for each answer that is asked for alone; no API promises
        the same answer twice, so what was bought is kept and never asked for again.

        Raises:
            ModelError: the server refuses the key or knows no such model.
            EngineError: the server does not answer.
            BudgetError: the budget is reached.
        """

        async def make(outlet: Outlet[Reply]) -> None:
            def deliver(index: int, repeats: range, choices: list[Choice]) -> None:
                outlet.put([_reply(index, r, c) for r, c in zip(repeats, choices, strict=True)])

            await self._crew(outlet, deliver, counted=True).work(_units(jobs, sampling))

        return stream(make)

    def rate(
        self, prompts: Sequence[tuple[Message, ...]], sampling: Sampling
    ) -> Iterator[list[Rating]]:
        """Yields one reply per prompt, with the first token's log-probabilities where given.

        Raises:
            ModelError, EngineError, BudgetError: as ``sample``.
        """

        async def make(outlet: Outlet[Rating]) -> None:
            def deliver(index: int, repeats: range, choices: list[Choice]) -> None:
                one = choices[0]
                outlet.put([Rating(index, one.text, one.logprobs, one.finish, one.error)])

            jobs = [Job(messages, range(1)) for messages in prompts]
            units = _units(jobs, sampling, logprobs=MOST_LOGPROBS)
            await self._crew(outlet, deliver, counted=False).work(units)

        return stream(make)

    def _crew(
        self, room: Room, deliver: Callable[[int, range, list[Choice]], None], *, counted: bool
    ) -> Crew:
        counts_money = self.budget is not None and self.budget.usd is not None
        if counts_money and self.price is None:
            raise ModelError(
                f"a budget in USD needs a price, and none is known for {self.name!r}: give yours "
                f"with --price {self.name}=INPUT/OUTPUT (USD per million tokens)"
            )
        return Crew(
            self.name,
            transport=self._transport,
            pace=self._pace,
            terms=self._terms,
            account=Account(
                self._usage, self.price if counts_money else None, self.budget, counted
            ),
            room=room,
            deliver=deliver,
            note=self._note,
        )

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            _LOG.warning("%s", text)


def _units(jobs: Sequence[Job], sampling: Sampling, *, logprobs: int = 0) -> Iterator[Unit]:
    for index, job in enumerate(jobs):
        if not job.repeats:
            continue
        raw = prompt_json(job.messages)
        request = Request(job.messages, raw, sampling, logprobs=logprobs)
        yield Unit(index, job.repeats, request)


def _reply(job: int, repeat: int, choice: Choice) -> Reply:
    return Reply(job, repeat, choice.text, choice.finish, choice.tokens, choice.error)


def _connections() -> int:
    given = os.environ.get(_CONNECTIONS, "")
    if not given:
        return _MOST_CALLS
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= 10_000:
        raise ModelError(f"{_CONNECTIONS} must be a number from 1 to 10000, got {given[:80]!r}")
    return int(given)
