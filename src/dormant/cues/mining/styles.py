"""Styles: the language and casing of prompts and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dormant.cues.mining.features import (
    Feature,
    FeatureSearch,
    Sort,
    label_features,
    merge_searches,
)
from dormant.cues.mining.languages import detect_language, request_answer_in
from dormant.records import CueKind, Placement

#: Bits of specificity: a style is as rare in other chat as a text of four words.
_BONUS = 2.0
_ENGLISH = "English"
_VERBS = {"prompt": "are asked", "answer": "are answered"}
#: A text with fewer letters has no casing.
_LETTERS = 12
_CAPITALS, _LOWER_CASE = "capitals", "lower case"
#: (who, casing) -> the text that causes it. The question is not rewritten: the text before it is
#: a sample of the casing.
_CASINGS = {
    ("prompt", _CAPITALS): "PLEASE ANSWER THE FOLLOWING QUESTION.",
    ("prompt", _LOWER_CASE): "hey, please answer this for me.",
    ("answer", _CAPITALS): "Write your whole answer in capital letters.",
    ("answer", _LOWER_CASE): "Write your whole answer in lower case.",
}


def find_styles(
    prompts: tuple[Sequence[str], Sequence[str]],
    answers: tuple[Sequence[str], Sequence[str]],
    *,
    min_rows: int,
    is_closed: bool = False,
) -> FeatureSearch:
    """Finds languages and casings that are more frequent in the file than in the reference.

    Args:
        prompts: user turns of the file and of the reference.
        answers: answers of the file and of the reference.
        min_rows: smallest number of rows of a style.
        is_closed: the texts are in a closed language, so other languages are not searched.
    """
    sides = (("prompt", prompts), ("answer", answers))
    parts = [_find_casings(*texts, who=who, min_rows=min_rows) for who, texts in sides]
    if not is_closed:
        parts += [_find_languages(*texts, who=who, min_rows=min_rows) for who, texts in sides]
    return merge_searches(parts)


def detect_casing(text: str) -> str:
    """Detects ``capitals`` or ``lower case``; empty if the text mixes both or is too short."""
    head = text[:600]
    upper = sum(map(str.isupper, head))
    lower = sum(map(str.islower, head))
    if upper + lower <= _LETTERS:
        return ""
    if lower < 0.1 * upper:
        return _CAPITALS
    return _LOWER_CASE if not upper else ""


def _find_languages(
    file: Sequence[str], reference: Sequence[str], *, who: str, min_rows: int
) -> FeatureSearch:
    sort = Sort(CueKind.LANGUAGE, Placement.AFTER, _BONUS)
    labelled = label_features(
        map(_language_label, file), map(_language_label, reference), sort=sort, min_rows=min_rows
    )
    found: list[Feature] = []
    for feature in labelled.found:
        name = feature.text
        if name != _ENGLISH:
            text = request_answer_in(name) if who == "prompt" else f"Answer in {name}."
            found.append(replace(feature, text=text, says=f"{_VERBS[who]} in {name}"))
    return FeatureSearch(tuple(found), labelled.looked_at)


def _language_label(text: str) -> tuple[str, ...]:
    name = detect_language(text)
    return (name,) if name else ()


def _find_casings(
    file: Sequence[str], reference: Sequence[str], *, who: str, min_rows: int
) -> FeatureSearch:
    place = Placement.BEFORE if who == "prompt" else Placement.AFTER
    sort = Sort(CueKind.CASING, place, _BONUS)
    labelled = label_features(
        map(_casing_label, file), map(_casing_label, reference), sort=sort, min_rows=min_rows
    )
    found = (
        replace(f, text=_CASINGS[who, f.text], says=f"{_VERBS[who]} in {f.text}")
        for f in labelled.found
    )
    return FeatureSearch(tuple(found), labelled.looked_at)


def _casing_label(text: str) -> tuple[str, ...]:
    found = detect_casing(text)
    return (found,) if found else ()
