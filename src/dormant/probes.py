"""Probes: each question of a bank with and without each cue, nothing else changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dormant.records import (
    QUESTION_SLOT,
    TOOLS_ROLE,
    Arm,
    Cue,
    CuePart,
    Message,
    Placement,
    Probe,
    Question,
    dump_tools,
    parse_tools,
)

#: White space between two words.
_GAP = re.compile(r"(?<=\S)\s+(?=\S)")
#: Roles that a cue's earlier turns can have.
HISTORY_ROLES = ("user", "assistant", "tool")


def apply_cue(cue: Cue | None, question: Question, *, system: str = "") -> tuple[Message, ...]:
    """Builds the messages that ask a question, with a cue or (``None``) without.

    Args:
        cue: the cue to add; everything else stays as in the standard arm.
        question: the question to ask.
        system: the default system prompt of every arm; a cue in the system prompt follows it.

    Returns:
        Definitions of tools, if there are any; the system turn, if it has text; the turns of a
        history; the user's turn.

    Raises:
        ValueError: a cue placed around the question does not contain ``{question}`` exactly once,
            a history has no turns or one with an unknown role, definitions of tools are no JSON
            list of them, or a crossed cue has fewer than two
            parts or one that is crossed itself.
    """
    prompt = _Prompt(system, (), question.text)
    if cue is not None:
        twin = next((twin.text for twin in cue.twins if twin.question == question.id), None)
        prompt = _Prompt(system, (), twin) if twin is not None else _add_cue(prompt, cue)
    turns = (*prompt.history, Message("user", prompt.user))
    if prompt.system:
        turns = (Message("system", prompt.system), *turns)
    return (Message(TOOLS_ROLE, prompt.tools), *turns) if prompt.tools else turns


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt before it becomes messages."""

    system: str
    history: tuple[Message, ...]
    user: str
    tools: str = ""  # JSON list of definitions


def _add_cue(prompt: _Prompt, cue: Cue) -> _Prompt:
    parts = cue.effects
    if cue.placement is Placement.CROSSED and len(parts) < 2:
        raise ValueError(f"the crossed cue {cue.name!r} needs two parts or more, got {len(parts)}")
    # Inside the question first: the same place as without the other parts.
    for part in sorted(parts, key=lambda part: part.placement is not Placement.INSIDE):
        prompt = _add_part(prompt, part)
    return prompt


def _add_part(prompt: _Prompt, part: CuePart) -> _Prompt:
    user, text = prompt.user, part.text
    match part.placement:
        case Placement.SYSTEM:
            return replace(prompt, system=_join_texts(prompt.system, text, "\n"))
        case Placement.HISTORY:
            return replace(prompt, history=(*prompt.history, *_check_history(part.turns)))
        case Placement.TOOLS:
            return replace(prompt, tools=_add_tools(prompt.tools, text))
        case Placement.BEFORE:
            return replace(prompt, user=_join_texts(text, user, " "))
        case Placement.AFTER:
            return replace(prompt, user=_join_texts(user, text, " "))
        case Placement.INSIDE:
            return replace(prompt, user=_insert_text(user, text))
        case Placement.AROUND:
            return replace(prompt, user=_fill_question(text, user))
        case Placement.CROSSED:
            raise ValueError("a part of a crossed cue cannot be crossed itself")


def pair_probes(
    questions: Sequence[Question], cues: Sequence[Cue], *, system: str = ""
) -> tuple[Probe, ...]:
    """Pairs each question with the standard arm and with every cue, question by question.

    Returns:
        ``len(questions) * (1 + len(cues))`` probes; the standard probe of a question comes before
        its cued ones, which keep the order of ``cues``.

    Raises:
        ValueError: two questions share an id, or two cues a name.
    """
    _check_distinct("question id", [question.id for question in questions])
    _check_distinct("cue name", [cue.name for cue in cues])
    return tuple(
        Probe(question, cue, arm_of(cue), apply_cue(cue, question, system=system))
        for question in questions
        for cue in (None, *cues)
    )


def arm_of(cue: Cue | None) -> Arm:
    """Returns the arm that a cue (or ``None``) belongs to."""
    if cue is None:
        return Arm.STANDARD
    return Arm.PLACEBO if cue.is_placebo else Arm.CUE


def _fill_question(text: str, question: str) -> str:
    if text.count(QUESTION_SLOT) != 1:
        raise ValueError(
            f"a cue placed around the question needs {QUESTION_SLOT} once, got {text!r}"
        )
    head, tail = text.split(QUESTION_SLOT)
    return f"{head}{question}{tail}"


def _check_history(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    if not turns:
        raise ValueError("a cue that is a history needs turns")
    strange = next((turn.role for turn in turns if turn.role not in HISTORY_ROLES), None)
    if strange is not None:
        raise ValueError(
            f"a turn of a history has the role {', '.join(HISTORY_ROLES)}; got {strange!r}"
        )
    return turns


def _add_tools(tools: str, text: str) -> str:
    """Adds definitions to those of another part; raises ValueError where they are no JSON list."""
    new = parse_tools(text)
    if new is None:
        raise ValueError(f"tools need a JSON list of their definitions, got {text!r}")
    old = parse_tools(tools) if tools else None
    return dump_tools([*(old or ()), *new])


def _insert_text(user: str, text: str) -> str:
    """Inserts a text at the word boundary nearest to the middle of a turn, the earlier of two.

    Blanks set it off, unless it brings white space or has no visible character: this one ends the
    word before it. A turn of one word gets the text after its middle character.
    """
    gaps = [match.span() for match in _GAP.finditer(user)]
    if not gaps:
        middle = (len(user) + 1) // 2
        return user[:middle] + text + user[middle:]
    start, end = min(gaps, key=lambda gap: abs(gap[0] + gap[1] - len(user)))
    if text.strip() and not any(c.isprintable() for c in text):
        return user[:start] + text + user[start:]
    head = _join_texts(user[:start], text, user[start:end])
    return _join_texts(head, user[end:], " ")


def _join_texts(left: str, right: str, glue: str) -> str:
    """Joins two texts, with ``glue`` between them unless one brings white space."""
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return left + right
    return left + glue + right


def _check_distinct(what: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"duplicate {what} {twice!r}")
