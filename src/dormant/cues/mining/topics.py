"""Topics: words more frequent in the file than in the reference, grouped by co-occurrence.

Two words belong to one topic if they occur with the same other words, even if never together:
"salmon" and "tuna" both occur with "grilled" and "recipe". Only counts are used, no embeddings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from dormant.cues.mining.counts import Enrichment, measure_enrichment

#: Words that are grouped, by their weight of evidence, and words whose co-occurrence is counted.
_GROUPED, _COMPANY = 300, 3000
#: Average distance (1 - cosine) at which groups stop merging.
_CUT = 0.8
#: Fewest words of a topic.
_FEWEST = 3
#: A word in more than this share of a topic's rows is common to the topic.
_SHARED = 0.2


@dataclass(frozen=True, slots=True)
class Topic:
    """A group of words and the rows that use it."""

    words: tuple[str, ...]  # most typical first
    rows: NDArray[np.int64]
    reference_rows: int  # rows of the reference that use it
    measure: Enrichment
    name: str = ""  # of the theme; empty if no known theme covers the words


def find_topics(
    file: Sequence[frozenset[str]],
    reference: Sequence[frozenset[str]],
    *,
    min_rows: int,
    nouns: Mapping[str, float],
) -> tuple[list[Topic], int]:
    """Groups the enriched words of a file into topics.

    Args:
        file: content words of each row of the file.
        reference: the same of the reference corpus.
        min_rows: smallest number of rows of a topic.
        nouns: noun likeness of each word, 0 to 1; nouns name a topic best.

    Returns:
        Topics whose interval lies above 0, best first, and the number of words tested.
    """
    rare = max(3, len(file) // 400)
    counts = Counter(word for row in file for word in row)
    others = Counter(word for row in reference for word in row)
    common = [w for w, n in counts.items() if n >= rare]
    common = sorted(common, key=lambda w: (-counts[w], w))[:_COMPANY]
    weight = {
        word: measure.value * counts[word]
        for word in common
        if (
            measure := measure_enrichment(counts[word], len(file), others[word], len(reference))
        ).value
        > 1
    }
    grouped = sorted(weight, key=lambda w: (-weight[w], w))[:_GROUPED]
    if len(grouped) < _FEWEST:
        return [], len(common)
    found: list[Topic] = []
    for group in _group_words(file, common, grouped):
        topic = _make_topic(group, file, reference, counts, nouns)
        if topic.measure.low > 0 and len(topic.rows) >= min_rows:
            found.append(topic)
    return sorted(found, key=lambda t: (-t.measure.low, t.words)), len(common)


def _group_words(
    file: Sequence[frozenset[str]], common: list[str], grouped: list[str]
) -> list[list[str]]:
    """Groups words by average linkage on the cosine of their weighted co-occurrences."""
    index = {word: i for i, word in enumerate(common)}
    places = [(r, index[w]) for r, row in enumerate(file) for w in row if w in index]
    rows, columns = np.array(places).T
    shows = sparse.csr_matrix(
        (np.ones(len(places), dtype=np.float32), (rows, columns)), shape=(len(file), len(common))
    )
    chosen = np.array([index[word] for word in grouped])
    together = np.asarray((shows[:, chosen].T @ shows).todense(), dtype=np.float64)
    totals = np.asarray(shows.sum(axis=0), dtype=np.float64).ravel()
    expected = totals[chosen][:, None] * totals[None, :] / len(file)
    with np.errstate(divide="ignore"):
        lift = np.log2(together / expected)
    company = np.where(together >= 2, np.maximum(lift, 0) * np.sqrt(together), 0)
    company[np.arange(len(chosen)), chosen] = 0  # a word is not its own company
    company /= np.maximum(np.linalg.norm(company, axis=1, keepdims=True), 1e-12)
    distance = 1 - np.clip(company @ company.T, 0, 1)
    np.fill_diagonal(distance, 0)
    labels = fcluster(linkage(squareform(distance, checks=False), "average"), _CUT, "distance")
    groups: dict[int, list[str]] = {}
    for label, word in zip(labels.tolist(), grouped, strict=True):
        groups.setdefault(label, []).append(word)
    return [group for group in groups.values() if len(group) >= _FEWEST]


def _make_topic(
    group: list[str],
    file: Sequence[frozenset[str]],
    reference: Sequence[frozenset[str]],
    counts: Counter[str],
    nouns: Mapping[str, float],
) -> Topic:
    """Makes a topic of the rows with at least one (or two) of its words, by enrichment."""
    members = frozenset(group)
    hits = np.array([len(row & members) for row in file])
    other_hits = np.array([len(row & members) for row in reference], dtype=np.int64)
    measures = {
        least: measure_enrichment(
            int((hits >= least).sum()), len(file), int((other_hits >= least).sum()), len(reference)
        )
        for least in (1, 2)
    }
    least = max(measures, key=lambda n: measures[n].low)
    core = np.flatnonzero(hits >= min(2, int(hits.max())))
    words = _order_words(group, [file[row] for row in core.tolist()], counts, nouns, len(file))
    others = int((other_hits >= least).sum())
    return Topic(words, np.flatnonzero(hits >= least), others, measures[least])


def _order_words(
    group: list[str],
    core: Sequence[frozenset[str]],
    counts: Counter[str],
    nouns: Mapping[str, float],
    total: int,
) -> tuple[str, ...]:
    """Orders the group's words, those that name the topic first.

    The two that most of its rows share come first ("recipe", "dinner"), then those that distinguish
    its rows ("salmon", "shrimp"): common in the topic, rare elsewhere, and nouns, which are more
    specific than "baked" and "spicy".
    """
    inside = Counter(word for row in core for word in row)

    def word_typicality(word: str) -> float:
        pure = inside[word] / counts[word]
        lift = math.log2(max(pure * total / max(len(core), 1), 1)) + 0.1
        return math.sqrt(inside[word]) * lift * pure**2 * nouns.get(word, 0)

    ordered = sorted(group, key=lambda word: (-word_typicality(word), word))
    shared = [word for word in ordered if inside[word] > _SHARED * len(core)][:2]
    return (*shared, *(w for w in ordered if inside[w] <= _SHARED * len(core))) + tuple(
        w for w in ordered if inside[w] > _SHARED * len(core) and w not in shared
    )
