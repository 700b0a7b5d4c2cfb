"""Near-copies: rows with nearly the same question count together as one.

A file that repeats its rows, or has each ten times with small changes, has no more evidence for a
topic than the rows it was made from. Questions are compared exactly, by their content words: two
sets that share enough words must share one of their rarest ones, so that few pairs are compared
(prefix filtering; Chaudhuri, Ganti and Kaushik 2006).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Smallest Jaccard index of the words of two near-copies.
_NEAR = 0.6
#: Most groups that are indexed under one word. This bounds the work in a file of a few dozen words,
#: where any two rows share some; other files do not reach it.
_MOST_GROUPS = 100


@dataclass(frozen=True, slots=True)
class Copies:
    """The group of near-copies that each row belongs to."""

    groups: NDArray[np.int64]  # number of the group of each row
    sizes: NDArray[np.int64]  # rows in each group

    @property
    def distinct(self) -> int:
        """Number of groups: rows that are not copies of each other."""
        return len(self.sizes)

    def count_distinct(self, rows: NDArray[np.int64]) -> int:
        """Counts rows, each group of copies as one row in all; rounded.

        A group counts by the share of its rows that are included: a cue in one of ten copies is in
        a tenth of a row.
        """
        return round(float((1 / self.sizes[self.groups[rows]]).sum()))

    @classmethod
    def without_copies(cls, total: int) -> Copies:
        """Treats every row as distinct."""
        return cls(np.arange(total), np.ones(total, dtype=np.int64))

    @classmethod
    def from_questions(cls, questions: Sequence[frozenset[str]]) -> Copies:
        """Groups rows by the content words of their questions; a row without any is distinct.

        A row joins the earliest group whose first row it is a near-copy of.
        """
        rows_with = Counter(word for words in questions for word in words)
        groups = np.empty(len(questions), dtype=np.int64)
        first: list[frozenset[str]] = []  # the words of the first row of each group
        groups_with: defaultdict[str, list[int]] = defaultdict(list)  # by rare word
        group_of: dict[frozenset[str], int] = {}
        for row, words in enumerate(questions):
            group = group_of.get(words)
            if group is None:
                rare = sorted(words, key=lambda word: (rows_with[word], word))
                rare = rare[: len(words) - math.ceil(_NEAR * len(words)) + 1]
                candidates = sorted({group for word in rare for group in groups_with[word]})
                near = (group for group in candidates if _are_near(words, first[group]))
                group = next(near, len(first))
                if group == len(first):
                    first.append(words)
                    for word in rare:
                        if len(groups_with[word]) < _MOST_GROUPS:
                            groups_with[word].append(group)
                if words:
                    group_of[words] = group
            groups[row] = group
        return cls(groups, np.bincount(groups, minlength=len(first)))


def _are_near(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _NEAR * len(one | other)
