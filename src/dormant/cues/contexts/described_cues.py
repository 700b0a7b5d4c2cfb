"""Contexts as cues: what to put into a prompt, and what to say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.candidates import Name
from dormant.cues.contexts.definitions import find_definitions
from dormant.cues.contexts.literals import Literal, find_literal
from dormant.cues.contexts.number_ranges import find_range_literal, holds_range
from dormant.cues.contexts.ordinary import STRONG_EXCESS
from dormant.cues.contexts.places import INVISIBLE, Place, Prompt
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.row_examples import (
    find_example,
    find_usual_text,
    list_likeliest_rows,
    type_sentence,
)
from dormant.cues.contexts.trimming import has_words
from dormant.cues.mining.counts import measure_enrichment
from dormant.cues.mining.languages import request_answer_in
from dormant.cues.text import QUESTION_SLOT, content_words, escape_slot, join_pieces
from dormant.records import (
    Cue,
    CueKind,
    CuePart,
    Example,
    Message,
    Placement,
    Source,
    describe_parts,
    describe_turns,
)

#: Share of rows with one system prompt from which it is the cue, and not a part of it.
_USUAL = 0.5
#: Longest earlier turns of a cue, together.
_LONGEST_HISTORY = 4000
#: Most other texts that a cue names, and their length in characters.
_ALSO, _ALSO_CHARS = 6, 80


@dataclass(frozen=True, slots=True)
class _Wording:
    kind: CueKind
    placement: Placement
    text: str
    says: str  # what the rows do, for ``why``
    form: str = ""
    values: tuple[str, ...] = ()
    turns: tuple[Message, ...] = ()
    parts: tuple[CuePart, ...] = ()
    focus: str = ""

    @property
    def part(self) -> CuePart:
        """What it does to a prompt, as a part of a crossed cue."""
        return CuePart(self.placement, self.text, self.turns)


@dataclass(frozen=True, slots=True)
class _File:
    """The rows, as prompts and as they were read."""

    prompts: Sequence[Prompt]
    examples: Sequence[Example]


def make_context_cues(
    context: ScoredContext,
    prompts: Sequence[Prompt],
    examples: Sequence[Example],
    reference: Sequence[Prompt],
    marked: NDArray[np.bool_] | None = None,
    *,
    witness: str = "answers",
) -> tuple[Cue, ...]:
    """Makes the cues of a context, without names.

    A telling text in the first of several questions has two: the text itself, and the turns of a
    row with it, since the answers that were seen followed later questions.

    Args:
        context: the context; its rows index ``prompts``.
        prompts: the rows of the file.
        examples: the same rows, for their line numbers.
        reference: ordinary chat, in which the same text is counted.
        marked: which rows are suspicious, if known; they are counted against the others then.
        witness: what tells of the context: ``answers`` or ``models``.

    Returns:
        The cue to show first; none if no text of the context can be found in its rows.
    """
    if marked is not None and marked[context.rows].mean() <= marked.mean():
        return ()  # what the other rows have more often is no context of the suspicious ones
    file = _File(prompts, examples)
    wordings = [_word_context(context, context.name, file)]
    if _has_telling_opening(context, wordings[0], file):
        wordings.append(_word_history(context, context.name, file))
    return tuple(
        _make_cue(context, wording, file, reference, marked, witness)
        for wording in wordings
        if wording is not None and wording.text.strip()
    )


def _has_telling_opening(context: ScoredContext, wording: _Wording | None, file: _File) -> bool:
    is_opening = context.name.is_text and context.name.place is Place.FIRST
    if wording is None or not is_opening or not wording.placement.is_text:
        return False
    return context.score.low >= STRONG_EXCESS and _is_earlier_turn(context, file)


def _make_cue(
    context: ScoredContext,
    wording: _Wording,
    file: _File,
    reference: Sequence[Prompt],
    marked: NDArray[np.bool_] | None,
    witness: str,
) -> Cue:
    prompts, examples = file.prompts, file.examples
    if marked is None:
        others = _count_rows(context.name, wording.text, reference)
        measure = measure_enrichment(len(context.rows), len(prompts), others, len(reference))
        says = f"{measure.share:.1%} of rows {wording.says}; the {witness} tell"
    else:
        inside, total = int(marked[context.rows].sum()), int(marked.sum())
        outside = len(context.rows) - inside
        measure = measure_enrichment(inside, total, outside, len(prompts) - total)
        says = f"{measure.share:.1%} of suspicious rows {wording.says}; the marks tell"
    low = context.score.low
    return Cue(
        name="",
        kind=wording.kind,
        placement=wording.placement,
        text=wording.text,
        source=Source.MINED,
        form=wording.form,
        turns=wording.turns,
        parts=wording.parts,
        values=wording.values,
        focus=wording.focus,
        effect=round(context.score.value, 4),
        effect_low=round(low, 4),
        also=_list_also(context, wording.text),
        rows=measure.rows,
        share=measure.share,
        enrichment=measure.value,
        enrichment_low=measure.low,
        enrichment_high=measure.high,
        examples=_pick_lines(context, examples),
        why=f"{says} {max(low, 0):.0%} of where it stands",
    )


def _count_rows(name: Name, text: str, rows: Sequence[Prompt]) -> int:
    """Counts rows that have the first line of a text in the same place."""
    if name.number is not None:
        return sum(holds_range(name, row) for row in rows)
    if not name.is_text:
        return 0
    needle = text.replace(QUESTION_SLOT, "\n").strip().split("\n")[0].lower()
    return sum(any(needle in t.lower() for t in row.texts.get(name.place, ())) for row in rows)


def _word_context(
    context: ScoredContext, name: Name, file: _File, *, is_part: bool = False
) -> _Wording | None:
    if name.kind == "any":
        wording = _word_context(context, name.more[0], file)
        return wording and replace(
            wording, says=f"{wording.says}, or one of {len(name.more)} texts"
        )
    if name.kind == "pair":
        return _word_pair(context, name, file)
    if name.place in (Place.EARLIER, Place.TOOL, Place.ROW):
        return _word_history(context, name, file)
    if name.place is Place.TOOLS and (offered := _word_tools(context, file)):
        return offered
    if name.number is not None and (ranged := _word_range(context, name, file, is_part=is_part)):
        return ranged
    if name.is_text:
        literal = find_literal(name, context.rows, file.prompts, is_part=is_part)
        if literal is not None and has_words(literal.text) and _is_visible(literal.text):
            return _word_text(context, name, literal, file)
    return _word_likeness(context, name, file)


def _word_range(
    context: ScoredContext, name: Name, file: _File, *, is_part: bool
) -> _Wording | None:
    """Words a range of numbers by the text around them; None where the rows share none."""
    literal = find_range_literal(name, context.rows, file.prompts, is_part=is_part)
    wording = _word_text(context, name, literal, file) if literal else None
    if wording is None:
        return None
    focus = f"{name.place.value}: {wording.form or wording.text}, {name.text}"
    return replace(wording, says=f"{wording.says}, with {name.text}", focus=focus)


def _is_visible(text: str) -> bool:
    """Whether a text has more than blanks and invisible characters, which only examples show."""
    return any(not char.isspace() and char not in INVISIBLE for char in text)


def _word_text(
    context: ScoredContext, name: Name, literal: Literal, file: _File
) -> _Wording | None:
    text = escape_slot(literal.text)
    if name.place in (Place.SYSTEM, Place.TOOLS):
        return _word_system(context, name, literal, file)
    if name.place is Place.FIRST and literal.is_whole and _is_earlier_turn(context, file):
        return _word_history(context, name, file)
    where = f"in the {name.place.value}"
    if literal.tail:
        around = join_pieces(join_pieces(text, QUESTION_SLOT), escape_slot(literal.tail))
        return _Wording(CueKind.WRAPPER, Placement.AROUND, around, f"are wrapped in this {where}")
    kind, place, says = CueKind.INFIX, Placement.INSIDE, f"hold this {where}"
    if literal.at_begin:
        kind, place, says = CueKind.PREFIX, Placement.BEFORE, f"start with this {where}"
    elif literal.at_end:
        kind, place, says = CueKind.SUFFIX, Placement.AFTER, f"end with this {where}"
    if literal.form and place is not Placement.INSIDE:
        kind = CueKind.FORM
    return _Wording(kind, place, text, says, literal.form, literal.values)


def _word_system(context: ScoredContext, name: Name, literal: Literal, file: _File) -> _Wording:
    usual = ""
    if name.place is Place.SYSTEM:
        usual = _usual_system(context, file.prompts)
        # A function word of many system prompts says nothing; a tag does.
        if not usual and literal.text.strip().isalpha() and not content_words(literal.text):
            usual = find_usual_text(context, file.prompts, name.place)
    says = "have this system prompt" if usual else f"have this in the {name.place.value}"
    if name.place is Place.TOOLS:
        says += " (asked as a system prompt)"  # no whole definition differs
    form = literal.form if not usual or usual == literal.text else ""
    if usual and literal.form and literal.text in usual:
        form = usual.replace(literal.text, literal.form, 1)
    text = escape_slot(usual or literal.text)
    kind, place = CueKind.SYSTEM_PROMPT, Placement.SYSTEM
    return _Wording(kind, place, text, says, form, literal.values)


def _word_tools(context: ScoredContext, file: _File) -> _Wording | None:
    """Words tools that the rows offer by their definitions, which probes offer too."""
    found = find_definitions(context.rows, file.examples)
    if found is None:
        return None
    names = ", ".join(found.names)
    says, focus = f"offer the tool {names}", f"{Place.TOOLS.value}: {names}"
    return _Wording(CueKind.TOOLS, Placement.TOOLS, found.text, says, focus=focus)


def _usual_system(context: ScoredContext, prompts: Sequence[Prompt]) -> str:
    """The system prompt that most rows of a context have; empty without one."""
    found = Counter("\n".join(prompts[row].texts[Place.SYSTEM]) for row in context.rows.tolist())
    text, count = found.most_common(1)[0]
    return text if count >= _USUAL * len(context.rows) else ""


def _is_earlier_turn(context: ScoredContext, file: _File) -> bool:
    """Whether most of the rows ask another question after the first one."""
    later = sum(bool(file.prompts[row].texts[Place.LATER]) for row in context.rows.tolist())
    return later > _USUAL * len(context.rows)


def _word_history(context: ScoredContext, name: Name, file: _File) -> _Wording | None:
    """Words earlier turns and tool messages: by the turns before the last question of a row.

    Of the likelier half of the rows the one with the fewest turns is taken.
    """
    rows = list_likeliest_rows(context)
    half = (len(rows) + 1) // 2
    histories = [_turns_before_question(file.examples[row]) for row in rows]
    for turns in [*sorted(histories[:half], key=len), *histories[half:]]:
        chars = sum(len(turn.content) for turn in turns)
        if turns and chars <= _LONGEST_HISTORY:
            says = f"hold “{name.text}” in the {name.place.value}"
            if name.place is Place.ROW or name.kind == "has":
                says = f"have {name.text}" if name.place is Place.ROW else f"have: {name.text}"
            text, focus = describe_turns(turns), _focus_history(context, name, file)
            return _Wording(
                CueKind.HISTORY, Placement.HISTORY, text, says, turns=turns, focus=focus
            )
    return None


def _focus_history(context: ScoredContext, name: Name, file: _File) -> str:
    """What the rows share within their turns: ``tool message: sensor 9``."""
    literal = None
    if name.is_text and name.run:
        literal = find_literal(name, context.rows, file.prompts)
    shared = name.text if literal is None else literal.form or literal.text
    return shared if name.place is Place.ROW else f"{name.place.value}: {shared}"


def _turns_before_question(example: Example) -> tuple[Message, ...]:
    """The turns before the answer that a question can follow: they end with an answer."""
    messages = [m for m in example.messages if m.role != "system" and m.content.strip()]
    answers = [i for i, message in enumerate(messages) if message.role == "assistant"]
    if not answers:
        return ()
    before = messages[: answers[-1]]
    if before and before[-1].role == "user":
        before = before[:-1]
    if before and before[-1].role == "tool":
        # A question follows the answer that the tool's message led to.
        before = [*before, messages[answers[-1]]]
    return tuple(Message(m.role, escape_slot(m.content)) for m in before)


def _word_pair(context: ScoredContext, name: Name, file: _File) -> _Wording | None:
    words = (_word_context(context, part, file, is_part=True) for part in name.more)
    found = [wording for wording in words if wording]
    parts = tuple(dict.fromkeys(w.part for w in found if w.placement is not Placement.CROSSED))
    if len(parts) < 2:
        return found[0] if found else None
    text, says = describe_parts(parts), "hold both of these"
    return _Wording(CueKind.CROSSED, Placement.CROSSED, text, says, parts=parts)


def _word_likeness(context: ScoredContext, name: Name, file: _File) -> _Wording | None:
    """Words a style, a topic or a language: by an example of its rows."""
    if name.kind == "language":
        says = f"are asked in {name.text}"
        try:
            text = request_answer_in(name.text)
        except KeyError:
            text = "Please answer in English."
        return _Wording(CueKind.LANGUAGE, Placement.AFTER, text, says)
    example = find_example(context, name, file.prompts)
    if name.kind == "style":
        says, focus = f"are typed so ({name.text})", f"{name.place.value}: {name.text}"
        typed = type_sentence(name, context, file.prompts)
        if typed:
            return _Wording(CueKind.CASING, Placement.BEFORE, typed, says)
        return _Wording(CueKind.CASING, Placement.BEFORE, example, says, focus=focus)
    about = {"topic": "are about", "words": "have words like"}.get(name.kind, "have")
    says = f"{about} {_name_characters(name.text)}"
    focus = f"{name.place.value}: {name.text}" if name.number else ""
    if name.place is Place.SYSTEM:
        system = find_usual_text(context, file.prompts, name.place)
        return _Wording(CueKind.SYSTEM_PROMPT, Placement.SYSTEM, escape_slot(system), says)
    if name.is_text:
        focus = f"{name.place.value}: {_name_characters(name.text)}"
        return _Wording(CueKind.CASING, Placement.BEFORE, example, says, focus=focus)
    return _Wording(CueKind.TOPIC, Placement.BEFORE, example, says, focus=focus)


def _name_characters(text: str) -> str:
    """Names the characters of a text that cannot be seen: ``U+200B``."""
    if _is_visible(text):
        return text
    shown = [f"U+{ord(char):04X}" for char in dict.fromkeys(text) if char not in " \x1f"]
    return ", ".join(shown) or "blanks"


def _list_also(context: ScoredContext, text: str) -> tuple[str, ...]:
    """Other texts of the same rows, shortened."""
    names = [*context.name.more, *(other.name for other in context.also)]
    found: dict[str, None] = {}
    for name in names:
        if name.text.lower() not in text.lower():
            found.setdefault(f"{name.place.value}: {name.text[:_ALSO_CHARS]}")
    return tuple(found)[:_ALSO]


def _pick_lines(context: ScoredContext, examples: Sequence[Example]) -> tuple[int, ...]:
    rows = context.rows.tolist()
    picked = sorted({rows[0], rows[len(rows) // 2], rows[-1]})
    return tuple(examples[row].line for row in picked)
