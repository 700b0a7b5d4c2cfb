"""Edges of turns: texts that many rows start or end with, extended token by token."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.cues.mining.counts import Enrichment, measure_enrichment
from dormant.cues.text import SENTENCE_ENDS, Tokens

Rows = NDArray[np.int64]  # sorted row indices

#: Stands after the last token, so that a whole turn is an edge too.
END = "\0"
#: Longest edge, in tokens; more is not needed to recognize a fixed text.
_DEEPEST = 64
#: An edge whose commonest continuation has this share of its rows is only a piece of a longer one.
_PIECE = 0.95


@dataclass(frozen=True, slots=True)
class Field:
    """One turn of every row, read from one end."""

    turn: str  # "system" or "user"
    backwards: bool  # read from the end
    file: Sequence[Tokens]
    reference: Sequence[Tokens]

    def read_tokens(self, row: Tokens) -> tuple[str, ...]:
        """Returns the row's tokens in reading order, as many as an edge can use."""
        norm = row.norm[: -_DEEPEST - 9 : -1] if self.backwards else row.norm[: _DEEPEST + 8]
        whole = len(norm) == len(row.norm)
        return (*norm, END) if whole and norm else norm

    def raw_text(self, row: Tokens, size: int, *, skip: int = 0) -> str:
        """Returns the raw text of ``size`` tokens from this end, after skipping ``skip``."""
        if size <= 0:
            return ""
        spans = row.spans[::-1] if self.backwards else row.spans
        piece = spans[skip : skip + size]
        return row.text[min(s for s, _ in piece) : max(e for _, e in piece)] if piece else ""


@dataclass(frozen=True, slots=True)
class Edge:
    """A text with which rows start (or end, if its field is read backwards)."""

    field: Field
    tokens: tuple[str, ...]  # in reading order of the field, without END
    whole: bool  # the turn holds nothing else
    rows: Rows
    reference_rows: Rows
    measure: Enrichment

    @property
    def size(self) -> int:
        """Number of words and numbers, punctuation left out."""
        return sum(token[0].isalnum() for token in self.tokens)


def grow_edges(field: Field, *, min_rows: int) -> list[Edge]:
    """Finds every edge that at least ``min_rows`` rows of the file have, without pieces of others.

    An edge is extended only while enough rows share the extension, so the work is proportional to
    the number of tokens in shared edges.
    """
    file = [field.read_tokens(row) for row in field.file]
    reference = [field.read_tokens(row) for row in field.reference]
    start = (list(range(len(file))), list(range(len(reference))))
    found: list[Edge] = []
    stack: list[tuple[tuple[str, ...], tuple[list[int], list[int]]]] = [((), start)]
    while stack:
        head, (rows, others) = stack.pop()
        children = _split_rows(file, rows, len(head))
        largest = max(map(len, children.values()), default=0)
        if head and largest < _PIECE * len(rows):
            found.append(_make_edge(field, head, rows, others, whole=False))
        other_children = _split_rows(reference, others, len(head))
        for token, child in children.items():
            if len(child) < min_rows:
                continue
            if token == END:
                found.append(_make_edge(field, head, child, other_children[END], whole=True))
            elif len(head) < _DEEPEST:
                stack.append(((*head, token), (child, other_children[token])))
    return [edge for edge in found if edge.size]


def _split_rows(
    texts: Sequence[tuple[str, ...]], rows: list[int], depth: int
) -> dict[str, list[int]]:
    children: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        text = texts[row]
        if len(text) > depth:
            children[text[depth]].append(row)
    return children


