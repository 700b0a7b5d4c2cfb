"""Tokens and money: what a call used, what a model has used, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float
    cached: float = math.nan  # of prompt tokens that the provider's cache held; NaN: as input
    source: str = "given by the user"
    date: str = ""  # newest entry of the source, ISO 8601; empty if it has no date

    def cost_of(self, prompt: int, completion: int, cached: int = 0) -> float:
        """Returns the cost of these tokens, USD; ``cached`` tokens are part of ``prompt``."""
        read = self.input if math.isnan(self.cached) else self.cached
        return ((prompt - cached) * self.input + cached * read + completion * self.output) / 1e6

    @property
    def description(self) -> str:
        """The price in words."""
        when = f", {self.date}" if self.date else ""
        return f"{self.input:g} / {self.output:g} USD per million tokens ({self.source}{when})"


class Cost(NamedTuple):
    """Usage of one call, as the server counted it."""

    prompt: int = 0  # tokens
    cached: int = 0  # of these, read from the provider's cache
    completion: int = 0
    usd: float | None = None  # if the provider states it


@dataclass(slots=True)
class Usage:
    """Usage of one model so far, as its server counted it."""

    calls: int = 0  # calls that brought answers
    answers: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt tokens
    completion_tokens: int = 0
    retries: int = 0  # calls that failed and were made again
    uncounted: int = 0  # calls whose server reported no usage; estimated from the length
    told_usd: float = 0.0  # money that the provider itself reported
    told: tuple[int, int, int] = (0, 0, 0)  # prompt, completion, cached tokens of those calls

    def add_call(self, cost: Cost, answers: int, *, guessed: bool = False) -> None:
        """Counts one call that brought answers; ``guessed`` if its server reported no usage."""
        self.calls += 1
        self.answers += answers
        self.prompt_tokens += cost.prompt
        self.cached_tokens += cost.cached
        self.completion_tokens += cost.completion
        if guessed or not cost.prompt:
            self.uncounted += 1
        if cost.usd is not None:
            prompt, completion, cached = self.told
            self.told_usd += cost.usd
            self.told = (prompt + cost.prompt, completion + cost.completion, cached + cost.cached)

    def merged_with(self, other: Usage) -> Usage:
        """Returns the usage of two parts of a run together."""
        parts = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "told"
        }
        prompt, completion, cached = (a + b for a, b in zip(self.told, other.told, strict=True))
        return Usage(**parts, told=(prompt, completion, cached))

    def cost_usd(self, price: Price | None) -> float:
        """Returns the cost, USD; NaN if neither the provider nor a price determines it.

        Args:
            price: applies to tokens whose cost the provider did not report.
        """
        prompt, completion, cached = self.told
        prompt, cached = self.prompt_tokens - prompt, self.cached_tokens - cached
        completion = self.completion_tokens - completion
        if not prompt and not completion:
            return self.told_usd
        return (
            math.nan if price is None else self.told_usd + price.cost_of(prompt, completion, cached)
        )


@dataclass(frozen=True, slots=True)
class Expense:
    """What a run has used of one paid model, over all its resumptions."""

    role: str  # "target", "target 1", "reference", "judge", "second judge", "writer"
    model: str  # model string
    usage: Usage
    usd: float  # NaN if unknown
    price: str  # in words, with its source and date; empty if none is known
