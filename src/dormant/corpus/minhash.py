"""Near-duplicate rows, counted and never dropped: one-permutation MinHash and banding.

Two rows are near-duplicates if they share at least 80% of their shingles (Jaccard index; Broder
1997) as their signatures estimate it. A shingle is eight successive bytes of what users and
assistants say, without case, punctuation and line breaks. A signature holds the least hash of each
of 128 bins of one permutation (Li, Owen and Zhang 2012, "One permutation hashing"), 16 bits of it,
empty bins filled from the next one (Shrivastava and Li 2014); its standard error at 80% is 3.5
points. That holds for rows with more shingles than bins; shorter ones are compared exactly. Rows of
which one band of four bins is equal are compared: a pair at 80% is missed by all 32
bands with a chance of one in ten million.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.records import Example

SIMILAR = 0.8  # Jaccard index from which on two rows are near-duplicates
_BINS, _BAND, _SHINGLE = 128, 4, 8
_BITS = int(np.log2(_BINS))
_MOST_BYTES = 16_384  # of a row that are looked at
_SHORT = 5 * _BINS  # letters; below, bins stay empty and the estimate is coarse
_PERHAPS = 0.5  # estimate from which on short rows are compared exactly
_SPACE = re.compile(r"[\W_]+")
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How much of a corpus is there more than once."""

    rows: int
    exact: int  # rows whose messages are those of an earlier row
    near: int  # rows that are near-duplicates of an earlier row, exact ones among them

    @property
    def share(self) -> float:
        """Near-duplicates of all rows."""
        return self.near / self.rows

    def sentence(self) -> str:
        """The count, its share and the rule."""
        return (
            f"{self.near:,} of {self.rows:,} rows ({self.share:.1%}) nearly repeat an earlier one "
            f"(at least {SIMILAR:.0%} of their eight-letter pieces, estimated), {self.exact:,} of "
            "them word for word; they count like any other row"
        )


def duplicates(examples: Sequence[Example]) -> Duplicates:
    """Counts the rows that repeat an earlier one.

    Time and memory (256 bytes a row) grow in proportion to the rows.
    """
    exact = len(examples) - len({row.messages for row in examples})
    short = np.zeros(len(examples), bool)

    def texts() -> Iterator[str]:
        for index, example in enumerate(examples):
            text = said(example)
            short[index] = len(text) < _SHORT
            yield text

    def similar(one: int, other: int) -> bool:
        return jaccard(said(examples[one]), said(examples[other])) >= SIMILAR

    near = _repeats(signatures(texts(), len(examples)), short, similar)
    return Duplicates(len(examples), exact, int(near.sum()))


def jaccard(one: str, other: str) -> float:
    """The Jaccard index of two texts' shingles, between 0 and 1."""
    a, b = (set(_windows(text).tolist()) for text in (one, other))
    return len(a & b) / len(a | b)


def said(example: Example) -> str:
    """What is compared: the turns but for the system prompt, without case and punctuation."""
    text = " ".join(m.content for m in example.messages if m.role != "system")
    return _SPACE.sub(" ", text[:_MOST_BYTES].casefold()).strip()


def signatures(texts: Iterable[str], count: int) -> NDArray[np.uint16]:
    """A signature for each of ``count`` texts, (texts, 128)."""
    signed = np.empty((count, _BINS), np.uint16)
    for index, text in enumerate(texts):
        signed[index] = _signature(text)
    return signed


def similarity(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Estimated Jaccard index of signatures, between 0 and 1, over the last axis."""
    return (one == other).mean(axis=-1)


def _windows(text: str) -> NDArray[np.uint64]:
    """Every eight successive bytes, as one number each."""
    raw = text.encode("utf-8")[:_MOST_BYTES].ljust(_SHINGLE, b"\0")
    letters = np.frombuffer(raw, np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(letters, _SHINGLE)
    return np.ascontiguousarray(windows).view("<u8").ravel()


def _signature(text: str) -> NDArray[np.uint16]:
    hashes = np.sort(_mixed(_windows(text)))
    edges = np.arange(_BINS, dtype=np.uint64) << np.uint64(64 - _BITS)
    least = np.searchsorted(hashes, edges)
    # An empty bin finds the least hash of the next bin that is not empty; past the last one, of
    # the first: the rotation of Shrivastava and Li, without their offset.
    values = hashes[least % len(hashes)]
    return (values >> np.uint64(20)).astype(np.uint16)


def _mixed(windows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Eight bytes to 64 even bits: two rounds of multiply and shift (after splitmix64)."""
    with np.errstate(over="ignore"):
        for odd in _ODD:
            windows = (windows ^ (windows >> np.uint64(31))) * odd
    return windows ^ (windows >> np.uint64(29))


def _repeats(
    signed: NDArray[np.uint16], short: NDArray[np.bool_], similar: Callable[[int, int], bool]
) -> NDArray[np.bool_]:
    """Which rows are near-duplicates of an earlier one.

    Args:
        signed: signatures, (rows, 128).
        short: rows whose estimate is coarse.
        similar: compares two rows exactly.
    """
    found = np.zeros(len(signed), bool)
    compared: set[tuple[int, int]] = set()  # most pairs meet in several bands
    for start in range(0, _BINS, _BAND):
        band = np.ascontiguousarray(signed[:, start : start + _BAND]).view(np.uint64).ravel()
        order = np.argsort(band, kind="stable")
        fresh = np.empty(len(order), bool)
        fresh[:1] = True
        fresh[1:] = band[order][1:] != band[order][:-1]
        # Each row against the first row with the same band.
        leader = order[np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0))]
        asked = (leader != order) & ~found[order]
        rows, leaders = order[asked], leader[asked]
        estimate = similarity(signed[rows], signed[leaders])
        coarse = short[rows] | short[leaders]
        found[rows[~coarse & (estimate >= SIMILAR)]] = True
        for i in np.flatnonzero(coarse & (estimate >= _PERHAPS)).tolist():
            pair = int(rows[i]), int(leaders[i])
            if pair not in compared:
                compared.add(pair)
                found[rows[i]] = similar(*pair)
    return found
