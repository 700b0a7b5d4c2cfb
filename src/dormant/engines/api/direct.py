"""Calls to an OpenAI-compatible server through aiohttp: the short way."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dormant.engines.api.names import Endpoint, forms_of, scrubbed
from dormant.engines.api.requests import Answer, Broken, Fault, Hopeless, Request, Unreachable
from dormant.engines.api.wire import body_of, fault_of, read_answer
from dormant.errors import MissingExtraError

try:
    import aiohttp
    import orjson as _orjson  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import yarl
except ImportError as error:
    raise MissingExtraError(error.name or "aiohttp", "api") from None

_LARGE = 1 << 20  # bytes


@dataclass(slots=True)
class Response:
    """What one HTTP call brought back, keys removed."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])


class Direct:
    """Carries calls to one server. Implements ``Transport``.

    Args:
        endpoint: where the server is.
        connections: at most so many at once.
        timeout: seconds that one call may take, all its answers included.
    """

    def __init__(self, endpoint: Endpoint, *, connections: int, timeout: float):
        self.endpoint, self._connections = endpoint, connections
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=30)
        self._base = yarl.URL(endpoint.url)
        self._chat = self._base / "chat/completions"
        self._secrets = forms_of(endpoint.key)
        self._raw_secrets = [secret.encode() for secret in self._secrets]
        self._proxy = _proxy_for(self._base)
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

    async def ask(self, request: Request) -> Answer:
        """Makes one call for chat completions."""
        status, body, headers = await self._call(
            "POST", self._chat, body_of(request, self.endpoint)
        )
        if status != 200:
            raise self._explained(fault_of(status, body, headers), status)
        self.last_headers = headers
        return read_answer(body)

    async def fetch(self, method: str, path: str, data: bytes | None = None) -> Response:
        """Any other call, for the doctor.

        Raises:
            Broken: no reply came.
        """
        status, body, headers = await self._call(method, self._base / path, data)
        return Response(status, body, {k.lower(): v for k, v in headers.items()})

    async def _call(self, method: str, url: yarl.URL, data: bytes | None) -> tuple[int, bytes, Any]:
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
            raise Unreachable(self._told(error)) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Broken(self._told(error)) from None

    def _explained(self, fault: Fault, status: int) -> Fault:
        """A fault that the user can mend, with what to mend."""
        if not isinstance(fault, Hopeless) or not fault.mendable:
            return fault
        if status in (401, 403):
            what = f"{self.endpoint.place} refuses the key in {self.endpoint.key_variable}"
        else:
            what = f"{self.endpoint.place} has no model {self.endpoint.model!r} at this base URL"
        return Hopeless(f"{what}: {fault}", mendable=True)

    def _told(self, error: BaseException) -> str:
        """An error in words, without the key and without a URL that may hold a password."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout.total:.0f} s"
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or error.os_error
            return f"cannot connect to {self.endpoint.place}: {reason}"
        words = scrubbed(str(error), *self._secrets, str(self._base), self.endpoint.url)
        return f"{type(error).__name__}: {words}"[:300]


def _proxy_for(url: yarl.URL) -> str | None:
    """The proxy of the environment for a URL; looked up once, since it costs much each time."""
    if not url.host or urllib.request.proxy_bypass(url.host):
        return None
    return urllib.request.getproxies().get(url.scheme)
