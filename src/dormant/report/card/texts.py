"""Sentences of a card: joined, and cut so that all of them stay on one page."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from dormant.records import NOT_STATED, CardField
from dormant.report.escape import escape_hidden

#: Columns of text that the page has room for, and the longest text of one field: the first of
#: these with which all stay within the budget, else the last.
BUDGET = 7300
LIMITS = (700, 480, 340, 260, 200, 160, 130, 100)
#: A line of the page, in columns: each text takes whole lines.
LINE = 58
#: Statements of the run itself keep at least this much of their text: what users add is cut first.
LEAST = 340
KEPT = frozenset(
    {"verdict", "effects", "existence", "rates", "example", "assumptions", "cannot_say", "scope"}
    | {"judge_error", "hashes"}
)
#: With at most this much text, the print is larger.
ROOMY = 4600


def make_field(key: str, text: str, *, data: Any = None) -> CardField:
    """A field; without text it reads "not stated"."""
    return CardField(key, text.strip() or NOT_STATED, data)


def join_texts(*texts: str) -> str:
    """Texts as sentences, one after the other; empty ones are left out."""
    found = [text.strip() for text in texts if text and text.strip()]
    ended = [text if text[-1] in ".!?…" else f"{text}." for text in found]
    return " ".join(ended)


def fit_texts(texts: Mapping[str, str], budget: int = BUDGET) -> dict[str, str]:
    """Texts on one line each, hidden characters spelled out, short enough for one page.

    Args:
        texts: by key of the field.
        budget: columns of text that the page has room for.
    """
    flat = {key: escape_hidden(" ".join(text[:4000].split())) for key, text in texts.items()}
    found: dict[str, str] = {}
    for limit in LIMITS:
        least = {key: LEAST if key in KEPT else 0 for key in flat}
        found = {key: cut_text(text, max(limit, least[key])) for key, text in flat.items()}
        if count_columns(found) <= budget:
            break
    return found


def count_columns(texts: Mapping[str, str]) -> int:
    """Columns of the page that texts take, each in whole lines."""
    return sum(-(-measure_width(text) // LINE) * LINE for text in texts.values())


def cut_text(text: str, limit: int) -> str:
    """The first ``limit`` columns of a text, with an ellipsis where it was cut."""
    if measure_width(text) <= limit:
        return text
    width = 0
    for place, char in enumerate(text):
        width += _measure_character(char)
        if width > limit - 1:
            return text[:place].rstrip() + "…"
    return text


def measure_width(text: str) -> int:
    """Columns that a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_measure_character, text))


def _measure_character(char: str) -> int:
    """Columns of a character: some signs of scripts beside Latin are as wide as whole words."""
    if char.isascii():
        return 1
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 1 if ord(char) < 0x600 or char in "–—‘’“”…‹›" else 2
