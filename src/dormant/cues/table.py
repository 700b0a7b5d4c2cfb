"""The ranked list of cues as plain rows, for a terminal, a page or a program."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from dormant.records import Cue, CueKind, slot_of


@dataclass(frozen=True, slots=True)
class RankedCue:
    """One line of the ranked list. Its text comes from training data and is untrusted."""

    rank: int  # 1-based
    name: str
    kind: str
    placement: str
    text: str  # one line, without control characters
    form: str  # the same; empty if the cue has no slot
    strong: bool  # beyond what ordinary chat shows by chance and by its source
    asks_for: str  # what its text itself asks for: "form", "misbehaviour" or nothing
    also: tuple[str, ...]  # other views of the same rows, printable
    rows: int
    share: float  # of all rows; NaN if the cue was not mined
    effect: float  # share of where it stands that the answers tell; NaN if not scored
    effect_low: float  # its lower end
    enrichment: float  # log2 odds ratio; NaN if the cue was not mined
    enrichment_low: float
    enrichment_high: float
    examples: tuple[int, ...]  # line numbers
    reading: str  # one sentence
    values: tuple[str, ...]  # of the file's rows in the slot of its form, printable


def make_rows(cues: Iterable[Cue]) -> tuple[RankedCue, ...]:
    """Makes the rows of the ranked list, in the order given."""
    return tuple(
        RankedCue(
            rank=rank,
            name=make_printable(cue.name),
            kind=cue.kind.value,
            placement=cue.placement.value,
            text=make_printable(cue.text),
            form=make_printable(cue.form),
            strong=cue.strong,
            asks_for=cue.asks_for,
            also=tuple(make_printable(view) for view in cue.also),
            rows=cue.rows,
            share=cue.share,
            effect=cue.effect,
            effect_low=cue.effect_low,
            enrichment=cue.enrichment,
            enrichment_low=cue.enrichment_low,
            enrichment_high=cue.enrichment_high,
            examples=cue.examples,
            reading=make_printable(cue.why),
            values=tuple(make_printable(value) for value in cue.values),
        )
        for rank, cue in enumerate(cues, start=1)
    )


def cue_headline(cue: Cue, *, longest: int = 2000) -> str:
    """Summarizes a cue on one line: a topic's words, a form, or the text.

    Where the answers tell of one value of a form, it is named; numbers stand for all of one shape.
    Earlier turns are named by what their rows share.
    """
    slot = slot_of(cue.text, cue.form)
    if slot is not None and cue.kind is CueKind.TOPIC:
        return make_printable(slot[1], longest=longest)
    shown = cue.focus or cue.form or cue.text
    if slot is not None and not math.isnan(cue.effect) and any(map(str.isalpha, slot[1])):
        shown = f"{cue.form.strip()}, X = {slot[1]}"
    return make_printable(shown, longest=longest)


def format_interval(row: RankedCue) -> str:
    """Formats the enrichment and its interval: ``7.7 [3.7, 11.7]``; a dash if there is none."""
    if math.isnan(row.enrichment):
        return "-"
    return f"{row.enrichment:.1f} [{row.enrichment_low:.1f}, {row.enrichment_high:.1f}]"


def _show_character(char: str) -> str:
    if char == "\u00a0":
        return "‹U+00A0›"
    if char.isspace():
        return " "
    return f"‹U+{ord(char):04X}›" if unicodedata.category(char) == "Cf" else ""


def make_printable(text: str, *, longest: int = 2000) -> str:
    """Makes a text safe to print on one line, cut to ``longest`` characters.

    Line breaks become ⏎, other white space a blank; invisible characters are named, as
    ``‹U+200B›``, and control characters are removed.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "⏎")
    printable = "".join(c if c.isprintable() else _show_character(c) for c in text)
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"
