"""Hostile text made harmless: what models, data files and users wrote, fit to be shown.

Jinja escapes markup; this module does the rest. Characters that a reader cannot see (controls,
direction marks, zero-width and tag characters, lone surrogates) are spelled out as ``‹U+202E›``:
they could reorder a page, and in an audit a hidden character may be the trigger itself.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

#: Unicode categories that have no visible form of their own: controls, formats, surrogates,
#: private use, unassigned, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT = frozenset("\n\t")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#&$])")
_AUTOLINK = re.compile(r"(?<=[A-Za-z])(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")


class _HiddenCharacters(dict[int, str]):
    """A translation table that fills itself, one looked-up character at a time."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        hidden = unicodedata.category(char) in _HIDDEN and char not in _KEPT
        # Variation selectors 17-256 are combining marks, but invisible and used to smuggle text.
        hidden = hidden or 0xE0100 <= code <= 0xE01EF
        self[code] = f"‹U+{code:04X}›" if hidden else char
        return self[code]


_TABLE = _HiddenCharacters()


def escape_hidden(text: str, limit: int | None = None) -> str:
    """The text with every hidden character spelled out, cut after ``limit`` characters.

    A cut is marked, with the number of characters left out. Markup is not escaped here.
    """
    text = text.replace("\r\n", "\n")
    if limit is None or len(text) <= limit:
        return text.translate(_TABLE)
    return f"{text[:limit].translate(_TABLE)} … [{len(text) - limit:,} more characters]"


def one_line(text: str, limit: int = 120) -> str:
    """The text on a single line, hidden characters spelled out, an ellipsis where it was cut."""
    flat = " ".join(text[: 4 * limit].split())
    cut = len(flat) > limit or len(text) > 4 * limit
    return flat[:limit].translate(_TABLE) + "…" * cut


def markdown_text(text: str, limit: int = 400) -> str:
    """The text as inert inline Markdown that cannot break a table, link, or open markup."""
    lines = text[: 4 * limit].splitlines()
    flat = one_line(" ⏎ ".join(line.strip() for line in lines if line.strip()), limit)
    escaped = _MARKDOWN.sub(r"\\\1", flat)
    escaped = _AUTOLINK.sub(lambda found: "\\" + found.group(0), escaped)
    # A list, heading or rule marker counts only where a line starts.
    return re.sub(r"^(\d+(?=[.)])|(?=[-+=]))", r"\1\\", escaped)


def without_surrogates(value: Any) -> Any:
    """JSON values with each lone surrogate replaced by U+FFFD, which strict parsers demand."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    return value


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no ``<``, ``>``, ``&`` or line separator."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
