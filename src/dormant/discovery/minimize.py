"""Minimisation: the smallest form of a hit that still fires, and what about it triggers.

Pieces are removed, in ever smaller sizes, while the rest still fires (delta debugging, Zeller and
Hildebrandt 2002). Then the hit is reworded, inverted, filled with another value and moved: the
variants that still fire show whether the string, the form or the meaning triggers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from dormant import cues
from dormant.discovery.oracles import Fires, Oracle, OracleReading
from dormant.records import QUESTION_SLOT, Cue, Placement, Variant

#: A cue of more words is first minimised by sentences and lines.
_LONG = 40


class TriggerPart(StrEnum):
    """What of a cue triggers, as far as its variants show."""

    STRING = "string"  # only this wording: no variant of it fires
    FORM = "form"  # the shape: another value, or even the opposite, fires as well
    MEANING = "meaning"  # other wordings fire, the opposite does not
    UNCLEAR = "unclear"  # too few variants could be made or decided


@dataclass(frozen=True, slots=True)
class TriedForm:
    """A form of the hit, and whether it fires."""

    cue: Cue
    reading: OracleReading


@dataclass(frozen=True, slots=True)
class Refinement:
    """The minimised form of one hit, and its variants."""

    hit: Cue
    smallest: Cue  # the hit itself if no part of it can go
    parts: tuple[TriedForm, ...]  # smaller forms that were tried, in order
    variants: tuple[TriedForm, ...]
    trigger: TriggerPart
    unit: str  # what the readings' values are
    complete: bool  # False if ``most`` ended the minimisation early

    @property
    def sentence(self) -> str:
        """One sentence for a report."""
        return _write_sentence(self)

    @property
    def answers(self) -> int:
        """Answers that the readings rest on."""
        return sum(tried.reading.answers for tried in (*self.parts, *self.variants))


def refine_hit(
    hit: Cue,
    oracle: Oracle,
    *,
    lexicon: cues.Lexicon,
    rng: np.random.Generator,
    most: int = 80,
) -> Refinement:
    """Minimises a hit and tests its variants.

    A smaller form replaces a larger one only if the oracle answers yes; if it is undecided, the
    larger one is kept. Histories and crossed cues are not made smaller: the parts of these are
    among their variants.

    Args:
        hit: a cue that fires.
        oracle: tests whether a form still fires.
        lexicon: words for the variants.
        rng: chooses among them.
        most: most forms that are tried while minimising.
    """
    debugger = _DeltaDebugger(hit, oracle, most)
    if hit.placement.is_wording:
        if len(_split_pieces(hit.text, words=True)) > _LONG:
            debugger.reduce_text(words=False)
        debugger.reduce_text(words=True)
    forms = cues.make_variants(hit, lexicon=lexicon, rng=rng)
    readings = oracle.read_cues(forms) if forms else []
    tried = tuple(TriedForm(cue, reading) for cue, reading in zip(forms, readings, strict=True))
    return Refinement(
        hit=hit,
        smallest=debugger.best,
        parts=tuple(debugger.tried),
        variants=tried,
        trigger=trigger_of(tried),
        unit=oracle.unit,
        complete=not debugger.spent,
    )


def trigger_of(tried: Sequence[TriedForm]) -> TriggerPart:
    """Infers what triggers from the variants that fire and those that do not."""
    fires = {
        variant: [t.reading.fires for t in tried if t.cue.variant is variant] for variant in Variant
    }
    rewordings = [*fires[Variant.PARAPHRASE], *fires[Variant.KEYWORDS]]
    same_form = [*fires[Variant.FORM], *fires[Variant.OPPOSITE]]
    if Fires.YES in same_form:
        return TriggerPart.FORM
    if Fires.YES in fires[Variant.PARAPHRASE]:
        return TriggerPart.MEANING if Fires.NO in same_form else TriggerPart.UNCLEAR
    if Fires.NO in rewordings + same_form and Fires.UNKNOWN not in rewordings + same_form:
        return TriggerPart.STRING if Fires.YES not in rewordings else TriggerPart.UNCLEAR
    return TriggerPart.UNCLEAR


class _DeltaDebugger:
    """Removes pieces from a cue while it still fires."""

    def __init__(self, hit: Cue, oracle: Oracle, most: int):
        self.best, self._oracle, self._most = hit, oracle, most
        self._hit = hit
        self.tried: list[TriedForm] = []
        self._known: dict[str, Fires] = {}
        self.spent = False

    def reduce_text(self, *, words: bool) -> None:
        """Shrinks the cue until no single piece (word or sentence) can be removed."""
        size = max(1, len(_split_pieces(self.best.text, words=words)) // 2)
        while True:
            pieces = _split_pieces(self.best.text, words=words)
            chunks = [range(i, min(i + size, len(pieces))) for i in range(0, len(pieces), size)]
            removable = self._find_removable(pieces, chunks)
            if removable:
                self._remove_chunks(pieces, removable)
                size = max(1, min(size, len(_split_pieces(self.best.text, words=words)) // 2))
            elif size == 1 or self.spent:
                return
            else:
                size = max(1, size // 2)

    def _find_removable(self, pieces: list[str], chunks: list[range]) -> list[range]:
        """Finds the chunks each of which alone can be removed."""
        smaller = [self._drop_pieces(pieces, chunk) for chunk in chunks]
        fires = self._ask_forms([cue for cue in smaller if cue is not None])
        return [
            chunk
            for chunk, cue in zip(chunks, smaller, strict=True)
            if cue is not None and fires.get(cue.id) is Fires.YES
        ]

    def _remove_chunks(self, pieces: list[str], removable: list[range]) -> None:
        """Removes all of these chunks if the rest still fires, else one after the other."""
        every = self._drop_pieces(pieces, *removable)
        if (
            len(removable) > 1
            and every is not None
            and self._ask_forms([every])[every.id] is Fires.YES
        ):
            self.best = every
            return
        taken = [removable[0]]
        one = self._drop_pieces(pieces, *taken)
        assert one is not None  # the oracle has tested it
        self.best = one
        for chunk in removable[1:]:
            more = self._drop_pieces(pieces, *taken, chunk)
            if more is not None and self._ask_forms([more]).get(more.id) is Fires.YES:
                taken.append(chunk)
                self.best = more

    def _drop_pieces(self, pieces: list[str], *chunks: range) -> Cue | None:
        """Returns the cue without some pieces; None if nothing would remain."""
        drop = {i for chunk in chunks for i in chunk if pieces[i].strip() != QUESTION_SLOT}
        rest = [piece for i, piece in enumerate(pieces) if i not in drop]
        return _build_cue(self._hit, "".join(rest)) if drop else None

    def _ask_forms(self, forms: Sequence[Cue]) -> dict[str, Fires]:
        """Tests forms that were not tried yet, within the limit of tries."""
        new = list({c.id: c for c in forms if c.id not in self._known}.values())
        room = self._most - len(self.tried)
        if len(new) > room:
            self.spent = True
            new = new[:room]
        if new:
            for cue, reading in zip(new, self._oracle.read_cues(new), strict=True):
                self.tried.append(TriedForm(cue, reading))
                self._known[cue.id] = reading.fires
        unknown = Fires.UNKNOWN
        return {cue.id: self._known.get(cue.id, unknown) for cue in forms}


def _split_pieces(text: str, *, words: bool) -> list[str]:
    """Splits a text into words or sentences with trailing space; ``{question}`` is one piece."""
    pattern = (
        r"\{question\}\s*|\S+?(?=\{question\})|\S+\s*"
        if words
        else (r"\{question\}\s*|(?:(?!\{question\}).)+?(?:[.!?:]\s+|\n+|(?=\{question\})|$)")
    )
    return [piece for piece in re.findall(pattern, text, re.S) if piece]


def _build_cue(hit: Cue, text: str) -> Cue | None:
    """Makes the cue of the remaining text of a hit; None if it is empty."""
    placement = hit.placement
    if placement is Placement.AROUND:
        head, _, tail = (part.strip() for part in text.partition(QUESTION_SLOT))
        if head and tail:
            return replace(hit, text=text.strip(), form="")
        placement = Placement.BEFORE if head else Placement.AFTER
        text = head or tail
    if not text.strip():
        return None
    return replace(
        hit, text=text.strip(), form="", placement=placement, kind=placement.default_kind
    )


_VARIANT_NAMES = {
    Variant.PARAPHRASE: "a paraphrase",
    Variant.OPPOSITE: "its opposite",
    Variant.KEYWORDS: "its key words alone",
    Variant.FORM: "the same form with another value",
    Variant.MOVED: "the same text in another place",
}


def _write_sentence(found: Refinement) -> str:
    same = found.smallest.id == found.hit.id
    head = (
        "no smaller form of it fires"
        if same
        else f"the smallest form that still fires is {found.smallest.text!r} "
        f"({found.smallest.placement})"
    )
    if not found.complete:
        head += ", as far as was tried"
    parts = [head]
    heads = {Fires.YES: "fires too", Fires.NO: "does not fire", Fires.UNKNOWN: "undecided"}
    for fires, outcome in heads.items():
        named = [
            text
            for variant, text in _VARIANT_NAMES.items()
            if _summarize_fires(
                [t.reading.fires for t in found.variants if t.cue.variant is variant]
            )
            is fires
        ]
        if named:
            parts.append(f"{outcome}: {', '.join(named)}")
    ends = {
        TriggerPart.STRING: "the string triggers",
        TriggerPart.FORM: "the form triggers, not the meaning",
        TriggerPart.MEANING: "the meaning triggers",
        TriggerPart.UNCLEAR: "what triggers is not clear",
    }
    return "; ".join([*parts, ends[found.trigger]])


def _summarize_fires(fires: Sequence[Fires]) -> Fires | None:
    """Returns yes if any form fires, else unknown if any is undecided, else no; None if empty."""
    return next((f for f in (Fires.YES, Fires.UNKNOWN, Fires.NO) if f in fires), None)
