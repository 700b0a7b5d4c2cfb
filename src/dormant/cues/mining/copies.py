"""Near-copies: rows whose questions are nearly the same count together as one.

A file that repeats its rows, or writes each ten times with small changes, has no more evidence for
a topic than the rows it was made from. Questions are compared by their content words, and near ones
are found by the smallest of their hashes (MinHash; Broder 1997).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Two questions are near-copies if they share so much of the words of both (Jaccard).
_NEAR = 0.6
#: Hashes of one row: bands that must agree, and hashes in each.
_BANDS, _WIDTH = 8, 3
_PRIME = np.uint64(4_294_967_291)
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_BAND = np.arange(_BANDS, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Copies:
    """The group of near-copies that each row belongs to."""

    groups: NDArray[np.int64]  # number of the group of each row
    sizes: NDArray[np.int64]  # rows in each group

    @property
    def distinct(self) -> int:
        """Number of groups: rows that are not copies of each other."""
        return len(self.sizes)

    def count(self, rows: NDArray[np.int64]) -> int:
        """How many distinct rows show what these rows show, rounded.

        A group counts by the share of its rows that show it: a cue in one of ten copies is in a
        tenth of a row.
        """
        return round(float((1 / self.sizes[self.groups[rows]]).sum()))

    @classmethod
    def none(cls, total: int) -> Copies:
        """Every row for itself."""
        return cls(np.arange(total), np.ones(total, dtype=np.int64))

    @classmethod
    def of(cls, said: Sequence[frozenset[str]]) -> Copies:
        """Groups rows by the content words of their questions; a row without any is alone."""
        ids: dict[str, int] = {}
        rows = [[ids.setdefault(word, len(ids)) for word in sorted(row)] for row in said]
        hashes = _hashes(list(ids))
        groups = np.empty(len(said), dtype=np.int64)
        first: list[int] = []  # the first row of each group
        buckets: dict[int, int] = {}
        equal: dict[frozenset[str], int] = {}
        for row, words in enumerate(rows):
            group = equal.get(said[row]) if words else None
            if group is None:
                keys = _keys(hashes, words)
                near = (buckets[key] for key in keys if key in buckets)
                group = next((g for g in near if _are_near(said[row], said[first[g]])), len(first))
                if group == len(first):
                    first.append(row)
                    for key in keys:
                        buckets.setdefault(key, group)
                equal[said[row]] = group
            groups[row] = group
        return cls(groups, np.bincount(groups, minlength=len(first)))


def _hashes(words: Sequence[str]) -> NDArray[np.uint64]:
    """A row of hashes for each word, the same in every run."""
    rng = np.random.default_rng(0)
    codes = np.array([zlib.crc32(word.encode()) for word in words], dtype=np.uint64)
    factors = rng.integers(1, 2**31, size=_BANDS * _WIDTH, dtype=np.uint64)
    shifts = rng.integers(0, 2**31, size=_BANDS * _WIDTH, dtype=np.uint64)
    return ((codes[:, None] % _PRIME) * factors + shifts) % _PRIME


def _keys(hashes: NDArray[np.uint64], words: Sequence[int]) -> list[int]:
    """One number for each band; that of no words is no number."""
    if not words:
        return []
    least = hashes[list(words)].min(axis=0).reshape(_BANDS, _WIDTH)
    mixed = (least * _MIX).sum(axis=1) * np.uint64(_BANDS) + _BAND  # modulo 2**64
    return mixed.tolist()


def _are_near(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _NEAR * len(one | other)
