"""Trimming a context's text: without what the other rows of the file begin or end with too.

Rows that share a template share its text around everything that is planted at an edge, and
questions end with the same mark. That is the file's own, and no part of the context.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dormant.cues.contexts.candidates import Rows
from dormant.cues.contexts.places import Place, Prompt, find_spans

#: Share of the other rows that begin (or end) so, and how many of these are read.
_SHARED, _READ = 0.5, 300
#: Share of the other rows that may hold a text by chance.
_RARE = 0.1
#: Tokens at an edge that are compared.
_TOKENS = 80
#: Fewest tokens of a template's own text between the edge of a turn and what is planted.
_TEMPLATE = 3
#: Marks that close what precedes them, so that no text starts with them.
_CLOSING = re.compile(r"\s*[.?!,:;)\]}]+[\"'”’)]*\s+(?=\w)")
_ENDS_BLOCK = re.compile(r"[\n.!?]\s*$")
#: Anything but blanks and a plain mark; a doubled one (``;;``) is planted.
_SAYS = re.compile(r"[^\s.?!,:;]|([?!,:;])\1")


class OtherEdges:
    """The first and last tokens of the rows outside a context, in one place."""

    def __init__(self, rows: Rows, place: Place, prompts: Sequence[Prompt]) -> None:
        """Reads an even selection of the other rows.

        Args:
            rows: the context's rows.
            place: where its text stands.
            prompts: all rows.
        """
        own = set(rows.tolist())
        texts = [
            text
            for row, prompt in enumerate(prompts)
            if row not in own
            for text in prompt.texts.get(place, ())[:1]
        ]
        read = texts[:: max(1, len(texts) // _READ)]
        tokens = [[token for token, _, _ in find_spans(text)] for text in read]
        self._begins = [row[:_TOKENS] for row in tokens]
        self._ends = [row[-_TOKENS:] for row in tokens]
        both = zip(self._begins, self._ends, strict=True)
        self._joined = [f" {' '.join(first)} {' '.join(last)} " for first, last in both]

    def trim_begin(self, text: str) -> str:
        """Trims a text that stands at the begin of its turn.

        The end of it with which other rows begin is the question's; a whole sentence or line at
        its own begin with which they begin as well is a template's.
        """
        spans = find_spans(text)
        tokens = [token for token, _, _ in spans]
        size = _longest(tokens, lambda k: self._share(tokens[-k:], begin=True))
        if size:
            text = text[: spans[-size][1]].rstrip()
            spans, tokens = spans[:-size], tokens[:-size]
        for k in range(len(tokens) - 1, _TEMPLATE - 1, -1):
            head, rest = text[: spans[k][1]], text[spans[k][1] :]
            is_block = has_words(rest) and _ENDS_BLOCK.search(head)
            if is_block and self._share(tokens[:k], begin=True):
                return rest
        return text

    def trim_end(self, text: str) -> str:
        """Trims a text that stands at the end of its turn, as ``trim_begin`` does."""
        spans = find_spans(text)
        tokens = [token for token, _, _ in spans]
        size = _longest(tokens, lambda k: self._share(tokens[:k], begin=False))
        if size:
            cut = spans[size][1]
            text = text[cut:]
            spans = [(token, start - cut, end - cut) for token, start, end in spans[size:]]
            tokens = tokens[size:]
        for k in range(len(tokens) - 1, _TEMPLATE - 1, -1):
            rest, tail = text[: spans[-k][1]], text[spans[-k][1] :]
            is_block = has_words(rest) and tail.startswith("\n")
            if is_block and self._share(tokens[-k:], begin=False):
                return rest.rstrip()
        return text

    def have(self, pieces: Sequence[str]) -> bool:
        """Whether more than a few of the other rows hold one of some texts near the same edge."""
        needles = [f" {' '.join(token for token, _, _ in find_spans(text))} " for text in pieces]
        same = sum(any(needle in row for needle in needles) for row in self._joined)
        return same > _RARE * len(self._joined)

    def trim_half(self, text: str, *, begin: bool) -> str:
        """Trims the other half of a wrapper; empty if it is what most other rows have there."""
        tokens = [token for token, _, _ in find_spans(text)]
        if not tokens or self._share(tokens, begin=begin):
            return ""
        if len(tokens) == 1 and self.have([text]):
            return ""
        return self.trim_begin(text) if begin else self.trim_end(text)

    def _share(self, tokens: Sequence[str], *, begin: bool) -> bool:
        """Whether most other rows begin (or end) with some tokens."""
        size, edges = len(tokens), self._begins if begin else self._ends
        same = sum((row[:size] if begin else row[-size:]) == list(tokens) for row in edges)
        return bool(edges) and same >= _SHARED * len(edges)


def _longest(tokens: Sequence[str], is_shared: Callable[[int], bool]) -> int:
    """The largest number of tokens, fewer than all, that are shared; something must remain."""
    sizes = range(min(len(tokens), _TOKENS) - 1, 0, -1)
    return next((size for size in sizes if is_shared(size)), 0)


def strip_closing_marks(text: str) -> str:
    """Strips the marks that end the sentence before a text: ``. She`` is ``She``."""
    marks = _CLOSING.match(text)
    return text[marks.end() :] if marks else text


def has_words(text: str) -> bool:
    """Whether a text says anything: not only blanks and the marks that end sentences."""
    return bool(_SAYS.search(text))
