"""Which requests the viewer accepts, and the headers of its responses.

The server listens on the loopback interface only. Another site could still reach it through the
reader's browser, by a host name that resolves to this machine (DNS rebinding). So the Host header
must be the server's own, and the URL must contain a token that no other site knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Everything is loaded from the server itself; scripts are forbidden.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware that rejects requests without the token and adds security headers.

    Args:
        app: handles the accepted requests.
        token: first segment of every URL path.
        hosts: accepted values of the Host header.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str]):
        self._app, self._token, self._hosts = app, token.encode(), frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            return  # no others arrive: WebSockets and lifespan events are off

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._find_refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _find_refusal(self, scope: Scope) -> PlainTextResponse | None:
        if Headers(scope=scope).get("host", "").lower() not in self._hosts:
            return PlainTextResponse("Misdirected request\n", 421)
        first = scope["path"].encode("utf-8", "replace").split(b"/")[1:2]
        if not first or not secrets.compare_digest(first[0], self._token):
            return PlainTextResponse("Not found\n", 404)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("Only reading\n", 405, headers={"allow": "GET, HEAD"})
        return None
