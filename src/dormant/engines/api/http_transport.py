"""Calls to an OpenAI-compatible server through aiohttp, without a provider's client between."""

from __future__ import annotations

import base64
import io
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dormant.engines.api.bodies import ENCODINGS, BodyReader
from dormant.engines.api.calls import (
    CallError,
    ChatRequest,
    ChatResponse,
    FatalError,
    NoReplyError,
    ServerError,
    UnreachableError,
    WastefulError,
)
from dormant.engines.api.completions_json import decode_text, encode_raw_request, list_raw_settings
from dormant.engines.api.endpoint import Endpoint
from dormant.engines.api.openai_json import decode_reply, encode_request, list_settings
from dormant.errors import MissingExtraError, ModelError
from dormant.errors.secrets import Scrubber, find_secrets, remember_secrets

try:
    import aiohttp
    import orjson as _orjson  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import yarl
except ImportError as error:
    raise MissingExtraError(error.name or "aiohttp", "api") from None

_LARGE = 1 << 20  # bytes
#: Characters that the answers of one call may have beyond what they were asked for: servers may
#: ignore the limit of tokens, and many such answers may wait to be written.
_LONGEST_TEXT, _CHARACTERS_PER_TOKEN = 250_000, 16
_SHORTEST_PASSWORD = 4  # characters of a proxy's password that are removed from errors


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
        self._chat, self._raw = self._base / "chat/completions", self._base / "completions"
        self._proxy, user, password = _find_proxy(self._base)
        # aiohttp moves this header to where a proxy expects it, plain or encrypted.
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._proxy_headers = {"Authorization": f"Basic {login}"} if user else None
        secrets = [endpoint.key, *((password, f"{user}:{password}") if password else ())]
        secrets += find_secrets(os.environ)  # a server on this machine may know others' keys
        self._scrubber = Scrubber(secrets)
        self._error_scrubber = Scrubber(secrets, shortest=_SHORTEST_PASSWORD)
        remember_secrets(secrets)
        self._bodies: BodyReader | None = None
        self._session: aiohttp.ClientSession | None = None
        self.last_headers: Mapping[str, str] = {}  # of the last answer

    async def __aenter__(self) -> Self:
        self._bodies = BodyReader()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
            headers={**self.endpoint.headers, "Accept-Encoding": ENCODINGS},
            auto_decompress=False,  # without a limit: a small body may unpack to gigabytes
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Makes one call for chat completions, or for completions of a prompt in tokens."""
        is_raw = request.raw is not None
        encode = encode_raw_request if is_raw else encode_request
        place = self._raw if is_raw else self._chat
        data = encode(request, self.endpoint)
        status, body, headers = await self._exchange("POST", place, data)
        try:
            response = decode_reply(status, body, headers, decode_text if is_raw else None)
        except CallError as error:
            raise self._explain_fatal(error, status) from None
        most = max(_LONGEST_TEXT, request.n * request.sampling.max_tokens * _CHARACTERS_PER_TOKEN)
        if sum(len(choice.text) for choice in response.choices) > most:
            raise WastefulError(f"the answers have more than {most:,} characters")
        self.last_headers = headers
        return response

    def list_settings(self, request: ChatRequest) -> dict[str, Any]:
        """The sampling parameters of a call as they are sent, the seed left out."""
        listed = list_raw_settings if request.raw is not None else list_settings
        return listed(request, self.endpoint)

    async def fetch(self, method: str, path: str, data: bytes | None = None) -> HttpResponse:
        """Any other call, for the doctor.

        Raises:
            ServerError: no reply came.
        """
        status, body, headers = await self._exchange(method, self._base / path, data)
        return HttpResponse(status, body, {k.lower(): v for k, v in headers.items()})

    async def _exchange(
        self, method: str, url: yarl.URL, data: bytes | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Makes one call; status, body and headers come back without secrets."""
        if self._session is None or self._bodies is None:
            raise RuntimeError("the transport is not open")
        # aiohttp warns of large bodies that are sent in one piece.
        payload = io.BytesIO(data) if data and len(data) > _LARGE else data
        try:
            # A redirect would carry the key to wherever it points.
            async with self._session.request(
                method,
                url,
                data=payload,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
                allow_redirects=False,
            ) as response:
                encoding = response.headers.get("Content-Encoding", "")
                body = await self._bodies.read_body(response.content.iter_any(), encoding)
        except aiohttp.ClientConnectorError as error:
            raise UnreachableError(self._describe_error(error)) from None
        except TimeoutError:
            raise NoReplyError(f"no answer within {self._timeout.total:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ServerError(self._describe_error(error)) from None
        # Some servers echo what they refuse.
        headers = {
            self._scrubber.scrub(name).title(): self._scrubber.scrub(value)
            for name, value in response.headers.items()
        }
        return response.status, self._scrubber.scrub_bytes(body), headers

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
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or error.os_error
            return f"cannot connect to {self.endpoint.origin}: {reason}"
        words = self._error_scrubber.scrub(" ".join(str(error).split()))
        for address in (str(self._base), self.endpoint.url):
            words = words.replace(address, "***")
        return f"{type(error).__name__}: {words}"[:300]


def _find_proxy(url: yarl.URL) -> tuple[yarl.URL | None, str, str]:
    """The proxy of the environment for a URL, with the user and password to log in there.

    Looked up once, since a look-up is slow. The password never stands in the proxy's address, which
    errors repeat.

    Raises:
        ModelError: the variable holds no address of a proxy; its value is not repeated.
    """
    if not url.host or urllib.request.proxy_bypass(url.host):
        return None, "", ""
    text = urllib.request.getproxies().get(url.scheme)
    if not text:
        return None, "", ""
    try:
        proxy = yarl.URL(text)
        is_usable = proxy.scheme in ("http", "https") and bool(proxy.host)
        is_usable = is_usable and proxy.port is not None
    except ValueError:
        is_usable, proxy = False, url
    if not is_usable:
        raise ModelError(
            f"{url.scheme}_proxy is not the address of an HTTP proxy: set it to http://HOST:PORT, "
            "or to http://USER:PASSWORD@HOST:PORT with special characters quoted as %XX"
        )
    return proxy.with_user(None), proxy.user or "", proxy.password or ""
