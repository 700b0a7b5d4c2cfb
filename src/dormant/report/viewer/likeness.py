"""Clusters answers by their words, so that a reader sees kinds of answers instead of a list.

Each text becomes a tf-idf vector; average linkage (``scipy.cluster.hierarchy``) joins texts and
groups up to a cosine distance of ``FARTHEST``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

#: Largest number of texts: distances are computed between all pairs.
MOST_TEXTS = 2000
#: Largest cosine distance, averaged over pairs, at which two groups are joined.
FARTHEST = 0.8
_MOST_WORDS = 4000  # columns: the words that most texts contain
_WORD = re.compile(r"[^\W_]+")
#: In scripts without spaces, each character counts as a word.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_LONGEST = 4000  # leading characters of a text that are compared


@dataclass(frozen=True, slots=True)
class AnswerKind:
    """A group of similar texts."""

    members: tuple[int, ...]  # indices of the texts, the most typical one first
    words: tuple[str, ...]  # most distinctive first


def group_texts(texts: Sequence[str], *, words: int = 6) -> list[AnswerKind]:
    """Groups texts by similarity, largest group first; each text is in exactly one group.

    Args:
        texts: at most ``MOST_TEXTS``.
        words: largest number of words that describe a group.
    """
    if not texts:
        return []
    vectors, names = _weigh_words(texts)
    labels = np.ones(len(texts), np.int64)
    if len(texts) > 1:
        distances = 1 - vectors @ vectors.T
        condensed = np.clip(distances[np.triu_indices(len(texts), 1)], 0, 2)
        labels = fcluster(linkage(condensed, "average"), FARTHEST, "distance")
    overall = vectors.mean(axis=0)
    kinds = [
        _describe_kind(np.flatnonzero(labels == label), vectors, overall, names, words)
        for label in np.unique(labels)
    ]
    return sorted(kinds, key=lambda kind: (-len(kind.members), min(kind.members)))


def _describe_kind(
    members: NDArray[np.intp],
    vectors: NDArray[np.float32],
    overall: NDArray[np.float32],
    names: Sequence[str],
    words: int,
) -> AnswerKind:
    center = vectors[members].mean(axis=0)
    order = np.argsort(-(vectors[members] @ center), kind="stable")
    lead = center - overall if len(members) < len(vectors) else center
    top = [int(place) for place in np.argsort(-lead, kind="stable")[:words] if lead[place] > 0]
    return AnswerKind(
        tuple(members[order].tolist()), tuple(names[place] for place in top if center[place] > 0)
    )


def _split_words(text: str) -> list[str]:
    found: list[str] = []
    for word in _WORD.findall(text[:_LONGEST].casefold()):
        found += list(word) if _UNSPACED.search(word) else [word]
    return found


def _weigh_words(texts: Sequence[str]) -> tuple[NDArray[np.float32], list[str]]:
    """Unit tf-idf vectors [texts, words], and the words; zero for a text without words."""
    counts = [Counter(_split_words(text)) for text in texts]
    spread = Counter(word for count in counts for word in count)
    names = [word for word, _ in spread.most_common(_MOST_WORDS)] or [""]
    place = {word: index for index, word in enumerate(names)}
    rarity = np.log((1 + len(texts)) / (1 + np.array([spread[word] for word in names]))) + 1
    vectors = np.zeros((len(texts), len(names)), np.float32)
    for row, count in zip(vectors, counts, strict=True):
        for word, number in count.items():
            if word in place:
                row[place[word]] = 1 + np.log(number)
    vectors *= rarity.astype(np.float32)
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    vectors /= np.where(length > 0, length, 1)
    return vectors, names
