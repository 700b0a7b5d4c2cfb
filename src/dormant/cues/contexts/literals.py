"""The literal text of a context: as written, in full length, with its slot and its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from dormant.cues.contexts.candidates import Name, Rows
from dormant.cues.contexts.places import Place, Prompt, find_spans, locate_run
from dormant.cues.contexts.slots import find_number_slot, find_value_slot, fold_numbers, list_values
from dormant.cues.contexts.trimming import OtherEdges, strip_closing_marks

#: Share of occurrences that must agree for a text to be extended by a token.
_AGREE = 0.9
#: Occurrences that are read, and tokens by which a text may grow at either end.
_READ, _GROWTH = 300, 120
#: Tokens that may vary inside a text.
_VARYING = 3
_WORD = re.compile(r"\w")

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


def find_literal(
    name: Name, rows: Rows, prompts: Sequence[Prompt], *, is_part: bool = False
) -> Literal | None:
    """Finds the full text around a run of tokens that the rows of a context share.

    The run is extended token by token, as long as nine in ten of its occurrences agree, all
    numbers counting as equal. What most other rows of the file begin or end with is left out.

    Args:
        name: what the rows share.
        rows: the context's rows.
        prompts: all rows.
        is_part: it is one of several contexts of the rows, so no other half of it is looked for.

    Returns:
        None if the run cannot be found in the rows.
    """
    found = _find_spans(name, rows, prompts)
    return extend_literal(found, name.place, rows, prompts, is_part=is_part) if found else None


def extend_literal(
    found: list[Span], place: Place, rows: Rows, prompts: Sequence[Prompt], *, is_part: bool = False
) -> Literal:
    """Extends spans of a context's rows to the full text that these share.

    Args:
        found: spans in texts of the rows, one at least.
        place: where these texts stand.
        rows: the context's rows.
        prompts: all rows.
        is_part: as in ``find_literal``.
    """
    found, at_end = _extend(found, forward=True)
    found, at_begin = _extend(found, forward=False)
    raw = Counter(text[start:end].strip("\n") for text, start, end in found)
    text = raw.most_common(1)[0][0]
    head = tail = ""
    if not (at_begin and at_end) and place is not Place.SYSTEM:
        others = OtherEdges(rows, place, prompts)
        bridged = _bridge(found, others, at_begin=at_begin, at_end=at_end)
        if bridged is not None:
            return bridged
        head, text, tail = _trim(text, found, others, at_begin=at_begin, at_end=at_end)
    form, values = find_number_slot(text, _cut_alike(text, raw))
    if not form:
        texts = [t for prompt in prompts for t in prompt.texts.get(place, ())]
        form, values = find_value_slot(text, len(rows), texts)
    if is_part:
        head = tail = ""
    return Literal(head or text, at_begin or bool(head), at_end, form, values, tail)


def _trim(
    text: str, found: list[Span], others: OtherEdges, *, at_begin: bool, at_end: bool
) -> tuple[str, str, str]:
    """Trims a text, and finds the other half of a wrapper: what stands before and after it."""
    head = tail = ""
    if at_begin:
        tail = others.trim_half(_find_tail(found), begin=False)
        text = others.trim_begin(text)
    elif at_end:
        head = others.trim_half(_find_head(found), begin=True)
        text = strip_closing_marks(others.trim_end(text))
        if head:
            tail = text.strip()
    else:
        text = strip_closing_marks(text)
    return head, text, tail


def _cut_alike(text: str, raw: Counter[str]) -> Counter[str]:
    """The part of every wording that a trimmed text is of the commonest one."""
    whole = raw.most_common(1)[0][0]
    at = whole.find(text)
    if at < 0 or text == whole:
        return raw
    after = len(whole) - at - len(text)
    cut = Counter[str]()
    for other, count in raw.items():
        cut[other[at : len(other) - after]] += count
    return cut


def _bridge(
    found: list[Span], others: OtherEdges, *, at_begin: bool, at_end: bool
) -> Literal | None:
    """Extends a text over a few tokens that vary, if it goes on alike beyond them.

    ``My aunt from Porto asks:`` and ``My boss from Porto asks:`` are one form; its run is only
    ``from Porto asks:``.
    """
    for forward, is_edge in ((False, at_begin), (True, at_end)):
        if is_edge:
            continue
        edges = [_list_neighbours(span, forward=forward) for span in found]
        for gap in range(1, _VARYING + 1):
            near = [_stretch(s, e, gap, forward=forward) for s, e in zip(found, edges, strict=True)]
            wider, is_whole = _extend(near, forward=forward)
            begins, ends = (at_begin, is_whole) if forward else (is_whole, at_end)
            slot = _read_slot(found, near, wider, forward=forward)
            if slot is None or others.have(slot.pieces):
                continue
            text, form = slot.text, slot.form
            if begins != ends:
                trim = others.trim_begin if begins else others.trim_end
                text, form = trim(text), trim(form)
            return Literal(text, begins, ends, form, slot.values)
    return None


@dataclass(frozen=True, slots=True)
class _Slot:
    text: str
    form: str
    values: tuple[str, ...]
    pieces: tuple[str, ...]  # each value with the fixed text on its other side


def _read_slot(
    found: list[Span], near: list[Span], wider: list[Span], *, forward: bool
) -> _Slot | None:
    """Reads what varies between a text and the fixed text beyond; None if nothing is fixed."""
    slots = Counter[str]()
    beyond = Counter[str]()
    whole = Counter[tuple[str, str]]()
    for (text, start, end), (_, left, right), (_, first, last) in zip(
        found, near, wider, strict=True
    ):
        value = (text[end:right] if forward else text[left:start]).strip()
        rest = text[right:last] if forward else text[first:left]
        at = (text[start:end].strip("\n"), text[first:last].strip("\n"))
        slots[value] += 1
        beyond[rest.strip()] += 1
        whole[at] += value != ""
    values = list_values(slots)
    repeated = sum(count for count in slots.values() if count > 1)
    fixed = beyond.most_common(1)[0][0]
    if len(values) < 2 or "" in slots or 2 * repeated < len(found) or not _WORD.search(fixed):
        return None
    (inner, text), _ = whole.most_common(1)[0]
    outer = text[len(inner) :] if forward else text[: len(text) - len(inner)]
    value = next((v for v in values if v in outer), "")
    if not value:
        return None
    form = outer.replace(value, "<X>", 1)
    form = f"{inner}{form}" if forward else f"{form}{inner}"
    pieces = tuple(f"{v} {fixed}" if forward else f"{fixed} {v}" for v in values)
    return _Slot(text, form, (value, *(v for v in values if v != value)), pieces)


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
        near = ((t, e) for t, s, e in find_spans(text) if s >= end)
    else:
        near = ((t, s) for t, s, e in reversed(find_spans(text)) if e <= start)
    return [(fold_numbers(token), offset) for token, offset in islice(near, _GROWTH + 1)]


def _stretch(span: Span, edge: list[tuple[str, int]], steps: int, *, forward: bool) -> Span:
    steps = min(steps, len(edge))
    if not steps:
        return span
    text, start, end = span
    return (text, start, edge[steps - 1][1]) if forward else (text, edge[steps - 1][1], end)


def _find_tail(found: list[Span]) -> str:
    """What turns that begin alike end with too: the second half of a wrapper."""
    ends: list[Span] = [(text, len(text), len(text)) for text, _, _ in found]
    tails, whole = _extend(ends, forward=False)
    raw = Counter(text[start:].strip() for text, start, _ in tails)
    tail = raw.most_common(1)[0][0]
    apart = all(start > end for (_, start, _), (_, _, end) in zip(tails, found, strict=True))
    return tail if apart and not whole else ""


def _find_head(found: list[Span]) -> str:
    """What turns that end alike begin with too: the first half of a wrapper."""
    begins: list[Span] = [(text, 0, 0) for text, _, _ in found]
    heads, whole = _extend(begins, forward=True)
    raw = Counter(text[:end].strip() for text, _, end in heads)
    head = raw.most_common(1)[0][0]
    apart = all(end < start for (_, _, end), (_, start, _) in zip(heads, found, strict=True))
    return head if apart and not whole else ""
