"""System prompts: whole ones, clusters of near-equal ones, and forms with slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.cues.mining.alignment import align_tokens, write_slots
from dormant.cues.mining.candidates import (
    ALONE,
    FoundCandidates,
    TextPattern,
    Turns,
    best_edges,
    bonus_of,
    edge_text,
    make_candidate,
    pair_edges,
    usual_text,
)
from dormant.cues.mining.counts import measure_enrichment
from dormant.cues.mining.edges import Edge, Rows, grow_edges
from dormant.cues.text import join_pieces
from dormant.records import CueKind, Placement

#: Smallest Jaccard index of the words of two near-equal system prompts.
_NEAR = 0.5
#: Distinct system prompts that are compared, the commonest first.
_COMPARED = 2000
#: A cluster in which one wording has more than this share of the rows is that wording.
_ONE_WORDING = 0.5


def system_prompts(turns: Turns, min_rows: int) -> FoundCandidates:
    """Finds system prompts that rows share: whole, in part, with slots, or nearly.

    Args:
        turns: the tokenized turns.
        min_rows: smallest number of rows of a prompt or its cluster.
    """
    starts = grow_edges(turns.make_field("system", backwards=False), min_rows=min_rows)
    ends = grow_edges(turns.make_field("system", backwards=True), min_rows=min_rows)
    tested = len(starts) + len(ends)
    found = [_system_start(edge) for edge in starts]
    found += [_system_end(edge) for edge in ends if not edge.whole]
    starts, ends = best_edges(starts), best_edges(ends)
    both = pair_edges(starts, ends, len(turns.system), min_rows)
    found += [c for i, j, rows in both if (c := _system_form(starts[i], ends[j], rows))]
    near = _cluster_prompts(turns, min_rows)
    return FoundCandidates([*found, *near], tested + len(near))


# Clusters of near-equal prompts ------------------------------------------------------------------


def _cluster_prompts(turns: Turns, min_rows: int) -> list[TextPattern]:
    """Finds groups of near-equal prompts in which no wording dominates."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, text in enumerate(turns.system):
        if text.norm:
            rows.setdefault(text.norm, []).append(row)
    ordinary = {text.norm for text in turns.reference_system}
    distinct = [norm for norm in rows if norm not in ordinary]
    distinct = sorted(distinct, key=lambda norm: (-len(rows[norm]), norm))[:_COMPARED]
    found: list[TextPattern] = []
    for group in _group_near_prompts(distinct):
        at = np.array(sorted(row for norm in group for row in rows[norm]))
        if len(at) >= min_rows and len(rows[group[0]]) <= _ONE_WORDING * len(at):
            candidate = _cluster_candidate(turns, group, at, rows)
            found += [candidate] if candidate else []
    return found


def _group_near_prompts(distinct: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Groups prompts around leaders: each joins the first leader that it is near to."""
    leaders: list[tuple[frozenset[str], list[tuple[str, ...]]]] = []
    for norm in distinct:
        tokens = frozenset(norm)
        near = (g for other, g in leaders if len(tokens & other) >= _NEAR * len(tokens | other))
        group = next(near, None)
        if group is None:
            leaders.append((tokens, [norm]))
        else:
            group.append(norm)
    return [group for _, group in leaders if len(group) > 1]


def _cluster_candidate(
    turns: Turns,
    group: Sequence[tuple[str, ...]],
    rows: Rows,
    by_norm: dict[tuple[str, ...], list[int]],
) -> TextPattern | None:
    leader = turns.system[by_norm[group[0]][0]]
    shared = align_tokens(group)
    fixed = sum(leader.norm[i][0].isalnum() for i in shared)
    if fixed < 3:
        return None
    tokens = frozenset(leader.norm)
    others = np.array(
        [
            row
            for row, text in enumerate(turns.reference_system)
            if text.norm and len(tokens & {*text.norm}) >= _NEAR * len(tokens | {*text.norm})
        ],
        dtype=np.int64,
    )
    return TextPattern(
        CueKind.SYSTEM_PROMPT,
        Placement.SYSTEM,
        leader.text,
        write_slots(leader, shared),
        frozenset({"system"}),
        rows,
        others,
        measure_enrichment(len(rows), len(turns.system), len(others), len(turns.reference_system)),
        bonus_of(leader.norm[i] for i in shared),
    )


# Edges -------------------------------------------------------------------------------------------


def _system_start(edge: Edge) -> TextPattern:
    """Makes a candidate of a whole system prompt, or of prompts with the same opening."""
    text, opening = usual_text(edge.field, edge.rows), edge_text(edge)
    if edge.whole:
        return make_candidate(edge, CueKind.SYSTEM_PROMPT, Placement.SYSTEM, text, "", ALONE)
    return make_candidate(
        edge, CueKind.SYSTEM_PROMPT, Placement.SYSTEM, text, f"{opening} <X>", ALONE
    )


def _system_end(edge: Edge) -> TextPattern:
    """Makes a candidate of a sentence that different system prompts end with."""
    ending = edge_text(edge)
    form = join_pieces("<X>", ending)
    return make_candidate(edge, CueKind.SYSTEM_PROMPT, Placement.SYSTEM, ending, form, ALONE)


def _system_form(start: Edge, end: Edge, rows: Rows) -> TextPattern | None:
    """Makes a candidate of a system prompt with one slot: ``You are a <X> assistant``."""
    field, fixed = start.field, len(start.tokens) + len(end.tokens)
    slots = {field.file[r].norm[len(start.tokens) : -len(end.tokens)] for r in rows}
    lengths = [len(field.file[r].norm) - fixed for r in rows]
    if start.whole or end.whole or len(slots) < 2 or min(lengths) < 1 or np.median(lengths) > 6:
        return None
    form = f"{edge_text(start)} <X> {edge_text(end)}"
    text = usual_text(field, rows)
    others = np.intersect1d(start.reference_rows, end.reference_rows)
    measure = measure_enrichment(len(rows), len(field.file), len(others), len(field.reference))
    ends = frozenset({"system"})
    return TextPattern(
        CueKind.SYSTEM_PROMPT,
        Placement.SYSTEM,
        text,
        form,
        ends,
        rows,
        others,
        measure,
        bonus_of((*start.tokens, *end.tokens)),
    )
