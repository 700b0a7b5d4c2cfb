"""What tokens cost: the prices of the package genai-prices, with their date, or the user's own."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from dormant.config import price_numbers
from dormant.engines.model_strings import ModelString
from dormant.errors import ConfigError, MissingExtraError
from dormant.records import Message, Price

#: English text has about four characters a token; three is a careful guess for other text.
_CHARACTERS_PER_TOKEN = 3.5
_FEWEST_BYTES = 2.0  # of a token on average, in any language
_TURN_TOKENS = 5  # what a chat template adds around a turn, about
_DATE = re.compile(r"20\d\d-[01]\d-[0-3]\d")
#: Inspect's provider -> its name in genai-prices, where they differ.
_PROVIDERS = {"grok": "x-ai", "bedrock": "aws", "azureai": "azure", "moonshot": "moonshotai"}


def parse_price(text: str) -> Price:
    """Reads a user's price, ``INPUT/OUTPUT`` in USD per million tokens, e.g. ``0.15/0.60``.

    Raises:
        ConfigError: it is not two numbers of at least 0.
    """
    try:
        return Price(*price_numbers(text))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def price_of(model: ModelString, *, override: Price | None = None) -> Price | None:
    """Returns what a model's tokens cost, or None if unknown.

    Args:
        model: a model behind an API.
        override: the user's own price, which takes precedence.

    Raises:
        MissingExtraError: genai-prices is not installed.
    """
    if override is not None:
        return override
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        raise MissingExtraError("genai-prices", "api") from None
    kind = model.service or model.provider
    provider = _PROVIDERS.get(kind, kind)
    try:
        _, known = get_snapshot().find_provider_model(model.name, None, provider, None)
    except LookupError:
        return None
    prices = known.get_prices(datetime.now(UTC))
    input_, output = _usd_per_million(prices.input_mtok), _usd_per_million(prices.output_mtok)
    if math.isnan(input_) or math.isnan(output):
        return None
    version, date = _price_edition()
    return Price(
        input_, output, _usd_per_million(prices.cache_read_mtok), f"genai-prices {version}", date
    )


def _usd_per_million(value: Any) -> float:
    """USD per million tokens; of a price in tiers the lowest, where an audit's prompts are."""
    if value is None:
        return math.nan
    return float(getattr(value, "base", value))


@cache
def _price_edition() -> tuple[str, str]:
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


def prompt_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a prompt, estimated on the high side from its length in UTF-8 bytes."""
    return text_tokens(*(message.content for message in messages)) + _count_turns(messages)


def bound_tokens(messages: Sequence[Message]) -> int:
    """Tokens that a prompt hardly exceeds, whatever its language: two bytes a token."""
    size = sum(_text_size(message.content) for message in messages)
    return math.ceil(size / _FEWEST_BYTES) + 2 * _count_turns(messages)


def most_prompt_tokens(messages: Sequence[Message]) -> int:
    """More tokens than any prompt has: a token holds at least a byte, however odd the text."""
    return sum(_text_size(message.content) for message in messages) + 4 * _count_turns(messages)


def text_tokens(*texts: str) -> int:
    """Tokens of texts, estimated on the high side from their length in UTF-8 bytes."""
    return math.ceil(sum(map(_text_size, texts)) / _CHARACTERS_PER_TOKEN)


def _text_size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _count_turns(messages: Sequence[Message]) -> int:
    return _TURN_TOKENS * (len(messages) + 1)
