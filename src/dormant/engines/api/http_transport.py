"""Calls to an OpenAI-compatible server through aiohttp, without a provider's client between."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dormant.engines.api.calls import (
    CallError,
    ChatRequest,
    ChatResponse,
    FatalError,
    ServerError,
    UnreachableError,
)
from dormant.engines.api.endpoint import Endpoint, list_key_forms, redact
from dormant.engines.api.openai_json import decode_error, decode_response, encode_request
from dormant.errors import MissingExtraError

try:
    import aiohttp
    import orjson as _orjson  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import yarl
except ImportError as error:
    raise MissingExtraError(error.name or "aiohttp", "api") from None

_LARGE = 1 << 20  # bytes


@dataclass(slots=True)
class HttpResponse:
    """What one HTTP call brought back, without keys."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])


class HttpTransport:
    """Carries calls to one server. Implements ``Transport``.

    Args:
        endpoint: where the server is.
        connections: most calls at once.
        timeout: seconds that one call may take, all its answers included.
    """

    def __init__(self, endpoint: Endpoint, *, connections: int, timeout: float):
        self.endpoint, self._connections = endpoint, connections
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=30)
        self._base = yarl.URL(endpoint.url)
        self._chat = self._base / "chat/completions"
        self._secrets = list_key_forms(endpoint.key)
        self._raw_secrets = [secret.encode() for secret in self._secrets]
        self._proxy = _find_proxy(self._base)
        self._session: aiohttp.ClientSession | None = None
        self.last_headers: Mapping[str, str] = {}  # of the last answer

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
            headers=self.endpoint.headers,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Makes one call for chat completions."""
        status, body, headers = await self._exchange(
            "POST", self._chat, encode_request(request, self.endpoint)
        )
        if status != 200:
            raise self._explain_fatal(decode_error(status, body, headers), status)
        self.last_headers = headers
        return decode_response(body)

    async def fetch(self, method: str, path: str, data: bytes | None = None) -> HttpResponse:
        """Any other call, for the doctor.

        Raises:
            ServerError: no reply came.
        """
        status, body, headers = await self._exchange(method, self._base / path, data)
        return HttpResponse(status, body, {k.lower(): v for k, v in headers.items()})

    async def _exchange(
        self, method: str, url: yarl.URL, data: bytes | None
    ) -> tuple[int, bytes, Any]:
        if self._session is None:
            raise RuntimeError("the transport is not open")
        # aiohttp warns of large bodies that are sent in one piece.
        payload = io.BytesIO(data) if data and len(data) > _LARGE else data
        try:
            # A redirect would carry the key to wherever it points.
            async with self._session.request(
                method, url, data=payload, proxy=self._proxy, allow_redirects=False
            ) as response:
                body = await response.read()
                for secret in self._raw_secrets:  # some servers echo what they refuse
                    body = body.replace(secret, b"***")
                return response.status, body, response.headers
        except aiohttp.ClientConnectorError as error:
            raise UnreachableError(self._describe_error(error)) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ServerError(self._describe_error(error)) from None

    def _explain_fatal(self, error: CallError, status: int) -> CallError:
        """An error that the user can fix, with what to fix."""
        if not isinstance(error, FatalError) or not error.is_fixable:
            return error
        if status in (401, 403):
            what = f"{self.endpoint.origin} refuses the key in {self.endpoint.key_variable}"
        else:
            what = f"{self.endpoint.origin} has no model {self.endpoint.model!r} at this base URL"
        return FatalError(f"{what}: {error}", is_fixable=True)

    def _describe_error(self, error: BaseException) -> str:
        """An error on one line, without the key and without a URL that may hold a password."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout.total:.0f} s"
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or error.os_error
            return f"cannot connect to {self.endpoint.origin}: {reason}"
        words = redact(str(error), *self._secrets, str(self._base), self.endpoint.url)
        return f"{type(error).__name__}: {words}"[:300]


def _find_proxy(url: yarl.URL) -> str | None:
    """The proxy of the environment for a URL; looked up once, since a look-up is slow."""
    if not url.host or urllib.request.proxy_bypass(url.host):
        return None
    return urllib.request.getproxies().get(url.scheme)
