"""The doctor's calls: each adapts to what the server refuses, and what it refused is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dormant.engines.api.calls import (
    BadRequestError,
    ChatRequest,
    ChatResponse,
    RateLimitError,
    ServerError,
    Transport,
)
from dormant.engines.api.engine import ApiEngine
from dormant.engines.api.openai_json import encode_messages
from dormant.engines.api.refusals import Adaptation, adapt_request, describe_adaptation
from dormant.records import Message, Sampling

_MOST_CHANGES = 6  # of one request


class DoctorCaller:
    """Makes small calls, one after the other.

    Args:
        transport: carries the calls; opened by the owner.
        engine: the model.
        sampling: of the calls.
    """

    def __init__(self, transport: Transport, engine: ApiEngine, sampling: Sampling):
        self._transport, self._sampling = transport, sampling
        self._controls = engine.endpoint is not None and not engine.endpoint.hosted
        self._adaptations: frozenset[Adaptation] = frozenset()
        self.findings: list[str] = []  # what the server refuses, as words that follow its name

    @property
    def moves_system_text(self) -> bool:
        """Whether the server was found to take no system turn."""
        return Adaptation.MOVED_SYSTEM in self._adaptations

    async def call(self, messages: tuple[Message, ...], **changes: Any) -> ChatResponse:
        """Makes one call, repeated a few times after a rate limit or a failure.

        Args:
            messages: the prompt.
            changes: fields of the request that are tested; never left out.

        Raises:
            CallError: the call brought no answer.
        """
        request = ChatRequest(
            messages,
            encode_messages(messages),
            self._sampling,
            controls=self._controls,
            adaptations=self._adaptations,
        )
        request = request._replace(**changes)
        for _ in range(_MOST_CHANGES):
            try:
                response = await self._send(request)
            except BadRequestError as error:
                request = self._weaken(request, error, changes)
            else:
                self._learn(request)
                return response
        return await self._send(request)

    async def _send(self, request: ChatRequest) -> ChatResponse:
        for wait in (1.0, 4.0, 0.0):
            try:
                return await self._transport.send(request)
            except (RateLimitError, ServerError) as error:
                if not wait:
                    raise
                asked = error.wait if isinstance(error, RateLimitError) else None
                await asyncio.sleep(min(asked if asked is not None else wait, 20.0))
        return await self._transport.send(request)

    @staticmethod
    def _weaken(
        request: ChatRequest, error: BadRequestError, tested: Mapping[str, Any]
    ) -> ChatRequest:
        weaker = adapt_request(request, str(error), error.param)
        if weaker is None and request.controls:
            weaker = request._replace(controls=False)
        if weaker is None or any(getattr(weaker, name) != value for name, value in tested.items()):
            raise error
        return weaker

    def _learn(self, request: ChatRequest) -> None:
        found = sorted(request.adaptations - self._adaptations)
        self.findings += [describe_adaptation(adaptation, request) for adaptation in found]
        if self._controls and not request.controls:
            self.findings.append("refuses top_k and min_p: the server's own defaults apply")
        self._adaptations |= request.adaptations
        self._controls = self._controls and request.controls