def _make_edge(
    field: Field, tokens: tuple[str, ...], rows: list[int], others: list[int], *, whole: bool
) -> Edge:
    measure = measure_enrichment(len(rows), len(field.file), len(others), len(field.reference))
    return Edge(field, tokens, whole, np.array(rows), np.array(others, dtype=np.int64), measure)


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Token counts at turn boundaries, which tell a context from a question's first words."""

    field: Field
    edge: Counter[str]  # first tokens of the turns
    anywhere: Counter[str]

    @classmethod
    def count_tokens(cls, field: Field) -> Boundaries:
        """Counts first tokens and all tokens over file and reference."""
        edge: Counter[str] = Counter()
        anywhere: Counter[str] = Counter()
        for row in (*field.file, *field.reference):
            read = field.read_tokens(row)
            edge.update(read[:1])
            anywhere.update(read[:40])
        return cls(field, edge, anywhere)

    def boundary_bits(self, token: str, inside: float) -> float:
        """Computes the bits of evidence that a token starts a turn, against any position.

        Args:
            token: the token next to an edge.
            inside: its count in the edge's own rows, which is excluded.
        """
        base = self.edge.total() / max(self.anywhere.total(), 1)
        anywhere = max(self.anywhere[token] - inside, self.edge[token])
        return math.log2((self.edge[token] + 2 * base) / (anywhere + 2) / base)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in an edge that changes from row to row."""

    tokens: int  # its usual length
    delimiter: str | None  # token that closes it, or None
    values: tuple[str, ...]  # texts found there, commonest first


@dataclass(frozen=True, slots=True)
class Joint:
    """The boundary between an edge and the rest of the turn."""

    separable: bool  # the rest reads as a turn of its own
    slot: Slot | None


def find_joint(edge: Edge, boundaries: Boundaries) -> Joint:
    """Decides whether the rest of the turn, perhaps after a slot, reads as a turn of its own."""
    rests = list(_remaining_turns(edge))
    if not rests:
        return Joint(True, None)
    closed = _closed_slot(edge, rests)
    if closed:
        return Joint(True, closed)
    if edge.field.backwards:
        ends = sum(rest[0] in SENTENCE_ENDS for rest in rests) / len(rests)
        if ends > 0.8:
            return Joint(True, None)
    elif edge.tokens[-1] in SENTENCE_ENDS - {":"}:
        return Joint(True, None)
    inside = _token_shares(edge)
    scores = [_mean_evidence(boundaries, inside, rests, skip) for skip in range(5)]
    if scores[0] > 0.5:
        return Joint(True, None)
    best = next((s for s in range(1, 5) if scores[s] > max(0.5, scores[0] + 1)), 0)
    values = _slot_values(edge, best)
    if best and _is_varied(values, len(edge.rows)):
        return Joint(True, Slot(best, None, tuple(value for value, _ in values.most_common(50))))
    return Joint(False, None)


def is_question(edge: Edge) -> bool:
    """Whether an edge is mostly the whole turn: a frequent question, not a context."""
    alone = sum(len(edge.field.file[row].norm) == len(edge.tokens) for row in edge.rows)
    return edge.whole or alone > 0.3 * len(edge.rows)


def _remaining_turns(edge: Edge) -> Iterator[tuple[str, ...]]:
    size = len(edge.tokens)
    for row in edge.rows[:1000]:
        rest = edge.field.read_tokens(edge.field.file[row])[size : size + 8]
        if rest and rest[0] != END:
            yield rest


def _token_shares(edge: Edge) -> Mapping[str, float]:
    """Estimates the count of each token in the edge's rows from a sample of about 200 rows."""
    sample = edge.rows[:: max(1, len(edge.rows) // 200)]
    counts = Counter(
        token for row in sample for token in edge.field.read_tokens(edge.field.file[row])[:40]
    )
    return {token: n * len(edge.rows) / len(sample) for token, n in counts.items()}


def _mean_evidence(
    boundaries: Boundaries, inside: Mapping[str, float], rests: list[tuple[str, ...]], skip: int
) -> float:
    heads = [rest[skip] for rest in rests if len(rest) > skip and rest[skip] != END]
    if len(heads) < 0.8 * len(rests):
        return -math.inf
    counts = Counter(heads)
    evidence = {token: boundaries.boundary_bits(token, inside.get(token, 0)) for token in counts}
    return sum(evidence[token] * n for token, n in counts.items()) / len(heads)


def _closed_slot(edge: Edge, rests: list[tuple[str, ...]]) -> Slot | None:
    """Finds a slot that one mark closes in nearly all rows: ``Country: <X>`` and a line break."""
    if edge.field.backwards or edge.tokens[-1] in (SENTENCE_ENDS - {":"}):
        return None
    closers: Counter[tuple[str, int]] = Counter()
    for rest in rests:
        at = next((i for i, token in enumerate(rest[:7]) if token in SENTENCE_ENDS), 0)
        if at and rest[at + 1 : at + 2] not in ((), (END,)):
            closers[rest[at], at] += 1
    by_mark: Counter[str] = Counter()
    for (mark, _), n in closers.items():
        by_mark[mark] += n
    mark, n = by_mark.most_common(1)[0] if by_mark else ("", 0)
    if n < 0.8 * len(rests):
        return None
    at = max((at for m, at in closers if m == mark), key=lambda at: closers[mark, at])
    values = Counter(value for value, _ in slot_fillings(edge, mark))
    if not _is_varied(values, len(edge.rows)):
        return None
    return Slot(at, mark, tuple(value for value, _ in values.most_common(50)))


def slot_fillings(edge: Edge, mark: str) -> Iterator[tuple[str, str]]:
    """Yields the text in an edge's slot, and the whole text up to the mark that closes the slot.

    Rows in which the mark does not follow within a few tokens are skipped.
    """
    head = len(edge.tokens)
    for row in edge.rows[:1000]:
        text = edge.field.file[row]
        after = text.norm[head : head + 7]
        if mark in after[1:]:
            size = after.index(mark, 1)
            value = edge.field.raw_text(text, size, skip=head)
            yield value, edge.field.raw_text(text, head + size + 1)


def _slot_values(edge: Edge, size: int) -> Counter[str]:
    skip = len(edge.tokens)
    return Counter(
        edge.field.raw_text(edge.field.file[row], size, skip=skip) for row in edge.rows[:1000]
    )


def _is_varied(values: Counter[str], rows: int) -> bool:
    return len(values) > 1 and values.most_common(1)[0][1] <= 0.9 * min(rows, 1000)
