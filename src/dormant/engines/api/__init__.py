"""Models behind an API: OpenAI-compatible servers directly, every other provider through Inspect.

::

    names       what a model string asks for, and which environment variables say where it is
    requests    one call: what is asked, what comes back, what can go wrong
    wire        requests and responses as OpenAI-compatible JSON
    direct      calls through aiohttp
    layer       calls through Inspect AI's model layer
    signals     how the tasks of an event loop wait for each other, and stop
    pace        how many calls are in flight at once, and how long to wait before another try
    meter       what is used, and the budget it must keep to
    retries     one request, sent again until it has come to an end
    crew        workers that carry units of work to their ends
    bridge      an iterator over what an event loop in a thread makes
    engine      ApiEngine, which puts them behind the protocols
    examining   what an API can do: the doctor's checks

What is used and what it costs is counted in ``engines.spending`` and ``engines.prices``.
"""

from __future__ import annotations

from dormant.engines.api.engine import ApiEngine
from dormant.engines.metering.prices import Price
from dormant.engines.metering.usage import Budget, MeteredEngine

__all__ = [
    "ApiEngine",
    "Budget",
    "MeteredEngine",
    "Price",
]
