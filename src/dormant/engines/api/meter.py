"""What one pass of calls uses, counted as it comes in, and the budget that it must keep to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dormant.engines.api.calls import ChatRequest, ChatResponse, Choice
from dormant.engines.api.signals import Notifier
from dormant.engines.metering.budget import Budget, call_cost
from dormant.engines.metering.prices import most_prompt_tokens, prompt_tokens, text_tokens
from dormant.records import Cost, Price, Usage


class Reservation(NamedTuple):
    """Answers that may be bought, and what the budget sets aside for them."""

    answers: int
    usd: float = 0.0  # the most that each of them can cost


class Meter:
    """Counts what a model uses and reserves what it may cost. One event loop, one pass.

    Args:
        usage: where the calls are counted.
        price: of the model's tokens; None if money is not limited.
        budget: the ceiling; None for none.
        counts_answers: whether answers count towards the budget's ``max_answers``.
    """

    def __init__(
        self, usage: Usage, price: Price | None, budget: Budget | None, *, counts_answers: bool
    ):
        self._usage, self._price, self._budget = usage, price, budget
        self._counts_answers = counts_answers
        self._open_reservations = 0
        self._settled = Notifier()

    def count_retry(self) -> None:
        """Counts a call that failed and is made again."""
        self._usage.retries += 1

    def count_call(self, request: ChatRequest, response: ChatResponse) -> Cost:
        """Counts a call that brought answers; gives what it used."""
        cost = response.cost
        is_known = bool(cost.prompt) or cost.usd is not None
        if not is_known:
            # A budget must not take a call for free because its server counts no tokens.
            cost = _estimate_cost(request, response.choices)
        self._usage.add_call(cost, len(response.choices), guessed=not is_known)
        return cost

    async def reserve(self, request: ChatRequest, wanted: int) -> Reservation:
        """Sets budget aside for answers to a request; every reservation must be settled.

        Args:
            request: what will be asked.
            wanted: how many answers to it.

        Returns:
            At least one answer, at most those that are wanted.

        Raises:
            BudgetError: the budget is used up.
        """
        if self._budget is None:
            return Reservation(wanted)
        usd = self._price_longest_answer(request)
        while not (granted := self._budget.reserve_call(wanted, usd, counted=self._counts_answers)):
            if not self._open_reservations:
                raise self._budget.make_error()
            # Calls in flight are reserved at their highest price: they may leave something over.
            await self._settled.wait()
        self._open_reservations += 1
        return Reservation(granted, usd)

    def settle(self, reservation: Reservation, choices: Sequence[Choice], cost: Cost) -> None:
        """Replaces a reservation by what was bought."""
        if self._budget is None:
            return
        self._budget.settle_call(
            reservation.answers,
            reservation.usd,
            bought=sum(choice.finish != "error" for choice in choices),
            paid=call_cost(cost, self._price),
            counted=self._counts_answers,
        )
        self._open_reservations -= 1
        self._settled.notify_all()

    def _price_longest_answer(self, request: ChatRequest) -> float:
        """The most that one answer to a request can cost, USD."""
        if self._price is None:
            return 0.0
        most = _count_tokens(request) or most_prompt_tokens(request.messages)
        return self._price.cost_of(most, request.sampling.max_tokens)


def _estimate_cost(request: ChatRequest, choices: Sequence[Choice]) -> Cost:
    """Tokens of a call whose server does not count them, from the lengths of its texts."""
    completion = text_tokens(*(choice.text for choice in choices)) + len(choices)
    prompt = _count_tokens(request) or prompt_tokens(request.messages)
    return Cost(prompt, completion=completion)


def _count_tokens(request: ChatRequest) -> int:
    """Tokens of a prompt that is sent as a list of them; 0 for turns, which a server counts."""
    return request.prompt.count(b",") + 1 if request.raw is not None else 0
