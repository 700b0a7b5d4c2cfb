"""What a table says of its questions, cues and models beside its counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from dormant.exchange.consistency import Contradictions
from dormant.exchange.outcomes import Answer
from dormant.exchange.survey import Cast
from dormant.records import Role, Variant


def read_question_words(answers: Iterable[Answer]) -> dict[str, str]:
    """The words of each question that has an id and, without a cue, one wording, by id."""
    found: dict[str, set[str]] = {}
    for answer in answers:
        if answer.question_id and answer.question.strip() and answer.cue is None:
            found.setdefault(answer.question_id, set()).add(answer.question.strip())
    return {name: next(iter(words)) for name, words in found.items() if len(words) == 1}


def read_cue_words(answers: Iterable[Answer], file: Path) -> dict[str, str]:
    """The words of each cue that has a text, by name.

    Raises:
        DataError: a cue has two texts.
    """
    checked, found = Contradictions(), dict[str, str]()
    for answer in answers:
        checked.check_cue(answer, file)
        if answer.cue is not None and answer.cue_words.text:
            found[answer.cue] = answer.cue_words.text
    return found


def find_placebos(answers: Collection[Answer]) -> dict[str, str]:
    """Maps cues to placebos, by variant and parent of rows, or by the name ``CUE/placebo``."""
    cues = {answer.cue for answer in answers if answer.cue is not None}
    found = {cue: f"{cue}/placebo" for cue in cues if f"{cue}/placebo" in cues}
    for answer in answers:
        words = answer.cue_words
        if answer.cue and words.variant is Variant.PLACEBO and words.parent in cues:
            found[str(words.parent)] = answer.cue
    return found


def name_references(parts: Cast) -> frozenset[str]:
    """The models or groups that are the reference; empty if the table does not name them."""
    keys = [key for (_, key), (role, _) in parts.parts.items() if role is Role.REFERENCE]
    return frozenset(model or group for group, model, _ in keys if model or group)
