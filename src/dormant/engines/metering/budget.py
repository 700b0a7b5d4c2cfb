"""The budget that stops a run, and what a paid engine does to keep to it."""

from __future__ import annotations

import threading
from typing import Protocol, runtime_checkable

from dormant.errors import BudgetError
from dormant.records import Cost, Price, Usage


def call_cost(cost: Cost, price: Price | None) -> float:
    """Returns the cost of one call, USD; 0 if unknown."""
    if cost.usd is not None:
        return cost.usd
    return 0.0 if price is None else price.cost_of(cost.prompt, cost.completion, cost.cached)


class Budget:
    """A ceiling that several models share. Calls in flight count at their highest price.

    Args:
        max_answers: answers of models under audit (a judge's replies are not counted).
        usd: money, all models and judges together.
        answers: answers that an earlier part of the run already stored.
        spent: USD already spent.
    """

    def __init__(
        self,
        *,
        max_answers: int | None = None,
        usd: float | None = None,
        answers: int = 0,
        spent: float = 0.0,
    ):
        if max_answers is not None and max_answers < 0:
            raise ValueError(f"max_answers must be at least 0, got {max_answers!r}")
        if usd is not None and not usd >= 0:
            raise ValueError(f"usd must be at least 0, got {usd!r}")
        self.max_answers, self.usd = max_answers, usd
        self.answers, self.spent = answers, spent
        self._promised_answers, self._promised_usd = 0, 0.0
        self._lock = threading.Lock()

    def affordable(self, answers: int) -> int:
        """Returns how many of these answers a free model may give; reserves nothing."""
        if self.max_answers is None:
            return answers
        with self._lock:
            remaining = self.max_answers - self.answers - self._promised_answers
            return max(min(answers, remaining), 0)

    def count_free(self, answers: int) -> None:
        """Counts answers of a free model."""
        with self._lock:
            self.answers += answers

    def reserve_call(self, answers: int, usd: float, *, counted: bool = True) -> int:
        """Reserves budget for a call.

        Args:
            answers: answers wanted from it.
            usd: the most that each may cost, USD.
            counted: whether they count towards ``max_answers``.

        Returns:
            How many of these answers the budget allows; each must be settled afterwards.
        """
        with self._lock:
            granted = answers
            if self.max_answers is not None and counted:
                remaining = self.max_answers - self.answers - self._promised_answers
                granted = max(min(granted, remaining), 0)
            if self.usd is not None and usd > 0:
                left_usd = self.usd - self.spent - self._promised_usd
                granted = max(min(granted, int(left_usd / usd + 1e-9)), 0)
            elif self.usd is not None and self.spent > self.usd:
                granted = 0
            self._promised_answers += granted if counted else 0
            self._promised_usd += granted * usd
            return granted

    def settle_call(
        self, promised: int, usd: float, *, bought: int, paid: float, counted: bool = True
    ) -> None:
        """Replaces a reservation of ``promised`` answers at ``usd`` each by what was used."""
        with self._lock:
            self._promised_answers -= promised if counted else 0
            self._promised_usd -= promised * usd
            self.answers += bought if counted else 0
            self.spent += paid

    @property
    def reason(self) -> str:
        """How much of the budget is used, in words."""
        limits: list[str] = []
        if self.max_answers is not None:
            limits.append(f"{self.answers:,} of {self.max_answers:,} answers")
        if self.usd is not None:
            limits.append(f"{self.spent:.4f} of {self.usd:g} USD")
        return ", ".join(limits)

    def make_error(self) -> BudgetError:
        """Makes the error that ends a run whose next answer would exceed the budget."""
        limits = {"--max-answers": self.max_answers, "--budget-usd": self.usd}
        options = " or ".join(option for option, limit in limits.items() if limit is not None)
        short, full = "", self.max_answers is not None and self.answers >= self.max_answers
        if not full and self.usd is not None and self.spent < self.usd:
            short = "; what is left may not pay for one more answer"
        return BudgetError(
            f"the budget is reached ({self.reason}{short}): answers so far are kept, and the "
            f"same command with a larger {options} continues from here"
        )


@runtime_checkable
class MeteredEngine(Protocol):
    """An engine that costs money: it counts its usage and stays within a budget."""

    budget: Budget | None
    price: Price | None  # what its tokens cost; None if unknown

    @property
    def name(self) -> str:
        """The model string."""
        ...

    @property
    def usage(self) -> Usage:
        """Usage so far."""
        ...

    @property
    def shares_prompts(self) -> bool:
        """Whether a prompt is paid once for all its answers, where the server allows it."""
        ...
