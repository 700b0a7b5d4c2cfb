"""Features: properties of rows of any sort, counted in file and reference."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.cues.mining.counts import Enrichment, measure_enrichment
from dormant.records import CueKind, Placement


@dataclass(frozen=True, slots=True)
class Feature:
    """A property of rows, with the text that causes it in a prompt."""

    kind: CueKind
    placement: Placement
    text: str
    rows: NDArray[np.int64]  # sorted indices of the rows that show it
    reference_rows: int  # how many rows of the reference show it
    measure: Enrichment
    bonus: float  # bits of specificity, which a small reference cannot show
    form: str = ""
    says: str = ""  # describes the rows, e.g. "are asked in German"; empty: by kind


@dataclass(frozen=True, slots=True)
class FeatureSearch:
    """Enriched features, and the number of candidates that was tested."""

    found: tuple[Feature, ...]
    looked_at: int


@dataclass(frozen=True, slots=True)
class PromptPattern:
    """A pattern of prompts, and texts of which every match contains one.

    Searching the texts first is ten times as fast as searching the pattern in every prompt.
    """

    needles: tuple[str, ...]  # lower case
    pattern: re.Pattern[str]

    @classmethod
    def from_needles(cls, needles: str, pattern: str) -> PromptPattern:
        """Makes a pattern from blank-separated needles (``_`` for a blank in one) and a regex."""
        return cls(tuple(n.replace("_", " ") for n in needles.split()), re.compile(pattern))

    def __call__(self, text: str) -> bool:
        """Whether a casefolded text matches."""
        return any(map(text.__contains__, self.needles)) and bool(self.pattern.search(text))


@dataclass(frozen=True, slots=True)
class Sort:
    """Kind, placement and specificity of the features of one sort."""

    kind: CueKind
    placement: Placement
    bonus: float


def label_features(
    file: Iterable[Collection[str]],
    reference: Iterable[Collection[str]],
    *,
    sort: Sort,
    min_rows: int,
) -> FeatureSearch:
    """Counts labels and returns the enriched ones as features.

    Args:
        file: the labels of each row of the file.
        reference: the same of the reference corpus.
        sort: kind, place and specificity of the features.
        min_rows: smallest number of rows of a feature.

    Returns:
        Enriched features, most enriched first, and the number of labels that enough rows have.
    """
    rows, others = _by_label(file), _by_label(reference)
    total, reference_total = rows.pop(_ALL), others.pop(_ALL)
    found: list[Feature] = []
    common = {label: at for label, at in rows.items() if len(at) >= min_rows}
    for label, at in common.items():
        other = len(others.get(label, ()))
        measure = measure_enrichment(len(at), len(total), other, len(reference_total))
        if measure.low > 0:
            feature = Feature(
                sort.kind, sort.placement, label, np.array(at), other, measure, sort.bonus
            )
            found.append(feature)
    found.sort(key=lambda f: (-f.measure.low, f.text))
    return FeatureSearch(tuple(found), len(common))


def merge_searches(searches: Sequence[FeatureSearch]) -> FeatureSearch:
    """Merges several searches into one."""
    return FeatureSearch(
        tuple(feature for part in searches for feature in part.found),
        sum(part.looked_at for part in searches),
    )


#: Stands for every row, so that totals come from the same pass; no label is empty.
_ALL = ""


def _by_label(labels: Iterable[Collection[str]]) -> dict[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    every = rows[_ALL]
    for i, found in enumerate(labels):
        every.append(i)
        for label in found:
            rows[label].append(i)
    return dict(rows)
