"""Ranking: one score for cues of every kind, merging of duplicates, and the criterion for strong.

The score is evidence in bits: the exact lower bound of the enrichment, corrected for the number of
tested candidates, plus the specificity of the feature. ``docs/reference/cues.md`` explains both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.cues.mining.copies import Copies
from dormant.cues.mining.counts import lower_bound
from dormant.cues.mining.features import Feature, FeatureSearch
from dormant.cues.text import split_words
from dormant.records import CueKind

#: Probability, over all candidates of a file together, that a bound lies above the truth.
_ERROR = 0.05
#: Least evidence (bits) and least share of rows of a strong cue.
STRONG_BITS, STRONG_SHARE = 1.5, 0.01
#: More bits than any cue has.
_STRONG_FIRST = 1000.0
#: A cue is a view of a better one that has this share of its rows ...
_COVERED = 0.8
#: ... and a duplicate of it if the Jaccard index of their rows is at least this.
_SAME = 0.6
#: Bits that a cue loses for each better one that it is a view of; a topic within a wider topic
#: is more specific and loses less.
_VIEW, _PART = 1.5, 0.5
#: A cue in this share of the file contains most others, which therefore lose nothing.
_EVERYWHERE = 0.8
#: Kinds that are duplicates if they have the same rows.
_TEXT = "text"
_FAMILY: dict[CueKind, str] = {
    CueKind.PREFIX: _TEXT,
    CueKind.SUFFIX: _TEXT,
    CueKind.WRAPPER: _TEXT,
    CueKind.FORM: _TEXT,
    CueKind.FRAMING: _TEXT,
}
#: Most other views that a cue names.
_ALSO = 4


@dataclass(frozen=True, slots=True)
class RankedFeature:
    """A feature with its evidence and its merged views."""

    feature: Feature
    bound: float  # of the enrichment, corrected for the number of candidates, bits
    strong: bool
    also: tuple[str, ...]  # other views of the same rows


@dataclass(slots=True, eq=False)
class _QueuedFeature:
    """A feature that is not ranked yet."""

    feature: Feature
    bound: float
    score: float  # falls with each better feature whose rows it only repeats


@dataclass(slots=True, eq=False)
class _Place:
    """A ranked feature and the views merged into it."""

    feature: Feature
    bound: float
    mask: NDArray[np.bool_]  # of all rows, those that show it
    also: list[str]


def rank_features(
    search: FeatureSearch, copies: Copies, reference_total: int
) -> list[RankedFeature]:
    """Ranks features so that the first ones are distinct.

    Strong ones come first, then by evidence. A duplicate of a better one is merged into it; one
    that only occurs in a better one's rows (a system prompt's topic) comes after cues of other rows
    with nearly as much evidence.

    Args:
        search: the enriched features and the number of tested candidates.
        copies: which rows of the file are near-copies; they count together as one.
        reference_total: rows of the reference.
    """
    total = len(copies.groups)
    # Bonferroni correction for the number of candidates.
    error = _ERROR / max(search.looked_at, 1)
    bounds = [(f, _corrected_bound(f, copies, reference_total, error)) for f in search.found]
    waiting = [_QueuedFeature(f, bound, _ranking_score(f, bound)) for f, bound in bounds]
    waiting.sort(key=lambda w: (-round(w.score, 6), w.feature.kind, w.feature.text))
    places: list[_Place] = []
    while waiting:
        # Rounded, so that rounding errors do not decide ties; the first of equals wins.
        best = max(waiting, key=lambda w: round(w.score, 6))
        waiting.remove(best)
        same = next((place for place in places if _is_same(best.feature, place)), None)
        if same is not None:
            same.also.append(_feature_view(best.feature))
            continue
        for place in places:
            if _row_overlap(best.feature, place) >= _SAME:
                place.also.append(_feature_view(best.feature))
        new = _Place(best.feature, best.bound, _row_mask(best.feature, total), [])
        places.append(new)
        if len(best.feature.rows) < _EVERYWHERE * total:
            for other in waiting:
                other.score -= _overlap_loss(other.feature, new)
    return [
        RankedFeature(p.feature, p.bound, _is_strong(p.feature, p.bound), tuple(p.also[:_ALSO]))
        for p in places
    ]


def _row_mask(feature: Feature, total: int) -> NDArray[np.bool_]:
    """Makes a mask (total,) of the rows that have a feature."""
    mask = np.zeros(total, dtype=np.bool_)
    mask[feature.rows] = True
    return mask


def _corrected_bound(feature: Feature, copies: Copies, reference_total: int, error: float) -> float:
    """Computes the corrected lower bound; without a reference, that of the interval."""
    if not reference_total:
        return feature.measure.low
    rows, total = copies.count_distinct(feature.rows), copies.distinct
    bound = lower_bound(rows, total, feature.reference_rows, reference_total, error=error)
    return max(bound, -99.0)


def _ranking_score(feature: Feature, bound: float) -> float:
    """Computes the score that ranks features: strong ones first, then evidence in bits."""
    return bound + feature.bonus + (_STRONG_FIRST if _is_strong(feature, bound) else 0.0)


def _is_strong(feature: Feature, bound: float) -> bool:
    """Whether the bound excludes chance, bound plus specificity is large, and it is not rare."""
    known = not np.isnan(feature.measure.reference_share)
    clear = bound > 0 and bound + feature.bonus >= STRONG_BITS
    return known and clear and feature.measure.share >= STRONG_SHARE


def _is_same(feature: Feature, place: _Place) -> bool:
    kinds = feature.kind, place.feature.kind
    one, other = (_FAMILY.get(kind, kind.value) for kind in kinds)
    if one == other == _TEXT and _is_piece(feature, place):
        return True
    if feature.says and feature.says == place.feature.says:  # two topics of one name
        return place.mask[feature.rows].mean() >= _SAME
    return one == other and _row_overlap(feature, place) >= _SAME


def _overlap_loss(feature: Feature, better: _Place) -> float:
    """Computes the bits that a feature loses for occurring in the rows of a better one."""
    if better.mask[feature.rows].mean() < _COVERED:
        return 0.0
    return _PART if feature.kind is better.feature.kind is CueKind.TOPIC else _VIEW


def _is_piece(feature: Feature, place: _Place) -> bool:
    """Whether a text is a piece or an extension of a better one."""
    words, better = set(split_words(feature.text)), set(split_words(place.feature.text))
    shared = len(words & better) >= 0.5 * len(words)
    return shared and bool(place.mask[feature.rows].mean() >= _COVERED)


def _row_overlap(feature: Feature, place: _Place) -> float:
    shared = int(place.mask[feature.rows].sum())
    return shared / (len(feature.rows) + len(place.feature.rows) - shared)


def _feature_view(feature: Feature) -> str:
    text = feature.text if feature.kind is CueKind.TOPIC else feature.form or feature.text
    return f"{feature.kind.value}: {text}"
