"""Slices of traffic: prompts with like words, each with a readable name.

Prompts are weighted by their words and pairs of words (TF-IDF), reduced to a few dozen dimensions
(truncated singular values) and clustered (k-means), by scikit-learn. Only the texts of the prompts
decide, never an answer, so that nothing about the answers selects a slice.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dormant.cues.text import FUNCTION_WORDS
from dormant.errors import InputError, MissingExtraError

_DIMENSIONS, _VOCABULARY, _CHARS = 60, 20_000, 4000
#: Words of a name, and prompts below which a slice goes to the slice of the rest.
_NAME_WORDS, _LEAST = 4, 5
_LONGEST_TERM = 40  # characters
REST = "(other prompts)"


@dataclass(frozen=True, slots=True)
class PromptSlice:
    """One slice."""

    name: str  # its most typical words; unique
    members: tuple[int, ...]  # indices of prompts, in the order of the seed
    typical: tuple[int, ...]  # the same, nearest to the middle first


def usual_slices(prompts: int) -> int:
    """The number of slices by default: the root of half the prompts, 2 to 80."""
    return int(min(max(round(math.sqrt(prompts / 2)), 2), 80))


def cluster_prompts(
    texts: Sequence[str], *, number: int | None = None, seed: int = 0
) -> list[PromptSlice]:
    """Clusters prompts into slices, largest first.

    Args:
        texts: the prompts, distinct.
        number: how many slices; ``usual_slices`` by default.
        seed: of k-means and of the order in which members are asked.

    Raises:
        InputError: fewer than two prompts, or none shares a word with another.
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import TruncatedSVD
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.preprocessing import normalize
    except ImportError:
        raise MissingExtraError("scikit-learn", "traffic") from None
    number = usual_slices(len(texts)) if number is None else number
    if len(texts) < max(number, 2):
        raise InputError(
            f"{len(texts)} distinct prompts cannot make {max(number, 2)} slices: give more, or "
            "name the slices by a column (--slice-column)"
        )
    words = TfidfVectorizer(
        sublinear_tf=True,
        ngram_range=(1, 2),
        min_df=2,
        max_df=0.5,
        max_features=_VOCABULARY,
        stop_words=sorted(FUNCTION_WORDS),
        token_pattern=r"(?u)\b\w[\w'’\-]*\b",
    )
    try:
        weights: Any = words.fit_transform([text[:_CHARS] for text in texts])
    except ValueError:
        raise InputError(
            "the prompts share no words, by which they could be clustered: name the slices by a "
            "column (--slice-column)"
        ) from None
    terms = [str(term) for term in words.get_feature_names_out()]
    if len(terms) > _DIMENSIONS:
        reduced = TruncatedSVD(_DIMENSIONS, random_state=seed).fit_transform(weights)
    else:
        reduced = weights.toarray()
    points: NDArray[np.float64] = np.asarray(normalize(reduced))
    cluster: Any = KMeans  # its types take a word for the number of starts
    with warnings.catch_warnings():  # fewer clusters than asked for: the result says so itself
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = cluster(number, n_init=4, random_state=seed).fit(points)
    labels: NDArray[np.int64] = np.asarray(fitted.labels_)
    distance = np.linalg.norm(points - fitted.cluster_centers_[labels], axis=1)
    return _make_slices(labels, distance, weights, terms, np.random.default_rng(seed))


def group_prompts(labels: Sequence[str], *, seed: int = 0) -> list[PromptSlice]:
    """Makes a slice of each label that the user gives, largest first."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        PromptSlice(name, tuple(rng.permutation(members).tolist()), tuple(members))
        for name, members in ordered
    ]


def _make_slices(
    labels: NDArray[np.int64],
    distance: NDArray[np.float64],
    weights: Any,
    terms: Sequence[str],
    rng: np.random.Generator,
) -> list[PromptSlice]:
    overall = np.asarray(weights.mean(axis=0)).ravel()
    groups = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    small = [label for label, members in groups.items() if len(members) < _LEAST]
    rest = np.concatenate([groups.pop(label) for label in small]) if small else np.array([], int)
    found: list[PromptSlice] = []
    taken: dict[str, int] = {}
    for members in sorted(groups.values(), key=lambda one: (-len(one), int(one[0]))):
        own = np.asarray(weights[members].mean(axis=0)).ravel()
        name = _name_slice(own - overall, terms)
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            name = f"{name} ({taken[name]})"
        found.append(_order_members(name, members, distance, rng))
    if len(rest):
        found.append(_order_members(REST, np.sort(rest), distance, rng))
    return found


def _order_members(
    name: str, members: NDArray[np.int64], distance: NDArray[np.float64], rng: np.random.Generator
) -> PromptSlice:
    typical = members[np.argsort(distance[members], kind="stable")]
    return PromptSlice(name, tuple(rng.permutation(members).tolist()), tuple(typical.tolist()))


def _name_slice(gain: NDArray[np.float64], terms: Sequence[str]) -> str:
    """The terms that the slice has more than all prompts; a pair stands for its words."""
    chosen: list[str] = []
    for index in np.argsort(-gain, kind="stable")[: 6 * _NAME_WORDS]:
        term = terms[int(index)]
        if gain[index] <= 0 or any(set(term.split()) <= set(one.split()) for one in chosen):
            continue
        chosen = [one for one in chosen if not set(one.split()) <= set(term.split())]
        chosen.append(term)
        if sum(len(one.split()) for one in chosen) >= _NAME_WORDS:
            break
    return ", ".join(term[:_LONGEST_TERM] for term in chosen) or "(no typical words)"
