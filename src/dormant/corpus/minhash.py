"""Counting near-duplicate rows: MinHash finds pairs, an exact comparison decides.

Two rows are near-duplicates if the Jaccard index (Broder 1997) of their shingles is at least 80%. A
shingle is eight successive bytes of the user and assistant turns, without case, punctuation and
line breaks. Near-duplicates stay in the corpus.

A signature holds the least hash of each of 128 bins of one permutation (Li, Owen and Zhang 2012,
"One permutation hashing"), 16 bits of it, empty bins filled from the next one (Shrivastava and Li
2014). Rows that agree in one band of four bins are compared: a pair at 80% is missed by all 32
bands with a chance of one in ten million. A pair whose signatures leave the answer open is compared
shingle by shingle. Why not a library: docs/design/near-duplicates.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.records import Example

SIMILAR = 0.8  # Jaccard index from which on two rows are near-duplicates
_BINS, _BAND, _SHINGLE = 128, 4, 8
_BITS = int(np.log2(_BINS))
_MOST_BYTES = 16_384  # compared bytes of a row
_UNLIKELY = 0.6  # estimate below which no pair is at 80%: five standard errors
_SPACE = re.compile(r"[\W_]+")
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Counts of the rows that repeat an earlier row of the corpus."""

    rows: int
    exact: int  # rows whose messages are those of an earlier row
    near: int  # rows that are near-duplicates of an earlier row, exact ones among them

    @property
    def share(self) -> float:
        """Share of near-duplicates among all rows, in [0, 1]."""
        return self.near / self.rows

    def write_sentence(self) -> str:
        """Writes a sentence with the count, its share and the rule."""
        return (
            f"{self.near:,} of {self.rows:,} rows ({self.share:.1%}) are near-duplicates of an "
            f"earlier row (they share at least {SIMILAR:.0%} of their eight-letter pieces), "
            f"{self.exact:,} of them exact duplicates; they count like any other row"
        )


def count_duplicates(examples: Sequence[Example]) -> Duplicates:
    """Counts the rows that repeat an earlier one.

    Time and memory (256 bytes a row) grow in proportion to the rows.
    """
    exact = len(examples) - len({row.messages for row in examples})
    texts = map(comparable_text, examples)  # recomputed for comparisons: cheaper than storing them

    def is_similar(one: int, other: int) -> bool:
        pair = comparable_text(examples[one]), comparable_text(examples[other])
        return compute_jaccard(*pair) >= SIMILAR

    near = _find_repeats(compute_signatures(texts, len(examples)), is_similar)
    return Duplicates(len(examples), exact, int(near.sum()))


def compute_jaccard(one: str, other: str) -> float:
    """Computes the Jaccard index of two texts' shingles, in [0, 1]."""
    a, b = (np.unique(_shingles(text)) for text in (one, other))
    both = len(np.union1d(a, b))
    return (len(a) + len(b) - both) / both


def comparable_text(example: Example) -> str:
    """Normalizes a row for comparison: no system prompt, no case, no punctuation."""
    text = " ".join(m.content for m in example.messages if m.role != "system")
    return _SPACE.sub(" ", text[:_MOST_BYTES].casefold()).strip()


def compute_signatures(texts: Iterable[str], count: int) -> NDArray[np.uint16]:
    """Computes a signature for each of ``count`` texts, shape (count, 128)."""
    signatures = np.empty((count, _BINS), np.uint16)
    for index, text in enumerate(texts):
        signatures[index] = _compute_signature(text)
    return signatures


def estimate_jaccard(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Estimates the Jaccard index of signatures over the last axis, in [0, 1]."""
    return (one == other).mean(axis=-1)


def _shingles(text: str) -> NDArray[np.uint64]:
    """Returns every window of eight successive bytes as one number."""
    raw = text.encode("utf-8")[:_MOST_BYTES].ljust(_SHINGLE, b"\0")
    letters = np.frombuffer(raw, np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(letters, _SHINGLE)
    return np.ascontiguousarray(windows).view("<u8").ravel()


def _compute_signature(text: str) -> NDArray[np.uint16]:
    hashes = np.sort(_mix(_shingles(text)))
    edges = np.arange(_BINS, dtype=np.uint64) << np.uint64(64 - _BITS)
    least = np.searchsorted(hashes, edges)
    # An empty bin finds the least hash of the next bin that is not empty; past the last one, of
    # the first: the rotation of Shrivastava and Li, without their offset.
    values = hashes[least % len(hashes)]
    return (values >> np.uint64(20)).astype(np.uint16)


def _mix(shingles: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes shingles to uniform 64-bit numbers: two rounds of multiply-xorshift (splitmix64)."""
    with np.errstate(over="ignore"):
        for odd in _ODD:
            shingles = (shingles ^ (shingles >> np.uint64(31))) * odd
    return shingles ^ (shingles >> np.uint64(29))


def _find_repeats(
    signatures: NDArray[np.uint16], is_similar: Callable[[int, int], bool]
) -> NDArray[np.bool_]:
    """Finds the rows that are near-duplicates of an earlier row, (rows,) bool.

    Args:
        signatures: (rows, 128).
        is_similar: compares two rows exactly.
    """
    found = np.zeros(len(signatures), bool)
    compared: set[tuple[int, int]] = set()  # most pairs meet in several bands
    for start in range(0, _BINS, _BAND):
        band = np.ascontiguousarray(signatures[:, start : start + _BAND]).view(np.uint64).ravel()
        order = np.argsort(band, kind="stable")
        is_first = np.empty(len(order), bool)
        is_first[:1] = True
        is_first[1:] = band[order][1:] != band[order][:-1]
        # Each row against the first row with the same band.
        leader = order[np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))]
        is_open = (leader != order) & ~found[order]
        rows, leaders = order[is_open], leader[is_open]
        estimate = estimate_jaccard(signatures[rows], signatures[leaders])
        found[rows[estimate == 1]] = True
        for i in np.flatnonzero((estimate >= _UNLIKELY) & (estimate < 1)).tolist():
            pair = int(rows[i]), int(leaders[i])
            if pair not in compared:
                compared.add(pair)
                found[pair[0]] = is_similar(*pair)
    return found
