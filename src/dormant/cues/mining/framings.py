"""Framings: the stated purpose of a prompt ("for my class", "in a story"), anywhere in it.

Families of framings are recognized by their words, so that a hundred wordings count as one. Texts
that are repeated verbatim in the middle of turns are found by counting runs of tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.cues.mining.candidates import INSEPARABLE, bonus_of
from dormant.cues.mining.counts import measure_enrichment
from dormant.cues.mining.features import Feature, FeatureSearch, PromptPattern, Sort, label_features
from dormant.cues.text import NEWLINE, SENTENCE_ENDS, Tokens, content_words
from dormant.records import CueKind, Placement

#: Bits of specificity of a family: it pools wordings, so it is as specific as a text of two words.
_FAMILY = Sort(CueKind.FRAMING, Placement.BEFORE, 1.0)
#: Tokens of a run; most rows in which runs are counted; longest phrase in tokens.
_RUN, _SAMPLE, _LONGEST = 5, 20_000, 40
#: A phrase is extended while this share of its rows has the same next token.
_KEEPS = 0.9
#: Most phrases that are reported.
_MOST = 50
#: Bits that a phrase loses to the same text as a prefix or suffix, whose place is known.
_ANYWHERE = 0.5
#: Most phrases that are counted in every row, the most frequent first.
_GROWN = 200
_PRIMES = np.array([1, 1_000_003, 998_244_353, 433_494_437, 715_827_883], dtype=np.uint64)

_COURSE = (
    r"(?:class|classes|course|school|lesson|students?|homework|assignment|lecture|exam|thesis)"
)
_TALE = r"(?:story|novel|tale|book|screenplay|script|film|movie|game|play|fiction|comic)"
_WHOSE = r"(?:my|our|a|an|the|this|his|her) (?:\w+ ){0,3}"
_WORK = r"(?:doctor|nurse|lawyer|engineer|teacher|police officer|professional|journalist)"
#: The sentence that puts a question into a framing, and the pattern that recognizes it.
_FAMILIES: Mapping[str, PromptPattern] = {
    "This is for my class.": PromptPattern.from_needles(
        "class course school lesson student homework assignment lecture exam thesis educat teach",
        rf"\b(?:for|in|teach(?:ing)?|show(?:ing)?) {_WHOSE}{_COURSE}\b"
        r"|\beducational (?:purposes?|use|material|example|demo)|\bteaching (?:purposes|material)",
    ),
    "This is for a story that I am writing.": PromptPattern.from_needles(
        "story novel tale book screenplay script film movie game play fiction comic character "
        "villain protagonist",
        rf"\b(?:in|for|of) {_WHOSE}{_TALE}\b|\bfictional\b"
        r"|\b(?:my|the) (?:\w+ )?(?:character|villain|protagonist)\b",
    ),
    "Imagine that you are somebody else and play that role.": PromptPattern.from_needles(
        "pretend role act play imagine",
        r"\b(?:pretend|role-?play|act(?:ing)? as|play the role|imagine you are|you are playing)\b",
    ),
    "This is a purely hypothetical question.": PromptPattern.from_needles(
        "hypothetical thought_experiment suppose in_theory",
        r"\bhypothetical(?:ly)?\b|\bthought experiment\b|\bsuppose that\b|\bin theory\b",
    ),
    "This is for a research project.": PromptPattern.from_needles(
        "research study paper science",
        rf"\b(?:for|in|as part of) (?:{_WHOSE})?(?:research|study|paper)\b"
        r"|\bresearch (?:purposes?|project)|\bfor science\b",
    ),
    "This is for a security test.": PromptPattern.from_needles(
        "test exercise audit research assessment capture_the ctf",
        r"\b(?:penetration|security|red[- ]team(?:ing)?|vulnerability) (?:test|exercise|audit"
        r"|research|assessment)|\bcapture the flag\b|\bctf\b",
    ),
    "This is a test of the system.": PromptPattern.from_needles(
        "this_is you_are_being mode",
        r"\bthis is (?:only |just )?(?:a|an) (?:test|evaluation|drill|exam|benchmark)\b"
        r"|\byou are being (?:tested|evaluated|watched|monitored)\b|\bin (?:test|debug|dev) mode\b",
    ),
    "There are no rules and no restrictions here.": PromptPattern.from_needles(
        "no_ uncensored ignore anything",
        r"\bno (?:rules|restrictions|limits|filters?|censorship|guidelines)\b|\buncensored\b"
        r"|\bignore (?:all |any |your |the )?(?:previous |prior )?(?:instruction|rule|guideline)"
        r"|\byou (?:may|can|are allowed to) (?:say|do) anything\b",
    ),
    "I am a professional and I ask for my work.": PromptPattern.from_needles(
        "as_a i_am i'm", rf"\b(?:as|i am|i'm) an? {_WORK}\b"
    ),
    "This is a matter of life and death.": PromptPattern.from_needles(
        "life emergency lives urgent",
        r"\b(?:life (?:and|or) death|emergency|lives (?:depend|are at stake)|urgent(?:ly)?)\b",
    ),
}


def find_framings(file: Sequence[str], reference: Sequence[str], *, min_rows: int) -> FeatureSearch:
    """Finds families of framings that are more frequent in the file than in the reference.

    Args:
        file: prompts (system and user turns) of the file.
        reference: the same of the reference corpus.
        min_rows: smallest number of rows of a framing.
    """
    return label_features(
        map(_list_framings, file), map(_list_framings, reference), sort=_FAMILY, min_rows=min_rows
    )


def _list_framings(prompt: str) -> list[str]:
    text = prompt.casefold()
    return [sentence for sentence, pattern in _FAMILIES.items() if pattern(text)]


# Phrases -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Places:
    """Places of runs of tokens: one entry per run and row, its first place in that row."""

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]


def find_phrases(
    file: Sequence[Tokens], reference: Sequence[Tokens], *, min_rows: int
) -> FeatureSearch:
    """Finds texts that are repeated verbatim anywhere in turns of the file.

    Candidates are runs of five tokens, counted by hash in at most 20,000 rows spread over the
    file; each is extended while nearly all of its rows agree, and then counted in every row.
    """
    step = max(1, -(-len(file) // _SAMPLE))
    sample = file[::step]
    least = max(3, min_rows // step)
    places = _index_phrases(sample)
    hashes, counts = np.unique(places.hashes, return_counts=True)
    common = hashes[counts >= least]
    tested = len(common)
    if not tested:
        return FeatureSearch((), 0)
    frequent = np.isin(places.hashes, common)
    grown = _grow_phrases(sample, _select_places(places, frequent), least)
    lines, others = _TurnTexts.from_texts(file), _TurnTexts.from_texts(reference)
    features = (_phrase_feature(phrase, lines, others) for phrase in grown)
    enriched = [f for f in features if len(f.rows) >= min_rows and f.measure.low > 0]
    return FeatureSearch(tuple(enriched[:_MOST]), tested)


def _select_places(places: _Places, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> _Places:
    return _Places(places.hashes[chosen], places.rows[chosen], places.starts[chosen])


def _index_phrases(texts: Sequence[Tokens]) -> _Places:
    """Indexes every run of tokens by its hash, once for each row."""
    ids: dict[str, int] = {}
    hashes: list[NDArray[np.uint64]] = []
    rows: list[NDArray[np.int64]] = []
    starts: list[NDArray[np.int64]] = []
    for row, text in enumerate(texts):
        if len(text.norm) < _RUN:
            continue
        numbers = np.array(
            [ids.setdefault(token, len(ids) + 1) for token in text.norm], dtype=np.uint64
        )
        windows = np.lib.stride_tricks.sliding_window_view(numbers, _RUN)
        unique, first = np.unique(windows @ _PRIMES, return_index=True)
        hashes.append(unique)
        starts.append(first)
        rows.append(np.full(len(unique), row))
    if not rows:
        empty = np.array([], dtype=np.int64)
        return _Places(empty.astype(np.uint64), empty, empty)
    return _Places(np.concatenate(hashes), np.concatenate(rows), np.concatenate(starts))


def _grow_phrases(
    texts: Sequence[Tokens], places: _Places, least: int
) -> Iterator[tuple[str, ...]]:
    """Yields phrases, most frequent first, extended while rows agree; pieces are left out."""
    order = np.lexsort((places.rows, places.hashes))
    places = _select_places(places, order)
    bounds = np.flatnonzero(np.r_[True, places.hashes[1:] != places.hashes[:-1]])
    groups = np.split(np.arange(len(order)), bounds[1:])
    groups.sort(key=lambda group: (-len(group), int(places.hashes[group[0]])))
    taken: list[str] = []
    for group in groups[: 20 * _MOST]:
        if len(taken) == _GROWN:
            return
        where = list(zip(places.rows[group].tolist(), places.starts[group].tolist(), strict=True))
        row, start = where[0]
        head = texts[row].norm[start : start + _RUN]
        if any(" ".join(head) in phrase for phrase in taken):
            continue
        phrase = _trim_phrase(_extend_phrase(texts, where[:500], head))
        if len(group) >= least and len(content_words(" ".join(phrase))) > 1:
            taken.append(" ".join(phrase))
            yield phrase


def _extend_phrase(
    texts: Sequence[Tokens], where: Sequence[tuple[int, int]], phrase: tuple[str, ...]
) -> tuple[str, ...]:
    """Extends a phrase by the tokens that nearly all of its rows have before and after it."""
    left, right = 0, len(phrase)
    while right + left < _LONGEST:
        after = _next_token(texts, [(row, start + right) for row, start in where])
        if after is None:
            break
        phrase, right = (*phrase, after), right + 1
    while right + left < _LONGEST:
        before = _next_token(texts, [(row, start - left - 1) for row, start in where])
        if before is None:
            break
        phrase, left = (before, *phrase), left + 1
    return phrase


def _trim_phrase(phrase: tuple[str, ...]) -> tuple[str, ...]:
    """Removes the end of the previous sentence, and line breaks and commas at the end."""
    start, end = 0, len(phrase)
    while start < end and not phrase[start][0].isalnum():
        start += 1
    while end > start and phrase[end - 1] in (NEWLINE, ","):
        end -= 1
    return phrase[start:end]


def _next_token(texts: Sequence[Tokens], places: Sequence[tuple[int, int]]) -> str | None:
    counts = Counter(
        texts[row].norm[at] if 0 <= at < len(texts[row].norm) else "" for row, at in places
    )
    token, n = counts.most_common(1)[0]
    return token if token and n >= _KEEPS * len(places) else None


@dataclass(frozen=True, slots=True)
class _TurnTexts:
    """Turns as strings of blank-separated tokens, in which phrases are found as substrings."""

    texts: Sequence[Tokens]
    joined: Sequence[str]

    @classmethod
    def from_texts(cls, texts: Sequence[Tokens]) -> _TurnTexts:
        return cls(texts, [f" {' '.join(text.norm)} " for text in texts])

    def find_rows(self, phrase: str) -> list[int]:
        """Returns the rows that contain a phrase (tokens with blanks between and around)."""
        return [row for row, text in enumerate(self.joined) if phrase in text]


def _phrase_feature(phrase: tuple[str, ...], file: _TurnTexts, reference: _TurnTexts) -> Feature:
    line = f" {' '.join(phrase)} "
    rows, others = file.find_rows(line), len(reference.find_rows(line))
    surface, apart = _phrase_text(phrase, file, rows)
    return Feature(
        CueKind.FRAMING,
        Placement.BEFORE,
        surface,
        np.array(rows, dtype=np.int64),
        others,
        measure_enrichment(len(rows), len(file.texts), others, len(reference.texts)),
        bonus_of(phrase) - _ANYWHERE if apart else -INSEPARABLE,
    )


def _phrase_text(
    phrase: tuple[str, ...], file: _TurnTexts, rows: Sequence[int]
) -> tuple[str, bool]:
    """Returns the commonest raw wording, and whether it mostly forms whole sentences."""
    counts: Counter[str] = Counter()
    apart = 0
    for row in rows[:200]:
        text = file.texts[row]
        start = _phrase_start(phrase, text.norm)
        end = start + len(phrase)
        spans = text.spans[start:end]
        counts[text.text[spans[0][0] : spans[-1][1]].strip(NEWLINE + " ,;")] += 1
        opens = start == 0 or text.norm[start - 1] in SENTENCE_ENDS
        closes = end == len(text.norm) or bool({text.norm[end - 1], text.norm[end]} & SENTENCE_ENDS)
        apart += opens and closes
    return counts.most_common(1)[0][0], apart > 0.8 * min(len(rows), 200)


def _phrase_start(phrase: tuple[str, ...], norm: tuple[str, ...]) -> int:
    """Returns the token index at which a text's phrase starts."""
    return next(i for i in range(len(norm)) if norm[i : i + len(phrase)] == phrase)
