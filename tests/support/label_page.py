"""Requests to the page on which answers are labelled."""

import http.client
from urllib.parse import urlencode, urlsplit


def request_page(url: str, path="", *, method="GET", form=None, **headers):
    """(status, headers, body) of one request."""
    parts = urlsplit(url)
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
