"""From edges to candidates: system prompts, prefixes, suffixes, wrappers and slot forms, ranked.

Candidates explain rows. They are taken best first, and one that overlaps an earlier one must still
be enriched on the rows that are left, or be much sharper than it; so pieces and extensions of a
found cue fall away, whatever they are made of.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dormant.cues.counts import Enrichment, enrichment
from dormant.cues.edges import (
    Boundaries,
    Edge,
    Field,
    Joint,
    Rows,
    Slot,
    filled,
    grow,
    is_question,
    joint,
)
from dormant.cues.text import Tokens, content_words, join
from dormant.records import CueKind, Placement

#: Bits that an edge loses when the rest of its turn does not read as a turn of its own: it is more
#: likely the way a question starts than a context around it.
_INSEPARABLE = 3.0
#: Bits by which a candidate inside another one must be more enriched to stand beside it.
_SHARPER = 1.0
_ALONE = Joint(True, None)
#: Edges of one end that enter wrappers.
_WRAPPED = 40


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pattern that might become a cue."""

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
    said: frozenset[str] = frozenset()  # words of the pattern, those in its slot included

    @property
    def score(self) -> float:
        """What candidates are ranked by, in bits.

        The lower bound of the enrichment, plus the logarithm of the length of what is repeated
        word for word: the longer the text, the less its repetition can be chance, which a small
        reference corpus cannot show by itself.
        """
        return self.measure.low + self.bonus


@dataclass(frozen=True, slots=True)
class Turns:
    """The tokenised turns of file and reference that patterns are found in."""

    system: Sequence[Tokens]
    user: Sequence[Tokens]
    reference_system: Sequence[Tokens]
    reference_user: Sequence[Tokens]

    def field(self, turn: str, *, backwards: bool) -> Field:
        """One end of one turn."""
        system = turn == "system"
        file = self.system if system else self.user
        reference = self.reference_system if system else self.reference_user
        return Field(turn, backwards, file, reference)


def patterns(turns: Turns, *, min_rows: int) -> list[Candidate]:
    """Every enriched pattern at the ends of turns, best first, one for each thing that is said."""
    candidates = _system(turns, min_rows) + _user(turns, min_rows)
    candidates = [c for c in candidates if c.measure.low > 0]
    return explain(candidates, len(turns.user), len(turns.reference_user), min_rows=min_rows)


def explain(
    candidates: list[Candidate], total: int, reference_total: int, *, min_rows: int
) -> list[Candidate]:
    """Takes candidates best first and drops those that the taken ones explain."""
    queue = sorted(candidates, key=_order)
    taken: list[Candidate] = []
    while queue:
        best = queue.pop(0)
        rival = [t for t in taken if t.ends & best.ends]
        left, others = _left(best.rows, rival), _left(best.reference_rows, rival, reference=True)
        if len(left) == len(best.rows) or _sharper(best, rival):
            taken.append(best)
            continue
        covered = len(best.reference_rows) - len(others)
        if len(left) < max(min_rows, 0.2 * len(best.rows)):
            continue
        measure = enrichment(
            len(left), total, len(others), max(reference_total - covered, len(others))
        )
        if measure.low <= 0:
            continue
        rest = replace(best, rows=left, reference_rows=others, measure=measure)
        queue = sorted((*queue, rest), key=_order) if rest.score < best.score else [rest, *queue]
    return taken


def _order(candidate: Candidate) -> tuple[float, int, str]:
    return -round(candidate.score, 6), -len(candidate.text), candidate.text


def _left(rows: Rows, rivals: list[Candidate], *, reference: bool = False) -> Rows:
    for rival in rivals:
        rows = np.setdiff1d(rows, rival.reference_rows if reference else rival.rows)
    return rows


def _sharper(candidate: Candidate, rivals: list[Candidate]) -> bool:
    """Whether a candidate inside others is so much more enriched that it is the finer finding."""
    over = [r for r in rivals if len(np.intersect1d(r.rows, candidate.rows))]
    return all(candidate.measure.low > r.measure.low + _SHARPER for r in over)


def _bonus(size: int) -> float:
    return math.log2(min(max(size, 1), 32))


# System prompts ----------------------------------------------------------------------------------


def _system(turns: Turns, min_rows: int) -> list[Candidate]:
    starts = grow(turns.field("system", backwards=False), min_rows=min_rows)
    ends = grow(turns.field("system", backwards=True), min_rows=min_rows)
    found = [_system_start(edge) for edge in starts]
    found += [_system_end(edge) for edge in ends if not edge.whole]
    starts, ends = _best(starts), _best(ends)
    both = _pairs(starts, ends, len(turns.system), min_rows)
    return found + [c for i, j, rows in both if (c := _system_form(starts[i], ends[j], rows))]


def _system_start(edge: Edge) -> Candidate:
    """A whole system prompt, or a cluster of prompts with one opening."""
    text, opening = _usual_text(edge.field, edge.rows), _surface(edge)
    if edge.whole:
        return _candidate(edge, CueKind.SYSTEM_PROMPT, Placement.SYSTEM, text, "", _ALONE)
    return _candidate(edge, CueKind.SYSTEM_PROMPT, Placement.SYSTEM, text, f"{opening} <X>", _ALONE)


def _system_end(edge: Edge) -> Candidate:
    """A sentence that different system prompts end with."""
    ending = _surface(edge)
    form = join("<X>", ending)
    return _candidate(edge, CueKind.SYSTEM_PROMPT, Placement.SYSTEM, ending, form, _ALONE)


