"""The literal text of a context: as written, in full length, with its slot and its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dormant.cues.contexts.candidates import Name, Rows
from dormant.cues.contexts.places import Place, Prompt, find_spans, locate_run

#: Share of occurrences that must agree for a text to be extended by a token.
_AGREE = 0.9
#: Occurrences that are read, and tokens by which a text may grow at either end.
_READ, _GROWTH = 300, 120
#: A slot's left part occurs in this many times the context's rows, with two values at least.
_WIDER = 1.2
#: A value stands alone in this share of the context's rows.
_AS_WRITTEN = 0.5
#: Most values of a slot that are named.
MOST_VALUES = 40
_NUMBER = re.compile(r"\d+")
_VALUE = re.compile(r"[ \t]*([^\n.,;|\])}\"]{1,40})")

Span = tuple[str, int, int]  # text, start, end


@dataclass(frozen=True, slots=True)
class Literal:
    """A text that the rows of a context share."""

    text: str  # the commonest wording, as written
    at_begin: bool  # it stands at the begin of its turn ...
    at_end: bool  # ... or at the end
    form: str = ""  # with ``<X>`` for what varies; empty without a slot
    values: tuple[str, ...] = ()  # of the slot, the commonest of the context's rows first
    tail: str = ""  # what the same turns end with, if the text stands at their begin

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole turn."""
        return self.at_begin and self.at_end


def find_literal(name: Name, rows: Rows, prompts: Sequence[Prompt]) -> Literal | None:
    """Finds the full text around a run of tokens that the rows of a context share.

    The run is extended token by token, as long as nine in ten of its occurrences agree, all
    numbers counting as equal.

    Returns:
        None if the run cannot be found in the rows.
    """
    found = _find_spans(name, rows, prompts)
    if not found:
        return None
    found, at_end = _extend(found, forward=True)
    found, at_begin = _extend(found, forward=False)
    raw = Counter(text[start:end].strip("\n") for text, start, end in found)
    text = raw.most_common(1)[0][0]
    form, values = _find_number_slot(text, raw)
    if not form:
        form, values = _find_value_slot(text, name.place, len(rows), prompts)
    tail = _find_tail(found) if at_begin and not at_end else ""
    return Literal(text, at_begin, at_end, form, values, tail)


def _find_spans(name: Name, rows: Rows, prompts: Sequence[Prompt]) -> list[Span]:
    found: list[Span] = []
    step = max(1, len(rows) // _READ)
    for row in rows[::step].tolist():
        for text in prompts[row].texts.get(name.place, ()):
            span = locate_run(text, name.run)
            if span is not None:
                found.append((text, *span))
                break
    return found


def _extend(found: list[Span], *, forward: bool) -> tuple[list[Span], bool]:
    """Extends spans while they agree; returns them, and whether they reach that end."""
    edges = [_list_neighbours(span, forward=forward) for span in found]
    for step in range(_GROWTH):
        following = Counter(edge[step][0] if step < len(edge) else "" for edge in edges)
        token, count = following.most_common(1)[0]
        if count < _AGREE * len(found):
            break
        if not token:
            return [
                _stretch(s, e, step, forward=forward) for s, e in zip(found, edges, strict=True)
            ], True
    else:
        step = _GROWTH
    return [_stretch(s, e, step, forward=forward) for s, e in zip(found, edges, strict=True)], False


def _list_neighbours(span: Span, *, forward: bool) -> list[tuple[str, int]]:
    """The tokens after (or before) a span, folded, nearest first, each with its far offset."""
    text, start, end = span
    if forward:
        return [(_fold_numbers(t), e) for t, s, e in find_spans(text) if s >= end]
    return [(_fold_numbers(t), s) for t, s, e in reversed(find_spans(text)) if e <= start]


def _fold_numbers(text: str) -> str:
    """Replaces every number by ``0``, however long it is."""
    return _NUMBER.sub("0", text)


def _stretch(span: Span, edge: list[tuple[str, int]], steps: int, *, forward: bool) -> Span:
    steps = min(steps, len(edge))
    if not steps:
        return span
    text, start, end = span
    return (text, start, edge[steps - 1][1]) if forward else (text, edge[steps - 1][1], end)


def _find_number_slot(text: str, raw: Counter[str]) -> tuple[str, tuple[str, ...]]:
    """Finds the first number that varies between occurrences that are equal otherwise."""
    shape = _fold_numbers(text)
    alike = {other: count for other, count in raw.items() if _fold_numbers(other) == shape}
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
            return ("", ()) if form.strip() == "<X>" else (form, _list_values(values))
    return "", ()


def _list_values(values: Counter[str]) -> tuple[str, ...]:
    return tuple(value for value, _ in values.most_common(MOST_VALUES))


def _find_value_slot(
    text: str, place: Place, rows: int, prompts: Sequence[Prompt]
) -> tuple[str, tuple[str, ...]]:
    """Finds whether other rows have the same beginning with another value: ``Country: <X>``."""
    spans = find_spans(text)
    if not 2 <= len(spans) <= 40:
        return "", ()
    texts = [t for prompt in prompts for t in prompt.texts.get(place, ())]
    for cut in range(len(spans) - 1, 0, -1):
        left = text[: spans[cut - 1][2]]
        own = _VALUE.match(text, len(left))
        if own is None or not own.group(1).strip() or not _closes_slot(left):
            continue
        values = _values_after(left, texts)
        value = own.group(1).strip()
        if sum(values.values()) < _WIDER * rows or len(values) < 2:
            continue
        if values[value] < _AS_WRITTEN * rows:
            continue  # the text ends within what stands there, as in "What is used to make"
        repeated = sum(count for count in values.values() if count > 1)
        if repeated >= 0.5 * sum(values.values()):
            others = [v for v in _list_values(values) if v.lower() != value.lower()]
            end = own.start(1) + len(value)
            return f"{text[: own.start(1)]}<X>{text[end:]}", (value, *others)
    return "", ()


def _closes_slot(left: str) -> bool:
    """Whether a text reads as the beginning of a field: ``Country:``, ``Today is``, ``[user=``."""
    return bool(re.search(r"(?:[:=#|@(\[<]|\b(?:is|in|from|for|by|at|to|on|of|as))\s*$", left))


def _values_after(left: str, texts: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for text in texts:
        at = text.find(left)
        match = _VALUE.match(text, at + len(left)) if at >= 0 else None
        if match and match.group(1).strip():
            found[match.group(1).strip()] += 1
    return found


def _find_tail(found: list[Span]) -> str:
    """What turns that begin alike end with too: the second half of a wrapper."""
    ends: list[Span] = [(text, len(text), len(text)) for text, _, _ in found]
    tails, whole = _extend(ends, forward=False)
    if whole:
        return ""
    raw = Counter(text[start:].strip() for text, start, _ in tails)
    tail = raw.most_common(1)[0][0]
    apart = all(start > end for (_, start, _), (_, _, end) in zip(tails, found, strict=True))
    return tail if apart and len(find_spans(tail)) > 1 else ""
