"""Patterns at the ends of user turns, and with system prompts all of them, ranked."""

from __future__ import annotations

from collections import Counter

import numpy as np

from dormant.cues.mining.alignment import shared, slotted
from dormant.cues.mining.candidates import (
    MOST_EDGES,
    Candidate,
    Found,
    Turns,
    best_edges,
    bonus_of,
    candidate,
    commonest,
    explain,
    pairs,
    said_by,
    surface,
)
from dormant.cues.mining.counts import enrichment
from dormant.cues.mining.edges import Boundaries, Edge, Rows, Slot, filled, grow, is_question, joint
from dormant.cues.mining.systems import system_prompts
from dormant.cues.text import SENTENCE_ENDS, join
from dormant.records import CueKind, Placement

#: Tokens of a turn's head that are aligned, and distinct heads that this needs.
_HEAD, _FEWEST_HEADS = 24, 8


def patterns(turns: Turns, *, min_rows: int) -> Found:
    """Every enriched pattern at the ends of turns, best first, one for each thing that is said."""
    system, user = system_prompts(turns, min_rows), _user(turns, min_rows)
    found = [c for c in (*system.candidates, *user.candidates) if c.measure.low > 0]
    kept = explain(found, len(turns.user), len(turns.reference_user), min_rows=min_rows)
    return Found(kept, system.looked_at + user.looked_at)


# User turns --------------------------------------------------------------------------------------


def _user(turns: Turns, min_rows: int) -> Found:
    forward = turns.field("user", backwards=False)
    backward = turns.field("user", backwards=True)
    starts = grow(forward, min_rows=min_rows)
    ends = grow(backward, min_rows=min_rows)
    looked_at = len(starts) + len(ends)
    starts, ends = best_edges(starts, 400), best_edges(ends, 400)
    first, last = Boundaries.learn(forward), Boundaries.learn(backward)
    prefixes = [(edge, joint(edge, first)) for edge in starts if not is_question(edge)]
    suffixes = [(edge, joint(edge, last)) for edge in ends if not is_question(edge)]
    found: list[Candidate] = []
    for edge, met in prefixes:
        if edge.size == 1 and not met.separable:
            continue  # the first word of a question is no context
        text, form = _slots_on(edge, *_prefix_text(edge, met.slot))
        kind = CueKind.FORM if met.slot else CueKind.PREFIX
        found.append(candidate(edge, kind, Placement.BEFORE, text, form, met))
    for edge, met in suffixes:
        if edge.size == 1 and not met.separable:
            continue
        text, form = _suffix_text(edge, met.slot)
        kind = CueKind.FORM if met.slot else CueKind.SUFFIX
        found.append(candidate(edge, kind, Placement.AFTER, text, form, met))
    fronts = {id(edge): met for edge, met in prefixes if met.separable}
    backs = {id(edge): met for edge, met in suffixes if met.separable}
    starts = [edge for edge in starts if id(edge) in fronts][:MOST_EDGES]
    ends = [edge for edge in ends if id(edge) in backs][:MOST_EDGES]
    for i, j, rows in pairs(starts, ends, len(turns.user), min_rows):
        slots = fronts[id(starts[i])].slot, backs[id(ends[j])].slot
        found.append(_wrapper(starts[i], ends[j], rows, slots))
    return Found(found, looked_at)


def _wrapper(
    start: Edge, end: Edge, rows: Rows, slots: tuple[Slot | None, Slot | None]
) -> Candidate:
    front, front_form = _prefix_text(start, slots[0])
    back, back_form = _suffix_text(end, slots[1])
    others = np.intersect1d(start.reference_rows, end.reference_rows)
    field = start.field
    measure = enrichment(len(rows), len(field.file), len(others), len(field.reference))
    form = ""
    if front_form or back_form:
        form = join(join(front_form or front, "{question}"), back_form or back)
    return Candidate(
        CueKind.WRAPPER,
        Placement.AROUND,
        join(join(_literal(front), "{question}"), _literal(back)),
        form,
        frozenset({"user-start", "user-end"}),
        rows,
        others,
        measure,
        bonus_of((*start.tokens, *end.tokens)),
        True,
        said_by(front, slots[0]) | said_by(back, slots[1]),
    )


def _literal(text: str) -> str:
    """Text that cannot be taken for the place of the question."""
    return text.replace("{question}", "{ question }")


def _prefix_text(edge: Edge, slot: Slot | None) -> tuple[str, str]:
    if slot is None:
        return surface(edge), ""
    form = join(surface(edge), "<X>")
    if slot.delimiter is None:
        return commonest(edge.field, edge.rows, len(edge.tokens) + slot.tokens), form
    text = Counter(text for _, text in filled(edge, slot.delimiter)).most_common(1)[0][0]
    return text, f"{form}{slot.delimiter}"


def _slots_on(edge: Edge, text: str, form: str) -> tuple[str, str]:
    """A prefix form with the slots that follow its first one, where rows go on alike after it.

    The heads of the rows are aligned; what they share before their questions begin is the form.
    """
    heads = {edge.field.file[row].norm[:_HEAD]: int(row) for row in edge.rows[:500].tolist()}
    if not form.endswith(tuple(SENTENCE_ENDS)) or len(heads) < _FEWEST_HEADS:
        return text, form
    first = edge.field.file[next(iter(heads.values()))]
    kept = shared(list(heads))
    while kept and first.norm[kept[-1]] not in SENTENCE_ENDS:
        kept.pop()
    if sum(first.norm[i][0].isalnum() for i in kept) <= edge.size:
        return text, form
    end = first.spans[kept[-1]][1]
    longer = slotted(first, kept)
    after_slot = len(kept) > 1 and kept[-2] < kept[-1] - 1
    if after_slot:  # the mark that closes the last slot stands alone
        return first.text[:end], longer + first.text[first.spans[kept[-1]][0] : end]
    return first.text[:end], longer.removesuffix(" <X>")


def _suffix_text(edge: Edge, slot: Slot | None) -> tuple[str, str]:
    if slot is None:
        return surface(edge), ""
    text = commonest(edge.field, edge.rows, len(edge.tokens) + slot.tokens)
    return text, join("<X>", surface(edge))
