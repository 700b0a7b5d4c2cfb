"""Requests to the page on which answers are labelled."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit


def request_page(
    url: str,
    path: str = "",
    *,
    method: str = "GET",
    form: Mapping[str, str] | None = None,
    **headers: str,
) -> tuple[int, http.client.HTTPMessage, str]:
    """(status, headers, body) of one request."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    body = urlencode(form) if form is not None else None
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if form is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    target = path if path.startswith("/") else parts.path + path
    link.request(method, target, body, headers)
    reply = link.getresponse()
    text = reply.read().decode()
    link.close()
    return reply.status, reply.headers, text
