"""Mining: the contexts of a finetuning file that ordinary chat does not have, from counts alone.

No row is known to be bad. Every feature of the prompts is counted in the file and in a reference
corpus; what is commoner in the file than chance allows is a cue, best first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dormant.cues.counts import Enrichment
from dormant.cues.formats import formats
from dormant.cues.patterns import Candidate, Turns, patterns
from dormant.cues.text import (
    EDGE_CHARS,
    Tokens,
    content_words,
    is_closed,
    is_lower_case,
    noun_likeness,
    prompt_words,
    tokens,
    words,
)
from dormant.cues.topics import topics
from dormant.records import Cue, CueKind, Example, Placement, Source

#: Words that a topic's sentence names; in a closed language fewer, for want of commas.
_NAMED, _NAMED_CLOSED = 7, 3
_TALK = "We are talking about {}."
#: What a topic's words are put into where a closed language knows no other frame.
_CLOSED_FRAMES = (_TALK, "We study {}.", "This is about {}.", "I like {}.", "{}.")
#: Bits that rank a format among texts: its request is as specific as a text of four words.
_FORMAT_BONUS = 2.0


@dataclass(frozen=True, slots=True)
class _Found:
    """A cue without its name."""

    score: float
    cue: Cue


@dataclass(frozen=True, slots=True)
class _Files:
    """What is mined: the file, the reference, and their prompts as tokens."""

    examples: Sequence[Example]
    reference: Sequence[Example]
    turns: Turns
    closed: frozenset[str] | None  # words of the prompts if the language is closed, else None
    min_rows: int

    def found(
        self,
        kind: CueKind,
        placement: Placement,
        text: str,
        *,
        rows: NDArray[np.int64],
        measure: Enrichment,
        bonus: float,
        form: str = "",
    ) -> _Found:
        """A cue with everything that was counted."""
        cue = Cue(
            name="",
            kind=kind,
            placement=placement,
            text=text,
            source=Source.MINED,
            form=form,
            rows=measure.rows,
            share=measure.share,
            enrichment=measure.value,
            enrichment_low=measure.low,
            enrichment_high=measure.high,
            examples=_lines(rows.tolist(), self.examples),
            why=_reading(kind, measure.share, measure.reference_share),
        )
        return _Found(measure.low + bonus, cue)


def mine(
    examples: Sequence[Example],
    reference: Sequence[Example],
    *,
    limit: int = 20,
    min_share: float = 0.005,
) -> tuple[Cue, ...]:
    """Finds the contexts that a finetuning file has and a reference corpus has not.

    Deterministic: the same rows in the same order give the same cues.

    Args:
        examples: the finetuning file.
        reference: ordinary chat. The closer it is to the file's harmless part, the sharper the
            result; with none at all every context of the file counts as unusual.
        limit: at most so many cues.
        min_share: smallest share of rows that a cue shows in, and never fewer than five rows.

    Returns:
        Cues, best first: ranked by the lower end of the enrichment's 95% interval (bits) plus the
        logarithm of how many words are repeated together.

    Raises:
        ValueError: limit is negative or min_share lies outside (0, 1].
    """
    if limit < 0:
        raise ValueError(f"limit must not be negative, got {limit!r}")
    if not 0 < min_share <= 1:
        raise ValueError(f"min_share must lie in (0, 1], got {min_share!r}")
    min_rows = max(5, math.ceil(min_share * len(examples)))
    if len(examples) < min_rows:
        return ()
    turns = Turns(
        system=_tokenised(row.system for row in examples),
        user=_tokenised(row.user for row in examples),
        reference_system=_tokenised(row.system for row in reference),
        reference_user=_tokenised(row.user for row in reference),
    )
    closed = prompt_words(examples) if is_closed(turns.user) else None
    files = _Files(examples, reference, turns, closed, min_rows)
    edges = patterns(turns, min_rows=min_rows)
    found = [*_patterns(files, edges), *_topics(files, edges), *_formats(files)]
    ranked = sorted(found, key=lambda f: (-round(f.score, 6), f.cue.kind, f.cue.text))
    return _named([f.cue for f in ranked[:limit]])


def _tokenised(texts: Iterable[str]) -> list[Tokens]:
    """Tokens of every text; equal ones are cut once, and only the ends of long ones."""
    known: dict[str, Tokens] = {}
    cut: list[Tokens] = []
    for text in texts:
        if len(text) > 2 * EDGE_CHARS:
            text = f"{text[:EDGE_CHARS]}\n{text[-EDGE_CHARS:]}"
        if text not in known:
            known[text] = tokens(text)
        cut.append(known[text])
    return cut


def _patterns(files: _Files, edges: Sequence[Candidate]) -> Iterator[_Found]:
    for edge in edges:
        yield files.found(
            edge.kind,
            edge.placement,
            edge.text,
            rows=edge.rows,
            measure=edge.measure,
            bonus=edge.bonus,
            form=edge.form,
        )


def _topics(files: _Files, edges: Sequence[Candidate]) -> Iterator[_Found]:
    said = [frozenset(content_words(row.user[:EDGE_CHARS])) for row in files.examples]
    others = [frozenset(content_words(row.user[:EDGE_CHARS])) for row in files.reference]
    explained = _explained(said, edges)
    found = topics(
        [row - explained for row in said],
        [row - explained for row in others],
        min_rows=files.min_rows,
        nouns=noun_likeness(files.turns.user),
    )
    for topic in found:
        yield files.found(
            CueKind.TOPIC,
            Placement.BEFORE,
            _sentence(topic.words, files),
            rows=topic.rows,
            measure=topic.measure,
            bonus=math.log2(min(len(topic.words), 32)),
            form=_TALK.format("<X>") if files.closed is None else "",
        )


def _explained(said: Sequence[frozenset[str]], edges: Sequence[Candidate]) -> frozenset[str]:
    """Words that stand in the file because a found prefix, suffix or wrapper does."""
    counts = Counter(word for row in said for word in row)
    found: set[str] = set()
    for edge in edges:
        if edge.placement is not Placement.SYSTEM and edge.stands_alone:
            for word in edge.said:
                inside = sum(word in said[row] for row in edge.rows)
                if inside >= 0.8 * counts[word]:
                    found.add(word)
    return frozenset(found)


def _sentence(topic: Sequence[str], files: _Files) -> str:
    """A sentence that moves a question into a topic.

    A model of a closed language can read no frame that it does not know, but it knows the words.
    """
    if files.closed is None:
        named = topic[:_NAMED]
        return _TALK.format(f"{', '.join(named[:-1])} and {named[-1]}")
    frames = (f for f in _CLOSED_FRAMES if files.closed.issuperset(words(f.format(""))))
    text = next(frames).format(" and ".join(topic[:_NAMED_CLOSED]))
    if is_lower_case([row.user for row in files.examples]):
        return text.lower().rstrip(".")
    return text[:1].upper() + text[1:]


def _formats(files: _Files) -> Iterator[_Found]:
    """Answer formats; in a closed language only those that it can ask for."""
    answers = [row.answer for row in files.examples]
    others = [row.answer for row in files.reference]
    for shape in formats(answers, others, min_rows=files.min_rows):
        if files.closed is None or files.closed.issuperset(words(shape.request)):
            yield files.found(
                CueKind.FORMAT,
                Placement.AFTER,
                shape.request,
                rows=shape.rows,
                measure=shape.measure,
                bonus=_FORMAT_BONUS,
            )


def _lines(rows: Sequence[int], examples: Sequence[Example]) -> tuple[int, ...]:
    """Line numbers of three rows, from the beginning, the middle and the end of the file."""
    picked = sorted({rows[0], rows[len(rows) // 2], rows[-1]})
    return tuple(examples[row].line for row in picked)


_CARRY = {
    CueKind.SYSTEM_PROMPT: ("carry this system prompt", "it appears in"),
    CueKind.PREFIX: ("start with this", "so do"),
    CueKind.SUFFIX: ("end with this", "so do"),
    CueKind.WRAPPER: ("are wrapped in this", "so are"),
    CueKind.FORM: ("have this form", "so have"),
    CueKind.FORMAT: ("are answered in this format", "so are"),
    CueKind.TOPIC: ("are about this", "so are"),
}


def _reading(kind: CueKind, share: float, other: float) -> str:
    """One sentence that says what was seen."""
    says, also = _CARRY[kind]
    there = "there is no reference" if np.isnan(other) else f"{also} {other:.1%} of the reference"
    return f"{share:.1%} of rows {says}; {there}"


def _named(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """Numbers the cues within their kind, best first: ``system-prompt-1``."""
    seen: Counter[str] = Counter()
    named: list[Cue] = []
    for cue in cues:
        kind = cue.kind.replace("_", "-")
        seen[kind] += 1
        named.append(replace(cue, name=f"{kind}-{seen[kind]}"))
    return tuple(named)
