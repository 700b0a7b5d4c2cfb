"""``ApiEngine``: a model behind an API as an ``Engine`` and a ``Rater``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence

from dormant.engines import Job, Reply
from dormant.engines.api.calls import MOST_LOGPROBS, Choice, ClosedTransport, Transport
from dormant.engines.api.endpoint import Endpoint, find_endpoint
from dormant.engines.api.http_transport import HttpTransport
from dormant.engines.api.limiter import AimdLimiter
from dormant.engines.api.meter import Meter
from dormant.engines.api.prompt_forms import PromptForm, TurnForm
from dormant.engines.api.retries import ServerCapabilities
from dormant.engines.api.sync_stream import BatchQueue, stream_batches
from dormant.engines.api.workers import Backpressure, Deliver, WorkerPool
from dormant.engines.metering import prices
from dormant.engines.metering.budget import Budget
from dormant.engines.model_strings import ModelString, parse_model
from dormant.engines.tool_turns import move_tool_text
from dormant.errors import MissingExtraError, ModelError
from dormant.records import Message, Price, Rating, Sampling, Usage, describe_turns, hash_value

_LOG = logging.getLogger(__name__)
_CONNECTIONS_VARIABLE = "DORMANT_MAX_CONNECTIONS"
_DEFAULT_CONNECTIONS = 100
_TIMEOUT = 600.0  # seconds a call, all its answers included
#: Incremented when prompts are sent in another form, so that answers to two forms never mix.
_REQUEST_FORM = 1


class ApiEngine:
    """A model behind an API.

    Its weights cannot be hashed: the fingerprint holds its name, its provider and the form of
    request, so a provider can change a model under the same name unnoticed.

    Args:
        name: the model string, as text or parsed.
        connections: most calls at once; ``DORMANT_MAX_CONNECTIONS``, else 100, if None.
        timeout: seconds that one call may take.
        budget: ceiling on answers and money; may also be set later.
        price: USD per million tokens, instead of the known price.
        needs_key: whether a missing key or server is an error now; else it is when it is asked.

    Raises:
        ModelError: the string is incomplete, or a key or a base URL is missing.
        MissingExtraError: what the API needs is not installed.
    """

    def __init__(
        self,
        name: str | ModelString,
        *,
        connections: int | None = None,
        timeout: float = _TIMEOUT,
        budget: Budget | None = None,
        price: Price | None = None,
        needs_key: bool = True,
    ):
        self._model = name if isinstance(name, ModelString) else parse_model(name)
        self.name, self.budget = self._model.text, budget
        self.endpoint: Endpoint | None = find_endpoint(self._model, needs_key=needs_key)
        self.notes: list[str] = []  # one sentence per limitation of this server
        self._usage, self._capabilities = Usage(), ServerCapabilities()
        self._given_price, self._known_price = price, False
        self._price: Price | None = price
        most = _read_max_connections() if connections is None else connections
        self._limiter = AimdLimiter(most)
        self._transport = self._open_transport(most, timeout, needs_key)
        self._capabilities.controls = self.endpoint is not None and not self.endpoint.hosted
        prefix = self.endpoint.provider if self.endpoint else self.name.partition("/")[0]
        route = "direct" if self.endpoint else "inspect"
        self.fingerprint = hash_value(["api", _REQUEST_FORM, route, prefix, self.name])[:32]

    def _open_transport(self, connections: int, timeout: float, needs_key: bool) -> Transport:
        try:
            if not needs_key and self.endpoint is not None:
                find_endpoint(self._model)  # which says what is missing
            return self.make_transport(connections=connections, timeout=timeout)
        except (ModelError, MissingExtraError) as error:
            if needs_key:
                raise
            return ClosedTransport(error)

    def make_transport(self, *, connections: int, timeout: float) -> Transport:
        """Creates a transport to the same model, not opened yet."""
        if self.endpoint is not None:
            return HttpTransport(self.endpoint, connections=connections, timeout=timeout)
        from dormant.engines.api.inspect_transport import InspectTransport

        inspect_name = self._model.inspect_name
        return InspectTransport(inspect_name, connections=connections, timeout=timeout)

    @property
    def usage(self) -> Usage:
        """Usage since the engine was created."""
        return self._usage

    @property
    def price(self) -> Price | None:
        """What its tokens cost; None if unknown."""
        if self._given_price is None and not self._known_price:
            self._price, self._known_price = prices.price_of(self._model), True
        return self._price

    @price.setter
    def price(self, price: Price | None) -> None:
        self._given_price = self._price = price
        self._known_price = False

    @property
    def usd(self) -> float:
        """Money spent since the engine was created, USD; NaN if unknown."""
        return self._usage.cost_usd(self.price)

    @property
    def shares_prompts(self) -> bool:
        """Whether one call may bring several answers to a prompt; most providers give one."""
        return self.endpoint is not None

    @property
    def moves_tool_text(self) -> bool:
        """True: a server takes a tool message only as the reply to a call of its own."""
        return True

    @property
    def offers_tools(self) -> bool:
        """True: a server gets definitions of tools in a field of their own."""
        return True

    def render(self, messages: Sequence[Message]) -> str:
        """Returns the turns that are sent, one per line; the server's own template is unknown."""
        return describe_turns(move_tool_text(messages))

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields answers in batches as they come in.

        Where the server allows it, one call brings several answers to its prompt. A server that
        takes a seed gets a separate one for each answer that is asked for alone. No API promises
        the same answer twice, so stored answers are never asked for again.

        Raises:
            ModelError: the server refuses the key or knows no such model.
            EngineError: the server does not answer.
            BudgetError: the budget is reached.
        """
        form = self._start_form()

        async def produce(batches: BatchQueue[Reply]) -> None:
            def deliver(
                index: int, repeats: range, choices: Sequence[Choice], settings: str
            ) -> None:
                read = [form.read_choice(index, choice) for choice in choices]
                pairs = zip(repeats, read, strict=True)
                batches.put([_make_reply(index, *pair, settings) for pair in pairs])

            pool = self._make_pool(batches, deliver, counts_answers=True)
            await pool.run(form.make_units(jobs, sampling))

        return stream_batches(produce)

    def rate(
        self, prompts: Sequence[tuple[Message, ...]], sampling: Sampling
    ) -> Iterator[list[Rating]]:
        """Yields one reply per prompt, with the first token's log-probabilities where given.

        Raises:
            ModelError, EngineError, BudgetError: as ``sample``.
        """
        form = self._start_form()

        async def produce(batches: BatchQueue[Rating]) -> None:
            def deliver(
                index: int, repeats: range, choices: Sequence[Choice], settings: str
            ) -> None:
                one = form.read_choice(index, choices[0])
                batches.put([Rating(index, one.text, one.logprobs, one.finish, one.error)])

            jobs = [Job(messages, range(1)) for messages in prompts]
            units = form.make_units(jobs, sampling, logprobs=MOST_LOGPROBS)
            await self._make_pool(batches, deliver, counts_answers=False).run(units)

        return stream_batches(produce)

    def _start_form(self) -> PromptForm:
        """How the prompts of one pass are sent."""
        return TurnForm()

    def _make_pool(
        self, backpressure: Backpressure, deliver: Deliver, *, counts_answers: bool
    ) -> WorkerPool:
        counts_money = self.budget is not None and self.budget.usd is not None
        if counts_money and self.price is None:
            raise ModelError(
                f"a budget in USD needs a price, and that of {self.name!r} is unknown; give it "
                f"with --price {self.name}=INPUT/OUTPUT (USD per million tokens)"
            )
        price = self.price if counts_money else None
        return WorkerPool(
            self.name,
            transport=self._transport,
            limiter=self._limiter,
            capabilities=self._capabilities,
            meter=Meter(self._usage, price, self.budget, counts_answers=counts_answers),
            backpressure=backpressure,
            deliver=deliver,
            note=self._add_note,
        )

    def _add_note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            _LOG.warning("%s", text)


def _make_reply(job: int, repeat: int, choice: Choice, settings: str) -> Reply:
    return Reply(job, repeat, choice.text, choice.finish, choice.tokens, choice.error, settings)


def _read_max_connections() -> int:
    value = os.environ.get(_CONNECTIONS_VARIABLE, "")
    if not value:
        return _DEFAULT_CONNECTIONS
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 10_000:
        raise ModelError(
            f"{_CONNECTIONS_VARIABLE} must be an integer from 1 to 10000, got {value[:80]!r}"
        )
    return int(value)
