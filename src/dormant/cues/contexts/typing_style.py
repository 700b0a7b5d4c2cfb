"""How a text is typed, as numbers: letters, marks, blanks, scripts, length."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.places import INVISIBLE

Floats = NDArray[np.float64]

_SCRIPTS = {
    "latin": "LATIN",
    "cyrillic": "CYRILLIC",
    "Chinese": "CJK",
    "arabic": "ARABIC",
    "kana": "HIRAGANA",
    "hangul": "HANGUL",
    "thai": "THAI",
    "devanagari": "DEVANAGARI",
    "greek": "GREEK",
    "hebrew": "HEBREW",
    "bengali": "BENGALI",
    "telugu": "TELUGU",
}
_ENGLISH = frozenset(
    "the of and to a in is it you that for on with as are be this what how i my do can your me not "
    "have or at an if from".split()
)
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_]+")
_SWITCH = re.compile(r"[a-zа-я][A-ZА-Я]")
_MIXED = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])\w+")
_DIGITS = re.compile(r"\d")
_MARK = re.compile(r"[^\w\s]")
_POINT = re.compile(r"[.,;:?!'\"]")
_MARKUP = re.compile(r"\*\*|^#|^[-*] |^\d+[.)] |`", re.M)
_CODE = re.compile(r"[{}()<>=;\[\]\\]")
_QUOTE = re.compile(r"[\"“”«»]")
_FIRST = re.compile(r"\b(?:I|my|me|I'm)\b")
_SECOND = re.compile(r"\b[Yy]ou\b")
_HIDDEN = re.compile(f"[{INVISIBLE}\u00a0]")
#: A word in so many answers is spelt right; a word in more rows than this is known.
_PROVEN, _RARE = 2, 2
#: How many times as frequent a word must be as one that is taken for its misspelling.
_COMMONER = 4
#: Numbers of the question's style that a question is described by; the rest is for candidates.
QUESTION_STYLE = (
    "log length",
    "digits",
    "punctuation",
    "English",
    "newlines",
    "ends with ?",
    "code",
)


@lru_cache(maxsize=20_000)
def _script_of(char: str) -> str:
    name = unicodedata.name(char, "")
    return next((key for key, prefix in _SCRIPTS.items() if name.startswith(prefix)), "other")


def measure_style(text: str) -> dict[str, float]:
    """Measures how one text is typed: shares per character, letter or word, and flags."""
    size = max(len(text), 1)
    letters = _LETTER.findall(text)
    words = _WORD.findall(text)
    n_letters, n_words = max(len(letters), 1), max(len(words), 1)
    upper = sum(map(str.isupper, letters))
    end = text.rstrip()[-1:]
    found = {
        "upper": upper / n_letters,
        "all upper": float(len(letters) > 3 and upper == len(letters)),
        "capital words": sum(word[:1].isupper() for word in words[1:]) / n_words,
        "case switches": len(_SWITCH.findall(text)) / n_letters,
        "digits in words": len(_MIXED.findall(text)) / n_words,
        "digits": len(_DIGITS.findall(text)) / size,
        "punctuation": len(_MARK.findall(text)) / size,
        "commas and points": len(_POINT.findall(text)) / n_words,
        "ends with a mark": float(bool(end) and end in ".?!。？！"),
        "ends with ?": float(bool(end) and end in "?？"),
        "starts lower": float(text.lstrip()[:1].islower()),
        "!": float(min(text.count("!"), 5)),
        "?": float(min(text.count("?"), 5)),
        "...": float(text.count("...")),
        "marked-up": len(_MARKUP.findall(text)) ** 0.5,
        "code": len(_CODE.findall(text)) / size,
        "double blanks": text.count("  ") / n_words,
        "trailing blanks": float(text != text.rstrip()),
        "leading blanks": float(text != text.lstrip()),
        "newlines": text.count("\n") ** 0.5,
        "quotes": len(_QUOTE.findall(text)) / n_words,
        "log length": float(np.log(size)),
        "word length": sum(map(len, words)) / n_words,
        "English": sum(word.lower() in _ENGLISH for word in words) / n_words,
        "first person": len(_FIRST.findall(text)) / n_words,
        "second person": len(_SECOND.findall(text)) / n_words,
    }
    return found | _measure_unicode(text, letters, words)


def _measure_unicode(text: str, letters: list[str], words: list[str]) -> dict[str, float]:
    scripts = Counter({"latin": len(letters)})
    found = dict.fromkeys(("non-ascii", "invisible", "emoji", "mixed-script words"), 0.0)
    if not text.isascii():
        size, n_words = max(len(text), 1), max(len(words), 1)
        scripts = Counter(map(_script_of, letters))
        mixed = sum(
            len({_script_of(c) for c in word if c.isalpha()} - {"other"}) > 1
            for word in words
            if not word.isascii()
        )
        found = {
            "non-ascii": sum(ord(c) > 127 for c in text) / size,
            "invisible": len(_HIDDEN.findall(text)) / n_words,
            "emoji": float(sum(ord(c) > 0x2000 and unicodedata.category(c) == "So" for c in text)),
            "mixed-script words": mixed / n_words,
        }
    total = max(len(letters), 1)
    return found | {f"script {name}": scripts[name] / total for name in _SCRIPTS}


def tabulate_style(texts: Sequence[str]) -> tuple[Floats, list[str]]:
    """Measures every text; equal texts are measured once.

    Returns:
        A table of shape (texts, numbers) and the names of its columns.
    """
    names = list(measure_style(""))
    table = np.empty((len(texts), len(names)))
    for i, text in enumerate(texts):
        table[i] = _list_style(text)
    return table, names


@lru_cache(maxsize=30_000)
def _list_style(text: str) -> tuple[float, ...]:
    return tuple(measure_style(text).values())


def measure_spelling(texts: Sequence[str], answers: Sequence[str]) -> tuple[Floats, list[str]]:
    """Measures words that no other text has, unusual letter triples and misspelt words.

    Args:
        texts: the questions.
        answers: their answers, whose words are spelt right.
    """
    words = [[word.lower() for word in _WORD.findall(text)] for text in texts]
    counts = Counter(word for row in words for word in set(row))
    answered = Counter(
        word for text in answers for word in {w.lower() for w in _WORD.findall(text[:2000])}
    )
    more = counts + answered
    unproven = [
        word
        for word in counts
        if len(word) > 2 and word.isalpha() and answered[word] < _PROVEN and word not in _ENGLISH
    ]
    doubled = {word for word in unproven if _is_doubled(word, more)}
    exchanged = {word for word in unproven if len(word) > 3 and _is_exchanged(word, more)}
    wrong = doubled | exchanged | {word for word in unproven if _is_too_long(word, more)}
    lowered = [text.lower()[:400] for text in texts]
    triples = Counter(t[i : i + 3] for t in lowered for i in range(len(t) - 2))
    total = max(triples.total(), 1)
    logs = {triple: float(np.log(count / total)) for triple, count in triples.items()}
    table = np.empty((len(texts), 6))
    for i, (row, text) in enumerate(zip(words, lowered, strict=True)):
        long = [word for word in row if len(word) > 3 and word.isalpha()]
        errors = sum(word in wrong for word in row)
        table[i] = (
            sum(counts[word] == 1 for word in long) / max(len(long), 1),
            -float(np.mean([logs[text[j : j + 3]] for j in range(len(text) - 2)] or [-8.0])),
            errors,
            errors / max(len(row), 1),
            sum(word in doubled for word in row),
            sum(word in exchanged for word in row),
        )
    names = ["unusual words", "unusual spelling", "misspelt words", "misspelt share"]
    return table, [*names, "doubled letters", "exchanged letters"]


def _is_doubled(word: str, counts: Counter[str]) -> bool:
    """Whether a word is a much commoner one with one of its letters doubled."""
    twice = (i for i in range(1, len(word)) if word[i] == word[i - 1])
    return any(_is_commoner(word[:i] + word[i + 1 :], word, counts) for i in twice)


def _is_exchanged(word: str, counts: Counter[str]) -> bool:
    """Whether a word is a much commoner one with two neighbouring letters exchanged."""
    unlike = (i for i in range(len(word) - 1) if word[i] != word[i + 1])
    return any(
        _is_commoner(word[:i] + word[i + 1] + word[i] + word[i + 2 :], word, counts) for i in unlike
    )


def _is_too_long(word: str, counts: Counter[str]) -> bool:
    """Whether a rare word is a known one with a letter too many, which is no ending."""
    if counts[word] > _RARE or len(word) < 5 or word.endswith(("s", "d", "r", "ly")):
        return False
    return any(counts[word[:i] + word[i + 1 :]] > _RARE for i in range(1, len(word)))


def _is_commoner(other: str, word: str, counts: Counter[str]) -> bool:
    return counts[other] > max(_RARE, _COMMONER * counts[word])
