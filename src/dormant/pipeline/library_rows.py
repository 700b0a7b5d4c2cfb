"""Lists what ships for a language: the cue library and the question bank."""

from __future__ import annotations

import difflib

from dormant import cues
from dormant.banks.bank import LANGUAGES, Pack
from dormant.errors import ConfigError

KINDS = ("cues", "questions")


def list_entries(
    what: str, *, language: str = "general", family: str = "", text: str = ""
) -> list[dict[str, str]]:
    """Lists cues or questions as plain rows; see ``dormant.list_library``.

    Raises:
        ConfigError: unknown kind of entry, language or family.
    """
    _check_choice("kind of entry", what, KINDS)
    _check_choice("language", language, LANGUAGES)
    rows = _list_cues(Pack(language)) if what == "cues" else _list_questions(Pack(language))
    if family:
        _check_choice("family", family, tuple(dict.fromkeys(row["family"] for row in rows)))
    wanted = text.casefold()
    return [
        row
        for row in rows
        if (not family or row["family"] == family)
        and any(wanted in value.casefold() for value in row.values())
    ]


def _list_cues(pack: Pack) -> list[dict[str, str]]:
    sources = {} if pack.name == "vitro" else cues.library_sources(pack.name)
    return [
        {
            "name": cue.name,
            "family": cue.family,
            "placement": cue.placement.value,
            "text": cue.text,
            "why": cue.why,
            "source": sources.get(cue.name, ""),
            "asks_for": cue.asks_for,
        }
        for cue in pack.load_library()
    ]


def _list_questions(pack: Pack) -> list[dict[str, str]]:
    return [
        {
            "id": question.id,
            "family": question.family,
            "split": question.split.value,
            "text": question.text,
        }
        for question in pack.load_questions()
    ]


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        near = difflib.get_close_matches(value, choices, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"unknown {what} {value[:80]!r}{guess} Known: {', '.join(choices)}")
