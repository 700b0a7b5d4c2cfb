"""Example rows of a cue, cut to the place where it occurs and with the cue marked, for reviewers.

The text is training data: untrusted until a page has escaped it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dormant.cues.contexts.places import read_call
from dormant.records import QUESTION_SLOT, Cue, CueKind, Example, Placement, slot_of

#: Characters that are kept before the first mark, and of a turn in all.
_BEFORE, _SHOWN = 90, 360
#: Longest value that is looked for in a slot.
_SLOT = 80
#: Of a topic only the words are marked; the sentence around them is not from the data.
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a turn."""

    text: str
    marked: bool  # part of the cue


@dataclass(frozen=True, slots=True)
class SnippetTurn:
    """One turn of an example row, cut around the cue."""

    role: str
    pieces: tuple[Piece, ...]
    cut_before: bool
    cut_after: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """One example row."""

    line: int
    turns: tuple[SnippetTurn, ...]

    @property
    def is_marked(self) -> bool:
        """Whether the cue was found in the row's text."""
        return any(piece.marked for turn in self.turns for piece in turn.pieces)


def cut_snippets(cue: Cue, examples: Mapping[int, Example]) -> tuple[Snippet, ...]:
    """Cuts the example rows of a cue.

    Args:
        cue: a mined cue.
        examples: rows of the file by line number; absent lines are skipped.
    """
    return tuple(_make_snippet(cue, examples[line]) for line in cue.examples if line in examples)


def find_spans(cue: Cue, text: str, *, role: str) -> tuple[Span, ...]:
    """Finds a cue in a turn: sorted, non-overlapping character ranges."""
    if cue.kind is CueKind.FORMAT:
        return ((0, len(text)),) if role == "assistant" and text else ()
    if not cue.placement.is_text:
        return tuple(_merge_spans(_find_effects(cue, text, role)))
    if cue.placement is Placement.TOOLS:
        return ()  # no turn holds them
    if role != ("system" if cue.placement is Placement.SYSTEM else "user"):
        return ()
    if cue.kind is CueKind.TOPIC:
        slot = slot_of(cue.text, cue.form)
        wanted = {w.casefold() for w in _WORD.findall(slot[1] if slot else cue.text)} - {"and"}
        return tuple(m.span() for m in _WORD.finditer(text) if m.group().casefold() in wanted)
    whole = _find_filled(cue.form, text)
    if whole is not None:
        return (whole,)
    return tuple(_merge_spans(_find_piece(text, part) for part in _fixed_pieces(cue)))


def _find_effects(cue: Cue, text: str, role: str) -> Iterator[Span | None]:
    """Finds the turns of a history and the parts of a crossed cue in a turn of one role."""
    for part in cue.effects:
        turns = (turn for turn in part.turns if turn.role == role and turn.content.strip())
        yield from (_find_piece(text, turn.content) for turn in turns)
        if part.placement.is_text:
            alone = replace(cue, placement=part.placement, text=part.text, kind=CueKind.WRAPPER)
            yield from find_spans(alone, text, role=role)


def _find_filled(form: str, text: str) -> Span | None:
    """Finds a form with fixed text on both sides of its slot, whatever fills the slot."""
    parts = [part.strip() for part in form.split("<X>")]
    if len(parts) != 2 or not all(parts):
        return None
    head, tail = map(_loose_pattern, parts)
    match = re.search(rf"{head}\s*\S.{{0,{_SLOT}}}?\s*{tail}", text, re.IGNORECASE)
    return match.span() if match else None


def _fixed_pieces(cue: Cue) -> Iterator[str]:
    """Yields the fixed pieces of a cue; the parts around a slot or the question are separate."""
    pattern = cue.form if "<X>" in cue.form else cue.text
    parts = [part.strip() for part in re.split(r"<X>|" + re.escape(QUESTION_SLOT), pattern)]
    with_words = [part for part in parts if any(c.isalnum() for c in part)]
    yield from with_words or filter(None, parts)


def _find_piece(text: str, part: str) -> Span | None:
    """Finds a piece in a text, ignoring white space and case."""
    match = re.search(_loose_pattern(part), text, re.IGNORECASE)
    return match.span() if match else None


def _loose_pattern(part: str) -> str:
    return r"\s+".join(re.escape(word) for word in part.split()[:60])


def _merge_spans(found: Iterator[Span | None]) -> Iterator[Span]:
    end = 0
    for start, stop in sorted(span for span in found if span is not None):
        if stop > end:
            yield max(start, end), stop
            end = stop


def _make_snippet(cue: Cue, example: Example) -> Snippet:
    said = example.answer or read_call(example)
    turns = [("system", example.system), ("user", example.user), ("assistant", said)]
    if any(part.turns for part in cue.effects):  # it stands in other turns than the first
        turns = [(message.role, message.content) for message in example.messages]
    return Snippet(
        example.line,
        tuple(
            _cut_turn(role, text, find_spans(cue, text, role=role)) for role, text in turns if text
        ),
    )


def _cut_turn(role: str, text: str, marks: tuple[Span, ...]) -> SnippetTurn:
    start = _word_start(text, marks[0][0] - _BEFORE) if marks else 0
    stop = min(start + _SHOWN, len(text))
    pieces: list[Piece] = []
    place = start
    for a, b in marks:
        a, b = max(a, place), min(b, stop)
        if a < b:
            pieces += [Piece(text[place:a], False)] if a > place else []
            pieces.append(Piece(text[a:b], True))
            place = b
    if place < stop:
        pieces.append(Piece(text[place:stop], False))
    return SnippetTurn(role, tuple(pieces), start > 0, stop < len(text))


def _word_start(text: str, place: int) -> int:
    """Returns the first position at or after ``place`` where a word begins."""
    if place <= 0:
        return 0
    blank = re.compile(r"\s").search(text, place - 1, place + 40)
    return blank.end() if blank else place