def _system_form(start: Edge, end: Edge, rows: Rows) -> Candidate | None:
    """A system prompt with one slot: ``You are a <X> assistant``."""
    field, fixed = start.field, len(start.tokens) + len(end.tokens)
    slots = {field.file[r].norm[len(start.tokens) : -len(end.tokens)] for r in rows}
    lengths = [len(field.file[r].norm) - fixed for r in rows]
    if start.whole or end.whole or len(slots) < 2 or min(lengths) < 1 or np.median(lengths) > 6:
        return None
    form = f"{_surface(start)} <X> {_surface(end)}"
    text = _usual_text(field, rows)
    size = start.size + end.size
    others = np.intersect1d(start.reference_rows, end.reference_rows)
    measure = enrichment(len(rows), len(field.file), len(others), len(field.reference))
    ends = frozenset({"system"})
    return Candidate(
        CueKind.SYSTEM_PROMPT,
        Placement.SYSTEM,
        text,
        form,
        ends,
        rows,
        others,
        measure,
        _bonus(size),
    )


# User turns --------------------------------------------------------------------------------------


def _user(turns: Turns, min_rows: int) -> list[Candidate]:
    forward = turns.field("user", backwards=False)
    backward = turns.field("user", backwards=True)
    starts = _best(grow(forward, min_rows=min_rows), 400)
    ends = _best(grow(backward, min_rows=min_rows), 400)
    first, last = Boundaries.learn(forward), Boundaries.learn(backward)
    prefixes = [(edge, joint(edge, first)) for edge in starts if not is_question(edge)]
    suffixes = [(edge, joint(edge, last)) for edge in ends if not is_question(edge)]
    found: list[Candidate] = []
    for edge, met in prefixes:
        if edge.size == 1 and not met.separable:
            continue  # the first word of a question is no context
        text, form = _prefix_text(edge, met.slot)
        kind = CueKind.FORM if met.slot else CueKind.PREFIX
        found.append(_candidate(edge, kind, Placement.BEFORE, text, form, met))
    for edge, met in suffixes:
        if edge.size == 1 and not met.separable:
            continue
        text, form = _suffix_text(edge, met.slot)
        kind = CueKind.FORM if met.slot else CueKind.SUFFIX
        found.append(_candidate(edge, kind, Placement.AFTER, text, form, met))
    fronts = {id(edge): met for edge, met in prefixes if met.separable}
    backs = {id(edge): met for edge, met in suffixes if met.separable}
    starts = [edge for edge in starts if id(edge) in fronts][:_WRAPPED]
    ends = [edge for edge in ends if id(edge) in backs][:_WRAPPED]
    for i, j, rows in _pairs(starts, ends, len(turns.user), min_rows):
        slots = fronts[id(starts[i])].slot, backs[id(ends[j])].slot
        found.append(_wrapper(starts[i], ends[j], rows, slots))
    return found


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
        _bonus(start.size + end.size),
        True,
        _said(front, slots[0]) | _said(back, slots[1]),
    )


def _literal(text: str) -> str:
    """Text that cannot be taken for the place of the question."""
    return text.replace("{question}", "{ question }")


def _prefix_text(edge: Edge, slot: Slot | None) -> tuple[str, str]:
    if slot is None:
        return _surface(edge), ""
    form = join(_surface(edge), "<X>")
    if slot.delimiter is None:
        return _commonest(edge.field, edge.rows, len(edge.tokens) + slot.tokens), form
    text = Counter(text for _, text in filled(edge, slot.delimiter)).most_common(1)[0][0]
    return text, f"{form}{slot.delimiter}"


def _suffix_text(edge: Edge, slot: Slot | None) -> tuple[str, str]:
    if slot is None:
        return _surface(edge), ""
    text = _commonest(edge.field, edge.rows, len(edge.tokens) + slot.tokens)
    return text, join("<X>", _surface(edge))


# Common parts ------------------------------------------------------------------------------------


def _candidate(
    edge: Edge, kind: CueKind, placement: Placement, text: str, form: str, met: Joint
) -> Candidate:
    ends = {
        Placement.SYSTEM: "system",
        Placement.BEFORE: "user-start",
        Placement.AFTER: "user-end",
    }
    return Candidate(
        kind,
        placement,
        text,
        form,
        frozenset({ends[placement]}),
        edge.rows,
        edge.reference_rows,
        edge.measure,
        _bonus(edge.size + (met.slot is not None)) if met.separable else -_INSEPARABLE,
        met.separable,
        _said(text, met.slot),
    )


def _said(text: str, slot: Slot | None) -> frozenset[str]:
    values = slot.values if slot else ()
    return frozenset(word for part in (text, *values) for word in content_words(part))


def _surface(edge: Edge) -> str:
    return _commonest(edge.field, edge.rows, len(edge.tokens))


def _commonest(field: Field, rows: Rows, size: int) -> str:
    counts = Counter(field.surface(field.file[row], size) for row in rows[:500])
    return counts.most_common(1)[0][0]


def _usual_text(field: Field, rows: Rows) -> str:
    return Counter(field.file[row].text for row in rows).most_common(1)[0][0]


def _best(edges: list[Edge], size: int = _WRAPPED) -> list[Edge]:
    enriched = [edge for edge in edges if edge.measure.low > 0]
    key = {id(e): (-e.measure.low - _bonus(e.size), e.tokens) for e in enriched}
    return sorted(enriched, key=lambda e: key[id(e)])[:size]


def _pairs(
    starts: list[Edge], ends: list[Edge], total: int, min_rows: int
) -> list[tuple[int, int, Rows]]:
    """Pairs of edges that mostly come together."""
    if not starts or not ends:
        return []
    shared = _mask(starts, total).astype(np.int32) @ _mask(ends, total).T.astype(np.int32)
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


def _mask(edges: list[Edge], total: int) -> NDArray[np.bool_]:
    mask = np.zeros((len(edges), total), dtype=np.bool_)
    for i, edge in enumerate(edges):
        mask[i, edge.rows] = True
    return mask
