"""Secrets are removed from all that leaves the process: answers, errors, notes, the terminal.

A server or a proxy may repeat what it was sent, plain or escaped. A ``Scrubber`` finds a secret in
every form in which text can carry it: each character plain, as a code point of JSON (in any number
of layers), quoted for a URL (``%xx``), for HTML (``&#xx;``, ``&amp;``) or for Markdown (a backslash
before it), and the whole in base64.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

#: Shorter secrets are not searched for: local servers accept any word ("none", "EMPTY"), and such a
#: word would be removed from answers.
SHORTEST_SECRET = 8  # characters
_HIDDEN = "***"
#: Signs of a text in which characters may be escaped.
_ESCAPES = ("u00", "U00", "%", "&", "\\")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


class Scrubber:
    """Removes secrets from texts.

    Args:
        secrets: the values to remove.
        shortest: shorter secrets are ignored, in characters.
    """

    def __init__(self, secrets: Iterable[str], *, shortest: int = SHORTEST_SECRET):
        known = sorted({s for s in secrets if len(s) >= shortest}, key=len, reverse=True)
        self.secrets = tuple(known)
        self._plain = tuple(form for secret in known for form in (secret, *_encode_base64(secret)))
        self._plain_bytes = tuple(form.encode() for form in self._plain)
        pattern = "|".join("".join(map(_match_character, secret)) for secret in known)
        self._escaped = re.compile(pattern) if pattern else None
        self._escaped_bytes = re.compile(pattern.encode()) if pattern else None
        self._signs = tuple(sign.encode() for sign in _ESCAPES)

    def scrub(self, text: str) -> str:
        """The text with ``***`` in place of each secret."""
        for form in self._plain:
            if form in text:
                text = text.replace(form, _HIDDEN)
        if self._escaped is not None and any(sign in text for sign in _ESCAPES):
            text = self._escaped.sub(_HIDDEN, text)
        return text

    def scrub_bytes(self, raw: bytes) -> bytes:
        """The same for text in UTF-8."""
        for form in self._plain_bytes:
            if form in raw:
                raw = raw.replace(form, _HIDDEN.encode())
        if self._escaped_bytes is not None and any(sign in raw for sign in self._signs):
            raw = self._escaped_bytes.sub(_HIDDEN.encode(), raw)
        return raw


def _encode_base64(secret: str) -> Iterable[str]:
    """The secret in base64, as HTTP sends a user and a password; the padding may be missing."""
    yield base64.b64encode(secret.encode("utf-8", "replace")).decode().rstrip("=")


def _match_character(character: str) -> str:
    """A pattern of one character in all its forms."""
    code = ord(character)
    quoted = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "replace"))
    forms = [f"(?i:\\\\+u{code:04x}|{quoted}|&#0*{code};|&#x0*{code:x};)"] if code < 65536 else []
    if not character.isalnum():  # escaped in JSON (quotes, slashes) or in Markdown (any of them)
        forms.append("\\\\+" + re.escape(character))
    if character in _ENTITIES:
        forms.append(_ENTITIES[character])
    return "(?:" + "|".join((*forms, re.escape(character))) + ")"


#: Ends of the names of environment variables that hold keys, and of those that hold a URL in which
#: a password may stand.
_ENDINGS, _URL_ENDINGS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD"), ("_PROXY", "_URL")


def find_secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Finds values that look like keys, and passwords within URLs, longest first."""
    found: set[str] = set()
    for name, value in environment.items():
        ending = name.upper()
        if ending.endswith(_ENDINGS):
            found.add(value.strip())
        elif "@" in value and ending.endswith(_URL_ENDINGS):
            found.update(_find_password(value))
    return tuple(sorted((s for s in found if len(s) >= SHORTEST_SECRET), key=len, reverse=True))


def _find_password(url: str) -> Iterable[str]:
    """The password of a URL, as it stands there and unquoted."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:  # a malformed URL may still hold one
        password = url.rpartition("@")[0].rpartition(":")[2]
    return password, unquote(password)


class _KnownSecrets:
    """The secrets that this process uses, as they are found."""

    scrubber = Scrubber(())


def remember_secrets(secrets: Iterable[str]) -> None:
    """Adds secrets to those that ``scrub_known`` removes."""
    known = _KnownSecrets.scrubber.secrets
    new = [s for s in secrets if len(s) >= SHORTEST_SECRET and s not in known]
    if new:
        _KnownSecrets.scrubber = Scrubber((*known, *new))


def known_scrubber() -> Scrubber:
    """Removes the secrets of this process: those of its environment now, and those it has used."""
    remember_secrets(find_secrets(os.environ))
    return _KnownSecrets.scrubber


def scrub_known(text: str) -> str:
    """A text without the secrets of this process.

    For all that people and programs read: the terminal, logs, reports and exports.
    """
    return known_scrubber().scrub(text)
