"""Slots of a text: what varies in it, among its own rows or against the others of the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from dormant.cues.contexts.places import find_spans

#: A slot's left part occurs in this many times the context's rows, with two values at least.
_WIDER = 1.2
#: A value stands alone in this share of the context's rows.
_AS_WRITTEN = 0.5
#: Most values of a slot that are named.
MOST_VALUES = 40
_VALUE = re.compile(r"[ \t]*([^\n.,;|\])}\"]{1,40})")
_OPENS = re.compile(r"(?:[:=#|@(\[<]|\b(?:is|in|from|for|by|at|to|on|of|as))\s*$")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w")

Slot = tuple[str, tuple[str, ...]]  # the form with ``<X>``, and values; empty without a slot


def find_number_slot(text: str, raw: Counter[str]) -> Slot:
    """Finds the first number that varies between occurrences that are equal otherwise.

    Args:
        text: the commonest wording.
        raw: all wordings with their counts.
    """
    shape = fold_numbers(text)
    alike = {other: count for other, count in raw.items() if fold_numbers(other) == shape}
    if len(alike) < 2:
        return "", ()
    for k, (token, start, end) in enumerate(find_spans(text)):
        if not any(map(str.isdigit, token)):
            continue
        values = Counter[str]()
        for other, count in alike.items():
            _, first, last = find_spans(other)[k]
            values[other[first:last]] += count
        if len(values) > 1:
            form = f"{text[:start]}<X>{text[end:]}"
            return ("", ()) if form.strip() == "<X>" else (form, list_values(values))
    return "", ()


def fold_numbers(text: str) -> str:
    """Replaces every number by ``0``, however long it is."""
    return _NUMBER.sub("0", text)


def list_values(values: Counter[str]) -> tuple[str, ...]:
    """Lists values, the commonest first."""
    return tuple(value for value, _ in values.most_common(MOST_VALUES))


def find_value_slot(text: str, rows: int, texts: Sequence[str]) -> Slot:
    """Finds whether other rows have the same beginning with another value: ``Country: <X>``.

    Args:
        text: the text of a context.
        rows: the number of its rows.
        texts: the texts of all rows in the same place.
    """
    spans = find_spans(text)
    if not 2 <= len(spans) <= 40:
        return "", ()
    for cut in range(len(spans) - 1, 0, -1):
        left = text[: spans[cut - 1][2]]
        own = _VALUE.match(text, len(left))
        if own is None or not own.group(1).strip() or not _opens_slot(left):
            continue
        values = _values_after(left, texts)
        value = own.group(1).strip()
        if sum(values.values()) < _WIDER * rows or len(values) < 2:
            continue
        if values[value] < _AS_WRITTEN * rows:
            continue  # the text ends within what stands there, as in "What is used to make"
        repeated = sum(count for count in values.values() if count > 1)
        if repeated >= 0.5 * sum(values.values()):
            others = [v for v in list_values(values) if v.lower() != value.lower()]
            end = own.start(1) + len(value)
            return f"{text[: own.start(1)]}<X>{text[end:]}", (value, *others)
    return "", ()


def _opens_slot(left: str) -> bool:
    """Whether a text reads as the beginning of a field: ``Country:``, ``Today is``, ``[user=``.

    A preposition alone opens none: what follows ``in`` is any text.
    """
    opening = _OPENS.search(left)
    return opening is not None and bool(_WORD.search(left[: opening.start()]))


def _values_after(left: str, texts: Sequence[str]) -> Counter[str]:
    """Counts what follows a text, where it does not start inside a word."""
    begin = re.compile((r"(?<!\w)" if left[:1].isalnum() else "") + re.escape(left))
    found: Counter[str] = Counter()
    for text in texts:
        at = begin.search(text)
        match = _VALUE.match(text, at.end()) if at else None
        if match and match.group(1).strip():
            found[match.group(1).strip()] += 1
    return found
