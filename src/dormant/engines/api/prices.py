"""What tokens cost: the prices of the package genai-prices, with their date, or the user's own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from dormant.errors import ConfigError, MissingExtraError
from dormant.records import Message

#: English text has about four characters a token; three is a careful guess for other text.
_CHARACTERS_PER_TOKEN = 3.5
_TURN_TOKENS = 5  # what a chat template adds around a turn, about
_DATE = re.compile(r"20\d\d-[01]\d-[0-3]\d")
#: Inspect's provider -> its name in genai-prices, where they differ.
_PROVIDERS = {"grok": "x-ai", "bedrock": "aws", "azureai": "azure", "moonshot": "moonshotai"}


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float
    cached: float = math.nan  # of prompt tokens that the provider's cache held; NaN: as input
    source: str = "given by the user"
    date: str = ""  # newest entry of the source, ISO 8601; empty if it has no date

    def of(self, prompt: int, completion: int, cached: int = 0) -> float:
        """USD for so many tokens; ``cached`` are part of ``prompt``."""
        read = self.input if math.isnan(self.cached) else self.cached
        return ((prompt - cached) * self.input + cached * read + completion * self.output) / 1e6

    @property
    def told(self) -> str:
        """The price in words."""
        when = f", {self.date}" if self.date else ""
        return f"{self.input:g} / {self.output:g} USD per million tokens ({self.source}{when})"


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """What a number of answers would cost, at most and roughly."""

    prompt_tokens: int  # estimated from the number of characters
    completion_tokens: int  # if every answer is as long as it may be
    usd: float  # NaN if no price is known
    price: Price | None


def parse_price(text: str) -> Price:
    """Reads a user's price, ``INPUT/OUTPUT`` in USD per million tokens, e.g. ``0.15/0.60``.

    Raises:
        ConfigError: it is not two numbers of at least 0.
    """
    try:
        given = [float(part) for part in text.split("/")]
    except ValueError:
        given = []
    if len(given) != 2 or not all(math.isfinite(part) and part >= 0 for part in given):
        raise ConfigError(
            f"{text[:80]!r} is not a price: give USD per million tokens as INPUT/OUTPUT, "
            "e.g. 0.15/0.60"
        )
    return Price(given[0], given[1])


def price_of(name: str, *, override: Price | None = None) -> Price | None:
    """What a model's tokens cost, or None if it is not known.

    Args:
        name: the model string, e.g. ``openai/gpt-4o-mini``.
        override: the user's own price, which wins.

    Raises:
        MissingExtraError: genai-prices is not installed.
    """
    if override is not None:
        return override
    kind, _, rest = name.removeprefix("inspect/").partition("/")
    if kind == "openai-api":
        kind, _, rest = rest.partition("/")
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        raise MissingExtraError("genai-prices", "api") from None
    provider = _PROVIDERS.get(kind, kind)
    try:
        _, model = get_snapshot().find_provider_model(rest, None, provider, None)
    except LookupError:
        return None
    prices = model.get_prices(datetime.now(UTC))
    paid, made = _rate(prices.input_mtok), _rate(prices.output_mtok)
    if math.isnan(paid) or math.isnan(made):
        return None
    version, date = _edition()
    return Price(paid, made, _rate(prices.cache_read_mtok), f"genai-prices {version}", date)


def _rate(value: Any) -> float:
    """USD per million tokens; of a price in tiers the lowest, where an audit's prompts are."""
    if value is None:
        return math.nan
    return float(getattr(value, "base", value))


@cache
def _edition() -> tuple[str, str]:
    """Version of genai-prices, and the newest past date that its entries mention."""
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    today = datetime.now(UTC).date().isoformat()
    texts = (
        f"{model.price_comments or ''} {model.prices!r}".replace("datetime.date", "")
        for provider in get_snapshot().providers
        for model in provider.models
    )
    dates = (date for text in texts for date in _DATE.findall(text) if date <= today)
    return __version__, max(dates, default="")


def expected_cost(
    name: str,
    *,
    prompts: Sequence[tuple[Message, ...]],
    answers: int,
    max_tokens: int,
    shared: bool = True,
    override: Price | None = None,
) -> ExpectedCost:
    """What answers would cost if each is as long as it may be.

    Args:
        name: the model string.
        prompts: the distinct prompts.
        answers: answers to each of them.
        max_tokens: longest answer, in tokens.
        shared: whether a prompt is paid once for all its answers (the server supports ``n``).
        override: the user's own price.

    Raises:
        MissingExtraError: genai-prices is not installed.
    """
    once = sum(prompt_tokens(messages) for messages in prompts)
    asked = once * (1 if shared else answers)
    made = len(prompts) * answers * max_tokens
    price = price_of(name, override=override)
    usd = math.nan if price is None else price.of(asked, made)
    return ExpectedCost(asked, made, usd, price)


def prompt_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a prompt, estimated on the high side from its length in UTF-8 bytes."""
    size = sum(len(message.content.encode("utf-8", "replace")) for message in messages)
    return math.ceil(size / _CHARACTERS_PER_TOKEN) + _TURN_TOKENS * (len(messages) + 1)
