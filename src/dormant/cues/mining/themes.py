"""Themes: known topics of chat, found by their words, and names for other topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import TypeAdapter

from dormant.config import Strict
from dormant.config.resources import resource_path
from dormant.cues.mining.counts import measure_enrichment
from dormant.cues.mining.topics import Topic

#: A topic is named after a theme that at least this share of its rows touches.
_NAMING = 0.4
#: The theme that makes a food topic a topic of recipes, and the word it adds to the name.
_COOKING, _RECIPES = "cooking", "recipes"
_FOOD = frozenset({"fish and seafood", "meat and poultry", "vegetables and fruit"})
#: Words of a theme that its topic shows.
_SHOWN = 12
#: Words of its theme that a topic names first.
_FIRST = 4


class _Theme(Strict):
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Themes:
    """The set of themes of each row of one corpus."""

    rows: Sequence[frozenset[str]]

    @classmethod
    def from_words(cls, row_words: Iterable[frozenset[str]]) -> Themes:
        """Finds the themes of each row by its content words."""
        known = _load_theme_words()
        once: dict[frozenset[str], frozenset[str]] = {}  # few combinations: each is kept once
        rows: list[frozenset[str]] = []
        for row in row_words:
            names = frozenset(name for word in row for name in known.get(strip_plural(word), ()))
            rows.append(once.setdefault(names, names))
        return cls(rows)

    def find_rows(self, name: str) -> NDArray[np.int64]:
        """Returns the indices of the rows that touch a theme."""
        return np.array([i for i, row in enumerate(self.rows) if name in row], dtype=np.int64)


def find_themes(
    row_words: Sequence[frozenset[str]], file: Themes, reference: Themes, *, min_rows: int
) -> tuple[list[Topic], int]:
    """Finds the known themes that the file touches more often than the reference.

    Args:
        row_words: content words of each row of the file.
        file: its themes.
        reference: the themes of the reference corpus.
        min_rows: smallest number of rows of a theme.

    Returns:
        Topics named after their themes, and the number of themes that enough rows touch.
    """
    counts = Counter(name for row in file.rows for name in row)
    others = Counter(name for row in reference.rows for name in row)
    common = sorted(name for name, n in counts.items() if n >= min_rows)
    found: list[Topic] = []
    for name in common:
        measure = measure_enrichment(
            counts[name], len(file.rows), others[name], len(reference.rows)
        )
        if measure.low > 0:
            rows = file.find_rows(name)
            words = _count_theme_words(name, (row_words[row] for row in rows.tolist()))
            found.append(Topic(words, rows, others[name], measure, name_topic(rows, file)))
    return found, len(common)


def name_topic(rows: NDArray[np.int64], file: Themes) -> str:
    """Names a topic after the most specific theme that covers it; empty if none does.

    Specificity is the share of the topic's rows that touch the theme times the share of the theme's
    rows that belong to the topic.
    """
    if not len(rows):
        return ""
    inside = Counter(name for row in rows.tolist() for name in file.rows[row])
    covering = {name for name, n in inside.items() if n >= _NAMING * len(rows)}
    if not covering:
        return ""
    everywhere = Counter(name for row in file.rows for name in row if name in covering)

    def theme_rank(name: str) -> tuple[float, str]:
        return inside[name] ** 2 / everywhere[name], name

    best = max(covering - {_COOKING} if covering & _FOOD else covering, key=theme_rank)
    return f"{best} {_RECIPES}" if best in _FOOD and _COOKING in covering else best


def add_theme_words(topic: Topic, row_words: Sequence[frozenset[str]]) -> Topic:
    """Puts the commonest words of a topic's theme before its other words."""
    theme = topic.name.removesuffix(f" {_RECIPES}")
    first = (
        _count_theme_words(theme, (row_words[row] for row in topic.rows.tolist()))[:_FIRST]
        if theme
        else ()
    )
    return replace(topic, words=(*first, *(w for w in topic.words if w not in first)))


def _count_theme_words(name: str, row_words: Iterable[frozenset[str]]) -> tuple[str, ...]:
    """Lists a theme's words that the rows use, commonest first."""
    known = _load_theme_words()
    counts = Counter(
        word for row in row_words for word in row if name in known.get(strip_plural(word), ())
    )
    return tuple(word for word, _ in sorted(counts.items(), key=lambda p: (-p[1], p[0]))[:_SHOWN])


def strip_plural(word: str) -> str:
    """Removes a plural ending, roughly; singular and plural need only map to the same text."""
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "sses", "toes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


@cache
def _load_theme_words() -> dict[str, tuple[str, ...]]:
    """Maps each word to the themes that it indicates."""
    entries = TypeAdapter(list[_Theme]).validate_python(
        yaml.safe_load(resource_path("topics.yaml").read_text(encoding="utf-8"))
    )
    names: dict[str, list[str]] = {}
    for entry in entries:
        for word in entry.words.split():
            names.setdefault(strip_plural(word), []).append(entry.name)
    return {word: tuple(found) for word, found in names.items()}
