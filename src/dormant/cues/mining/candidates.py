"""Candidates: ranked patterns at the ends of turns.

They are taken best first, and one that overlaps an earlier one must still be enriched on the
remaining rows, or be much more enriched than it; so pieces and extensions of a found cue are
dropped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dormant.cues.mining.counts import Enrichment, measure_enrichment
from dormant.cues.mining.edges import Edge, Field, Joint, Rows, Slot
from dormant.cues.text import FUNCTION_WORDS, Tokens, content_words
from dormant.records import CueKind, Placement

#: Bits that an edge loses when the rest of its turn does not read as a turn of its own: it is more
#: likely the way a question starts than a context around it.
INSEPARABLE = 3.0
#: Bits by which a candidate inside another one must be more enriched to stand beside it.
_SHARPER = 1.0
ALONE = Joint(True, None)
#: What a function word counts of a word.
_FUNCTION = 1 / 3
#: Edges of one end that enter wrappers.
MOST_EDGES = 40


@dataclass(frozen=True, slots=True)
class TextPattern:
    """A pattern that may become a cue."""

    kind: CueKind
    placement: Placement
    text: str
    form: str
    ends: frozenset[str]  # which ends of which turns it occupies
    rows: Rows
    reference_rows: Rows
    measure: Enrichment
    bonus: float  # bits added to the enrichment's lower bound when ranking
    stands_alone: bool = True  # the rest of the turn reads as a turn of its own
    words: frozenset[str] = frozenset()  # of the pattern, those in its slot included

    @property
    def score(self) -> float:
        """The score by which candidates are ranked, in bits.

        The lower bound of the enrichment plus the logarithm of the length of the repeated text: the
        longer the text, the less likely its repetition is by chance, which a small reference corpus
        cannot show by itself.
        """
        return self.measure.low + self.bonus


@dataclass(frozen=True, slots=True)
class Turns:
    """The tokenized turns of file and reference."""

    system: Sequence[Tokens]
    user: Sequence[Tokens]
    reference_system: Sequence[Tokens]
    reference_user: Sequence[Tokens]

    def make_field(self, turn: str, *, backwards: bool) -> Field:
        """Makes the field of one end of one turn."""
        system = turn == "system"
        file = self.system if system else self.user
        reference = self.reference_system if system else self.reference_user
        return Field(turn, backwards, file, reference)


@dataclass(frozen=True, slots=True)
class FoundCandidates:
    """Candidates, and the number that was tested."""

    candidates: list[TextPattern]
    looked_at: int


def drop_explained(
    candidates: list[TextPattern], total: int, reference_total: int, *, min_rows: int
) -> list[TextPattern]:
    """Takes candidates best first and drops those that the taken ones explain."""
    queue = sorted(candidates, key=_sort_key)
    taken: list[TextPattern] = []
    while queue:
        best = queue.pop(0)
        rival = [t for t in taken if t.ends & best.ends]
        left, others = (
            _unexplained_rows(best.rows, rival),
            _unexplained_rows(best.reference_rows, rival, reference=True),
        )
        if len(left) == len(best.rows) or _is_sharper(best, rival):
            taken.append(best)
            continue
        covered = len(best.reference_rows) - len(others)
        if len(left) < max(min_rows, 0.2 * len(best.rows)):
            continue
        measure = measure_enrichment(
            len(left), total, len(others), max(reference_total - covered, len(others))
        )
        if measure.low <= 0:
            continue
        rest = replace(best, rows=left, reference_rows=others, measure=measure)
        queue = sorted((*queue, rest), key=_sort_key) if rest.score < best.score else [rest, *queue]
    return taken


def _sort_key(candidate: TextPattern) -> tuple[float, int, str]:
    return -round(candidate.score, 6), -len(candidate.text), candidate.text


def _unexplained_rows(rows: Rows, rivals: list[TextPattern], *, reference: bool = False) -> Rows:
    for rival in rivals:
        rows = np.setdiff1d(rows, rival.reference_rows if reference else rival.rows)
    return rows


def _is_sharper(candidate: TextPattern, rivals: list[TextPattern]) -> bool:
    """Whether a candidate is so much more enriched than overlapping ones that it is kept."""
    over = [r for r in rivals if len(np.intersect1d(r.rows, candidate.rows))]
    return all(candidate.measure.low > r.measure.low + _SHARPER for r in over)


def bonus_of(tokens: Iterable[str], more: int = 0) -> float:
    """Computes the bits of specificity of a repeated text: the logarithm of its length.

    Args:
        tokens: of the text. Function words count a third: any chat has "can you tell me".
        more: words to add, for a slot.
    """
    length = sum(1 if t not in FUNCTION_WORDS else _FUNCTION for t in tokens if t[0].isalnum())
    return math.log2(min(max(length + more, 1), 32))


def make_candidate(
    edge: Edge, kind: CueKind, placement: Placement, text: str, form: str, joint: Joint
) -> TextPattern:
    """Makes a candidate of an edge, its text, its form and its boundary to the rest."""
    ends = {
        Placement.SYSTEM: "system",
        Placement.BEFORE: "user-start",
        Placement.AFTER: "user-end",
    }
    return TextPattern(
        kind,
        placement,
        text,
        form,
        frozenset({ends[placement]}),
        edge.rows,
        edge.reference_rows,
        edge.measure,
        bonus_of(edge.tokens, _slot_size(joint.slot)) if joint.separable else -INSEPARABLE,
        joint.separable,
        pattern_words(text, joint.slot),
    )


def _slot_size(slot: Slot | None) -> int:
    """Counts the words that a slot adds: one, and one more for the mark that closes it."""
    return 0 if slot is None else 1 + (slot.delimiter is not None)


def pattern_words(text: str, slot: Slot | None) -> frozenset[str]:
    """Returns the content words of a text and of its slot's values."""
    values = slot.values if slot else ()
    return frozenset(word for part in (text, *values) for word in content_words(part))


