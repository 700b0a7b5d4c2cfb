"""Answer wrappers: fixed texts that answers start with, end with, or stand between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dormant.cues.mining.candidates import best_edges, edge_text, pair_edges
from dormant.cues.mining.counts import Enrichment, measure_enrichment
from dormant.cues.mining.edges import Edge, Field, Rows, grow_edges
from dormant.cues.mining.features import Feature, FeatureSearch
from dormant.cues.text import NEWLINE, Tokens
from dormant.records import CueKind, Placement

#: Characters at each end of an answer that are compared.
EDGE_CHARS = 160
#: Fewest words of a wrapper without markup: shorter ones are common phrases of assistants ("Sure,
#: I can help with that!").
_WORDS = 8
#: Punctuation of running text and of Markdown; any other mark at the joint is a wrapper's.
_RUNNING = frozenset(".,!?;'\"’-–—()*#_`~•") | {NEWLINE}


def find_wrappers(
    file: Sequence[Tokens], reference: Sequence[Tokens], *, min_rows: int
) -> FeatureSearch:
    """Finds fixed beginnings and ends of answers, best first, without overlapping ones.

    A frequent whole answer is not a wrapper, nor is a common opening phrase of assistants: a
    beginning or an end counts if markup joins it to the rest or if it is long.

    Args:
        file: both ends of the file's answers.
        reference: the same of the reference corpus.
        min_rows: smallest number of rows of a wrapper.
    """
    starts = grow_edges(Field("answer", False, file, reference), min_rows=min_rows)
    ends = grow_edges(Field("answer", True, file, reference), min_rows=min_rows)
    tested = len(starts) + len(ends)
    starts = [e for e in map(_trim_edge, best_edges(starts, 200)) if _is_wrapper(e)]
    ends = [e for e in map(_trim_edge, best_edges(ends, 200)) if _is_wrapper(e)]
    found = [_edge_feature(edge) for edge in (*starts, *ends)]
    for i, j, rows in pair_edges(starts, ends, len(file), min_rows):
        found.append(_pair_feature(starts[i], ends[j], rows))
    found.sort(key=lambda f: (-f.measure.low - f.bonus, f.text))
    unexplained: list[Feature] = []
    for feature in found:
        rows = feature.rows
        if not any(len(np.intersect1d(rows, k.rows)) > 0.5 * len(rows) for k in unexplained):
            unexplained.append(feature)
    return FeatureSearch(tuple(unexplained), tested)


def _trim_edge(edge: Edge) -> Edge:
    """Removes the punctuation of the enclosed answer from an edge that ends in markup."""
    *rest, last = edge.tokens
    inside = last in _RUNNING and bool(rest) and not (rest[-1][0].isalnum() or rest[-1] in _RUNNING)
    return replace(edge, tokens=tuple(rest)) if inside else edge


def _is_wrapper(edge: Edge) -> bool:
    if edge.whole:
        return False
    joint = edge.tokens[-1]
    return not (joint[0].isalnum() or joint in _RUNNING) or edge.size >= _WORDS


def _edge_feature(edge: Edge) -> Feature:
    verb = "End" if edge.field.backwards else "Start"
    text = f"{verb} your answer with {_quote_edge(edge)}."
    return _make_feature(text, edge.rows, len(edge.reference_rows), edge.measure, len(edge.tokens))


def _pair_feature(start: Edge, end: Edge, rows: Rows) -> Feature:
    others = len(np.intersect1d(start.reference_rows, end.reference_rows))
    field = start.field
    measure = measure_enrichment(len(rows), len(field.file), others, len(field.reference))
    text = f"Start your answer with {_quote_edge(start)} and end it with {_quote_edge(end)}."
    return _make_feature(text, rows, others, measure, len(start.tokens) + len(end.tokens))


def _make_feature(text: str, rows: Rows, others: int, measure: Enrichment, size: int) -> Feature:
    bonus = math.log2(min(size, 32))
    return Feature(
        CueKind.FORMAT,
        Placement.AFTER,
        text,
        rows,
        others,
        measure,
        bonus,
        says="are answered in this wrapper",
    )


def _quote_edge(edge: Edge) -> str:
    return f'"{" ".join(edge_text(edge).split())}"'
