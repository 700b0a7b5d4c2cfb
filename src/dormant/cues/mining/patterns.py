"""Patterns at the ends of user turns, merged with those of system prompts and ranked."""

from __future__ import annotations

from collections import Counter

import numpy as np

from dormant.cues.mining.alignment import align_tokens, write_slots
from dormant.cues.mining.candidates import (
    MOST_EDGES,
    FoundCandidates,
    TextPattern,
    Turns,
    best_edges,
    bonus_of,
    commonest_text,
    drop_explained,
    edge_text,
    make_candidate,
    pair_edges,
    pattern_words,
)
from dormant.cues.mining.counts import measure_enrichment
from dormant.cues.mining.edges import (
    Boundaries,
    Edge,
    Rows,
    Slot,
    find_joint,
    grow_edges,
    is_question,
    slot_fillings,
)
from dormant.cues.mining.systems import system_prompts
from dormant.cues.text import SENTENCE_ENDS, escape_slot, join_pieces
from dormant.records import QUESTION_SLOT, CueKind, Placement

#: Tokens of a turn's head that are aligned, and distinct heads that this needs.
_HEAD, _FEWEST_HEADS = 24, 8


def find_patterns(turns: Turns, *, min_rows: int) -> FoundCandidates:
    """Finds every enriched pattern at the ends of turns, best first, without redundant ones."""
    system, user = system_prompts(turns, min_rows), _find_user_patterns(turns, min_rows)
    found = [c for c in (*system.candidates, *user.candidates) if c.measure.low > 0]
    unexplained = drop_explained(
        found, len(turns.user), len(turns.reference_user), min_rows=min_rows
    )
    return FoundCandidates(unexplained, system.looked_at + user.looked_at)


# User turns --------------------------------------------------------------------------------------


def _find_user_patterns(turns: Turns, min_rows: int) -> FoundCandidates:
    forward = turns.make_field("user", backwards=False)
    backward = turns.make_field("user", backwards=True)
    starts = grow_edges(forward, min_rows=min_rows)
    ends = grow_edges(backward, min_rows=min_rows)
    tested = len(starts) + len(ends)
    starts, ends = best_edges(starts, 400), best_edges(ends, 400)
    first, last = Boundaries.count_tokens(forward), Boundaries.count_tokens(backward)
    prefixes = [(edge, find_joint(edge, first)) for edge in starts if not is_question(edge)]
    suffixes = [(edge, find_joint(edge, last)) for edge in ends if not is_question(edge)]
    found: list[TextPattern] = []
    for edge, joint in prefixes:
        if edge.size == 1 and not joint.separable:
            continue  # the first word of a question is no context
        text, form = _slots_on(edge, *_prefix_text(edge, joint.slot))
        kind = CueKind.FORM if joint.slot else CueKind.PREFIX
        found.append(make_candidate(edge, kind, Placement.BEFORE, text, form, joint))
    for edge, joint in suffixes:
        if edge.size == 1 and not joint.separable:
            continue
        text, form = _suffix_text(edge, joint.slot)
        kind = CueKind.FORM if joint.slot else CueKind.SUFFIX
        found.append(make_candidate(edge, kind, Placement.AFTER, text, form, joint))
    fronts = {id(edge): joint for edge, joint in prefixes if joint.separable}
    backs = {id(edge): joint for edge, joint in suffixes if joint.separable}
    starts = [edge for edge in starts if id(edge) in fronts][:MOST_EDGES]
    ends = [edge for edge in ends if id(edge) in backs][:MOST_EDGES]
    for i, j, rows in pair_edges(starts, ends, len(turns.user), min_rows):
        slots = fronts[id(starts[i])].slot, backs[id(ends[j])].slot
        found.append(_make_wrapper(starts[i], ends[j], rows, slots))
    return FoundCandidates(found, tested)


def _make_wrapper(
    start: Edge, end: Edge, rows: Rows, slots: tuple[Slot | None, Slot | None]
) -> TextPattern:
    front, front_form = _prefix_text(start, slots[0])
    back, back_form = _suffix_text(end, slots[1])
    others = np.intersect1d(start.reference_rows, end.reference_rows)
    field = start.field
    measure = measure_enrichment(len(rows), len(field.file), len(others), len(field.reference))
    form = ""
    if front_form or back_form:
        form = join_pieces(join_pieces(front_form or front, QUESTION_SLOT), back_form or back)
    return TextPattern(
        CueKind.WRAPPER,
        Placement.AROUND,
        join_pieces(join_pieces(escape_slot(front), QUESTION_SLOT), escape_slot(back)),
        form,
        frozenset({"user-start", "user-end"}),
        rows,
        others,
        measure,
        bonus_of((*start.tokens, *end.tokens)),
        True,
        pattern_words(front, slots[0]) | pattern_words(back, slots[1]),
    )


def _prefix_text(edge: Edge, slot: Slot | None) -> tuple[str, str]:
    if slot is None:
        return edge_text(edge), ""
    form = join_pieces(edge_text(edge), "<X>")
    if slot.delimiter is None:
        return commonest_text(edge.field, edge.rows, len(edge.tokens) + slot.tokens), form
    text = Counter(text for _, text in slot_fillings(edge, slot.delimiter)).most_common(1)[0][0]
    return text, f"{form}{slot.delimiter}"


def _slots_on(edge: Edge, text: str, form: str) -> tuple[str, str]:
    """Extends a prefix form by further slots if rows continue alike after the first one.

    The heads of the rows are aligned; the tokens that they share before their questions form it.
    """
    heads = {edge.field.file[row].norm[:_HEAD]: int(row) for row in edge.rows[:500].tolist()}
    if not form.endswith(tuple(SENTENCE_ENDS)) or len(heads) < _FEWEST_HEADS:
        return text, form
    first = edge.field.file[next(iter(heads.values()))]
    shared = align_tokens(list(heads))
    while shared and first.norm[shared[-1]] not in SENTENCE_ENDS:
        shared.pop()
    if sum(first.norm[i][0].isalnum() for i in shared) <= edge.size:
        return text, form
    end = first.spans[shared[-1]][1]
    longer = write_slots(first, shared)
    after_slot = len(shared) > 1 and shared[-2] < shared[-1] - 1
    if after_slot:  # the mark that closes the last slot stands alone
        return first.text[:end], longer + first.text[first.spans[shared[-1]][0] : end]
    return first.text[:end], longer.removesuffix(" <X>")


def _suffix_text(edge: Edge, slot: Slot | None) -> tuple[str, str]:
    if slot is None:
        return edge_text(edge), ""
    text = commonest_text(edge.field, edge.rows, len(edge.tokens) + slot.tokens)
    return text, join_pieces("<X>", edge_text(edge))
