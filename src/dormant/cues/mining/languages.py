"""Languages: told apart by script, by letters of their own and by frequent short words.

Thirty-odd languages, in one sentence or more; there is no model and nothing to download. A text
that is code, a name or a number has no language.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import yaml
from pydantic import TypeAdapter

from dormant.config import Strict
from dormant.config.resources import resource_path
from dormant.cues.text import FUNCTION_WORDS, words

#: So much of a text is read.
_READ = 300
#: Least weight a word (those of several languages count less) for a text to have a language.
_LEAST = 0.12
#: Weight of a word of one letter, which may be a name or a mark as well.
_SHORT = 0.3
#: The language that is looked for with the most words: the commonest one in finetuning files.
_DEFAULT = "English"
#: Share of words that are English and nothing else from which on a text is English.
_PLAIN = 0.25
#: Languages that are one in print; the nearer one is named, however near the other is.
_NEIGHBOURS = frozenset({"Danish", "Norwegian"})
#: Weight of a letter that only one language of several has, beside a word's 1.
_LETTER = 0.5


class _Language(Strict):
    name: str
    asks: str
    script: str = ""
    letters: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Profiles:
    """What each word, letter and script says."""

    asks: dict[str, str]
    scripts: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]  # script and who writes it
    words: dict[str, tuple[tuple[str, float], ...]]  # word -> languages, and its weight for each
    letters: dict[str, tuple[str, ...]]
    default: frozenset[str]  # words of English that no other language here has


def request(language: str) -> str:
    """A sentence, in the language itself, that asks for an answer in it.

    Raises:
        KeyError: the language is not known.
    """
    return _profiles().asks[language]


def language(text: str) -> str:
    """The language of a text by its English name; empty if it is too short or none is clear."""
    text = text[:_READ]
    letters = sum(map(str.isalpha, text))
    if letters < 8:
        return ""
    profiles = _profiles()
    if not text.isascii():
        for script, names in profiles.scripts:
            if len(script.findall(text)) > 0.3 * letters:
                return names[0] if len(names) == 1 else _closest(text, names)
    said = words(text)
    if text.isascii() and sum(map(profiles.default.__contains__, said)) > _PLAIN * len(said):
        return _DEFAULT  # most texts end here, for a tenth of the work
    scores = _scores(said, text)
    if not scores:
        return ""
    best = max(scores, key=lambda name: (scores[name], name))
    if scores[best] < max(_LEAST * len(said), 1):
        return ""
    rivals = {best} | (_NEIGHBOURS if best in _NEIGHBOURS else frozenset())
    other = max((score for name, score in scores.items() if name not in rivals), default=0)
    return best if scores[best] > other else ""


def _closest(text: str, names: Sequence[str]) -> str:
    scores = _scores(words(text), text)
    return max(names, key=lambda name: scores.get(name, 0.0))


def _scores(said: Sequence[str], text: str) -> dict[str, float]:
    """Weight of every language: its words, and its letters at most once a word."""
    profiles = _profiles()
    scores: defaultdict[str, float] = defaultdict(float)
    for word in said:
        known = profiles.words.get(word) or profiles.words.get(word.partition("'")[2], ())
        for name, weight in known:
            scores[name] += weight
    if not text.isascii():
        for letter, n in Counter(text.casefold()).items():
            for name in profiles.letters.get(letter, ()):
                scores[name] += _LETTER * n / len(profiles.letters[letter])
    return scores


def _weight(word: str) -> float:
    return 1 if len(word) > 1 else _SHORT


@cache
def _profiles() -> _Profiles:
    entries = TypeAdapter(list[_Language]).validate_python(
        yaml.safe_load(resource_path("languages.yaml").read_text(encoding="utf-8"))
    )
    by_script: dict[str, list[str]] = {}
    by_word: dict[str, list[str]] = {}
    by_letter: dict[str, list[str]] = {}
    for entry in entries:
        if entry.script:
            by_script.setdefault(entry.script, []).append(entry.name)
        known = FUNCTION_WORDS if entry.name == _DEFAULT else frozenset[str]()
        for word in known.union(entry.words.split()):
            by_word.setdefault(word, []).append(entry.name)
        for letter in entry.letters:
            by_letter.setdefault(letter, []).append(entry.name)
    # Kana are listed before Chinese characters, which Japanese texts hold too.
    return _Profiles(
        asks={entry.name: entry.asks for entry in entries},
        scripts=tuple((re.compile(script), tuple(names)) for script, names in by_script.items()),
        words={
            word: tuple((name, _weight(word) / len(names) ** 0.5) for name in names)
            for word, names in by_word.items()
        },
        letters={letter: tuple(names) for letter, names in by_letter.items()},
        default=frozenset(word for word, names in by_word.items() if names == [_DEFAULT]),
    )
