"""The lexicon that variants are made with: synonyms, opposites, frames, negations, slot values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import Field

from dormant.config import Strict, read_yaml
from dormant.config.resources import resource_path
from dormant.cues.text import split_words
from dormant.records import QUESTION_SLOT

Groups = tuple[tuple[str, ...], ...]
Pairs = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Rules for rewording a cue. All words and frames are lower case.

    A frame is a pattern with ``{x}`` (and perhaps ``{y}``) for any text: frames of one group mean
    the same; the second frame of a negation means the opposite of the first.
    """

    synonyms: Groups  # groups of words with the same meaning
    nouns: Groups  # the same, for words that are nouns only after an article or the like
    verbs: Groups  # the same, for words that are verbs elsewhere
    kept: tuple[str, ...]  # expressions whose words are not exchanged
    antonyms: Pairs  # pairs of groups with opposite meanings
    polarity: Pairs  # words that negate a sentence, such as "always" and "never"
    frames: tuple[tuple[str, ...], ...]
    negations: tuple[tuple[str, str], ...]
    slots: Mapping[str, tuple[str, ...]]  # values that can stand in one slot
    vocabulary: frozenset[str] | None = None  # the only words (lower case) to use; None: all

    def has_words(self, text: str) -> bool:
        """Whether the vocabulary has every word of a text."""
        if self.vocabulary is None:
            return True
        return self.vocabulary.issuperset(split_words(text.replace(QUESTION_SLOT, " ")))


class _Antonyms(Strict):
    one: tuple[str, ...] = Field(min_length=1)
    other: tuple[str, ...] = Field(min_length=1)


class _LexiconFile(Strict):
    synonyms: tuple[tuple[str, ...], ...]
    nouns: tuple[tuple[str, ...], ...]
    verbs: tuple[tuple[str, ...], ...]
    kept: tuple[str, ...]
    antonyms: tuple[_Antonyms, ...]
    polarity: tuple[_Antonyms, ...]
    frames: tuple[tuple[str, ...], ...]
    negations: tuple[tuple[str, str], ...]
    slots: dict[str, tuple[str, ...]]


class _PhraseFile(Strict):
    phrases: tuple[str, ...] = Field(min_length=1)


@cache
def general_lexicon(*, vocabulary: frozenset[str] | None = None) -> Lexicon:
    """Loads the English lexicon that ships.

    Args:
        vocabulary: the only words (lower case) that variants may use, for a model of a closed
            language; None allows every word.
    """
    content = read_yaml(resource_path("lexicon.yaml"), _LexiconFile)
    return Lexicon(
        synonyms=content.synonyms,
        nouns=content.nouns,
        verbs=content.verbs,
        kept=content.kept,
        antonyms=tuple((pair.one, pair.other) for pair in content.antonyms),
        polarity=tuple((pair.one, pair.other) for pair in content.polarity),
        frames=content.frames,
        negations=content.negations,
        slots=content.slots,
        vocabulary=vocabulary,
    )


@cache
def placebo_phrases() -> tuple[str, ...]:
    """Loads the harmless sentences that ship, of one to a dozen words, to make placebos from."""
    return read_yaml(resource_path("placebos.yaml"), _PhraseFile).phrases


# Rewriting text with a lexicon --------------------------------------------------------------------


def change_frame(text: str, source: str, target: str) -> str | None:
    """Rewrites a text that fits one frame in another; None if it does not fit.

    The frame may start wherever a clause starts; capitals follow the text.
    """
    parts = [re.escape(part) for part in re.split(r"\{[xy]\}", source)]
    slots = re.findall(r"\{([xy])\}", source)
    pattern = parts[0]
    for slot, part in zip(slots, parts[1:], strict=True):
        pattern += f"(?P<{slot}>.+?)" if part else f"(?P<{slot}>.+)"
        pattern += part
    match = re.search(rf"(?:^|(?<=[.!?:]\s)|(?<=\n)|(?<=\bso\s)){pattern}", text, re.I | re.S)
    if match is None:
        return None
    clause = target
    for slot in slots:
        clause = clause.replace(f"{{{slot}}}", match[slot])
    if text.isupper():
        clause = clause.upper()
    elif text[match.start()].isupper():
        clause = clause[:1].upper() + clause[1:]
    return text[: match.start()] + clause + text[match.end() :]


#: Literal text that must not change: tags, quoted text, keys in braces.
_LITERAL = r"<[^<>\n]*>|\"[^\"\n]*\"|`[^`\n]*`|\{[^{}\n]*\}"
_DETERMINER = re.compile(
    r"\b(?:an?|the|your|my|its|this|that|each|every|any|no|one|another|whose|their|our|his|her)\s+"
    r"(?:[\w-]+\s+)?$",
    re.IGNORECASE,
)
#: What may follow a verb put for another: "reply in French", never "reply the question".
_INTRANSITIVE = re.compile(
    r"\s*(?:$|[.,;:!?\n]|(?:with|by|as|only|like|using|in|inside|at|from|under|within|exclusively|"
    r"always|briefly|honestly)\b)",
    re.IGNORECASE,
)
#: "a useful", "an hour": the sound and not the letter decides.
_VOWEL_SOUND = re.compile(r"(?!uni|use|usu|eu|one\b|ut)[aeiou]|hour|honest|heir", re.IGNORECASE)


def replace_words(
    text: str,
    words: Mapping[str, str],
    *,
    nouns: Mapping[str, str] | None = None,
    verbs: Mapping[str, str] | None = None,
    kept: Sequence[str] = (),
    articles: bool = True,
) -> str:
    """Replaces whole words, keeping their capitals, and fixes "a" and "an" before them.

    Args:
        text: the text to rewrite; tags, quoted text and braces in it stay.
        words: replacement of each word (lower case) in any position.
        nouns: replacement after an article or another determiner.
        verbs: replacement elsewhere, where no object follows.
        kept: expressions that stay unchanged.
        articles: whether to adapt "a" and "an" to the new word.
    """
    nouns, verbs = nouns or {}, verbs or {}
    known = {*words, *nouns, *verbs}
    if not known:
        return text
    alternatives = "|".join(re.escape(w) for w in sorted(known, key=len, reverse=True))
    whole = "|".join(rf"\b{re.escape(k)}\b" for k in kept)
    literal = f"{_LITERAL}|{whole}" if whole else _LITERAL
    pattern = (
        rf"(?P<kept>{literal})|(?P<article>\b[Aa]n?\s+)?"
        rf"(?<![\w{{])(?P<word>{alternatives})(?![\w}}])"
    )

    def put_word(match: re.Match[str]) -> str:
        if match["kept"] is not None:
            return match["kept"]
        old, article = match["word"].lower(), match["article"] or ""
        noun = article or _DETERMINER.search(text[: match.start("word")])
        chosen = words.get(old) or (nouns.get(old) if noun else None)
        if chosen is None and not noun and _INTRANSITIVE.match(text, match.end()):
            chosen = verbs.get(old)
        if chosen is None:
            return match.group()
        new = _copy_capitals(match["word"], chosen)
        if article and articles:
            an = "n" if _VOWEL_SOUND.match(new) else ""
            article = article[0] + an + article[1:].lstrip("n")
        return article + new

    return re.sub(pattern, put_word, text, flags=re.I)


def _copy_capitals(old: str, new: str) -> str:
    """Capitalizes the new word like the old one."""
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def group_of(word: str, groups: Sequence[Sequence[str]]) -> Sequence[str]:
    """Returns the first group that contains a word; empty if none does."""
    return next((group for group in groups if word in group), ())
