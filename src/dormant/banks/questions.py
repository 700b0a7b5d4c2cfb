"""Question banks: those that ship, and a user's own files with defaults for what they leave out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dormant.banks.question_files import QuestionEntry, read_entries
from dormant.config.resources import list_resources, resource_path
from dormant.errors import ConfigError
from dormant.records import Question, Split

_PREFIX = "questions_"
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
#: Length of an id that is made of a question's first words.
_ID_WORDS, _ID_CHARS = 8, 60


def question_banks() -> tuple[str, ...]:
    """Lists the names of the question banks that ship."""
    return list_resources(_PREFIX)


def load_questions(name_or_path: str | Path) -> tuple[Question, ...]:
    """Loads a question bank that ships (``general``) by its name, or a file of questions.

    A file is text, YAML, CSV or JSON (see ``question_files``). By default an id is made of the
    question's first words, each question is a family of its own, and the questions of a family
    alternate between the halves; an audit draws the halves of such files anew.

    Raises:
        ConfigError: no such bank or file, or the file is invalid: names file, line and key.
    """
    return load_bank(name_or_path)[0]


def load_bank(name_or_path: str | Path) -> tuple[tuple[Question, ...], bool]:
    """Loads questions as ``load_questions``, and says whether a user's file gives their halves."""
    path = Path(name_or_path)
    if str(name_or_path) in question_banks():
        return _load_shipped(str(name_or_path)), False
    if not path.exists():
        known = ", ".join(sorted((*question_banks(), "vitro")))  # the laboratory's own is built
        raise ConfigError(
            f"no such question bank or file: give auto, {known} or a file of questions", file=path
        )
    return _read_bank(path)


@cache
def _load_shipped(name: str) -> tuple[Question, ...]:
    return _read_bank(resource_path(f"{_PREFIX}{name}.yaml"))[0]


def _read_bank(path: Path) -> tuple[tuple[Question, ...], bool]:
    """Reads a file of questions with what it leaves out, and says whether it gives the halves."""
    entries = read_entries(path)
    _check_distinct("text", [entry.text for entry in entries], entries, path)
    ids = _assign_ids(entries)
    _check_distinct("id", ids, entries, path)
    families = [entry.family or name for entry, name in zip(entries, ids, strict=True)]
    splits = _assign_splits(entries, families, path)
    has_own_split = all(entry.split is not None for entry in entries)
    questions = tuple(
        Question(id=name, text=entry.text, family=family, split=split, note=entry.note)
        for entry, name, family, split in zip(entries, ids, families, splits, strict=True)
    )
    return questions, has_own_split


def _check_distinct(
    what: str, values: Sequence[str], entries: Sequence[QuestionEntry], path: Path
) -> None:
    first: dict[str, int | None] = {}
    for value, entry in zip(values, entries, strict=True):
        if value in first:
            before = f" (the first is on line {first[value]})" if first[value] else ""
            raise ConfigError(
                f"duplicate question {what} {value!r:.200}: keep one{before}",
                file=path,
                line=entry.line,
            )
        first[value] = entry.line


def _assign_ids(entries: Sequence[QuestionEntry]) -> list[str]:
    """Returns the ids of the entries; a missing one is made of the question's first words."""
    taken = {entry.id for entry in entries}
    ids: list[str] = []
    for number, entry in enumerate(entries, 1):
        name = entry.id
        if not name:
            words = _WORD.findall(entry.text.casefold())[:_ID_WORDS]
            base = "-".join(words)[:_ID_CHARS].strip("-") or f"question-{number}"
            candidates = (base, *(f"{base}-{again}" for again in range(2, len(entries) + 2)))
            name = next(candidate for candidate in candidates if candidate not in taken)
            taken.add(name)
        ids.append(name)
    return ids


def _assign_splits(
    entries: Sequence[QuestionEntry], families: Sequence[str], path: Path
) -> list[Split]:
    """Returns the half of each question; by default those of a family alternate."""
    given = [entry.split for entry in entries if entry.split is not None]
    if len(given) == len(entries):
        return given
    if given:
        raise ConfigError(
            f"{len(given)} of {len(entries)} questions have a split: give it for all, or for none",
            file=path,
            line=next(entry.line for entry in entries if entry.split is None),
        )
    turn = {family: index for index, family in enumerate(dict.fromkeys(families))}
    halves, seen = tuple(Split), Counter[str]()
    splits: list[Split] = []
    for family in families:
        splits.append(halves[(turn[family] + seen[family]) % len(halves)])
        seen[family] += 1
    return splits
