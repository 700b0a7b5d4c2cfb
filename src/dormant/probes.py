"""Probes: each question of a bank with and without each cue, nothing else changed."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.records import (
    QUESTION_SLOT,
    Arm,
    Cue,
    Message,
    Placement,
    Probe,
    Question,
)


def apply_cue(cue: Cue | None, question: Question, *, system: str = "") -> tuple[Message, ...]:
    """Builds the messages that ask a question, with a cue or (``None``) without.

    Args:
        cue: the cue to add; everything else stays as in the standard arm.
        question: the question to ask.
        system: the default system prompt of every arm; a cue in the system prompt follows it.

    Raises:
        ValueError: a cue placed around the question does not contain ``{question}`` exactly once.
    """
    user = question.text
    if cue is not None:
        twin = next((twin.text for twin in cue.twins if twin.question == question.id), None)
        if twin is not None:
            user = twin
        elif cue.placement is Placement.SYSTEM:
            system = _join_texts(system, cue.text, "\n")
        elif cue.placement is Placement.BEFORE:
            user = _join_texts(cue.text, user, " ")
        elif cue.placement is Placement.AFTER:
            user = _join_texts(user, cue.text, " ")
        else:
            user = _fill_question(cue.text, user)
    turns = (Message("user", user),)
    return (Message("system", system), *turns) if system else turns


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


def _join_texts(left: str, right: str, glue: str) -> str:
    """Joins two texts, with ``glue`` between them unless one brings white space."""
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return left + right
    return left + glue + right


def _check_distinct(what: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"duplicate {what} {twice!r}")
