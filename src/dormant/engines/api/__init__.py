"""Models behind an API: OpenAI-compatible servers directly, every other provider through Inspect.

::

    endpoint           the environment variables that locate the server of a model, and its key
    calls              requests, responses and errors of one call
    openai_json        requests and responses as OpenAI-compatible JSON
    completions_json   the same for prompts that are sent as tokens
    http_transport     calls through aiohttp
    inspect_transport  calls through Inspect AI's model layer
    signals            how tasks of one event loop wait for each other and stop
    limiter            how many calls are in flight at once (AIMD), and backoff
    meter              usage of one pass of calls, and reservations from the budget
    retries            one request, sent again until it succeeds or fails for good
    workers            a pool of workers that process units of work
    sync_stream        a plain iterator over the output of an event loop in a thread
    engine             ApiEngine
    prompt_forms       prompts as turns or as tokens, and how their answers are read
    token_engine       TokenEngine, whose prompts are tokens
    served_check       what a server does with tokens, and whether it serves the right weights
    diagnostics        the doctor's checks of an API

Usage and prices are counted in ``engines.metering``.
"""

from __future__ import annotations

from dormant.engines.api.engine import ApiEngine
from dormant.engines.metering.budget import Budget, MeteredEngine
from dormant.records import Price

__all__ = [
    "ApiEngine",
    "Budget",
    "MeteredEngine",
    "Price",
]