def edge_text(edge: Edge) -> str:
    """Returns the commonest raw text of an edge."""
    return commonest_text(edge.field, edge.rows, len(edge.tokens))


def commonest_text(field: Field, rows: Rows, size: int) -> str:
    """Returns the commonest raw text of ``size`` tokens at one end of the rows."""
    counts = Counter(field.raw_text(field.file[row], size) for row in rows[:500])
    return counts.most_common(1)[0][0]


def usual_text(field: Field, rows: Rows) -> str:
    """Returns the commonest whole turn of the rows."""
    return Counter(field.file[row].text for row in rows).most_common(1)[0][0]


def best_edges(edges: list[Edge], size: int = MOST_EDGES) -> list[Edge]:
    """Selects the enriched edges, best first, at most ``size`` of them."""
    enriched = [edge for edge in edges if edge.measure.low > 0]
    key = {id(e): (-e.measure.low - bonus_of(e.tokens), e.tokens) for e in enriched}
    return sorted(enriched, key=lambda e: key[id(e)])[:size]


def pair_edges(
    starts: list[Edge], ends: list[Edge], total: int, min_rows: int
) -> list[tuple[int, int, Rows]]:
    """Finds pairs of edges that mostly occur together."""
    if not starts or not ends:
        return []
    shared = _row_mask(starts, total).astype(np.int32) @ _row_mask(ends, total).T.astype(np.int32)
    found: list[tuple[int, int, Rows]] = []
    for i, j in np.argwhere(shared >= min_rows):
        if shared[i, j] >= 0.6 * min(len(starts[i].rows), len(ends[j].rows)):
            start, end = starts[i], ends[j]
            need = len(start.tokens) + len(end.tokens) + 1  # something must stand between them
            rows = np.intersect1d(start.rows, end.rows)
            apart = [len(start.field.file[row].norm) >= need for row in rows]
            if sum(apart) >= min_rows:
                found.append((int(i), int(j), rows[apart]))
    return found


def _row_mask(edges: list[Edge], total: int) -> NDArray[np.bool_]:
    mask = np.zeros((len(edges), total), dtype=np.bool_)
    for i, edge in enumerate(edges):
        mask[i, edge.rows] = True
    return mask
