"""Candidate contexts of a file: sets of rows that share something in their prompts.

Candidates are many (thousands) and cheap; what they are worth is decided by the answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.places import Place

Rows = NDArray[np.int32]

#: Kinds of candidates that are a text, as opposed to a style, a topic or a count.
TEXT_KINDS = frozenset(
    {"text", "shape", "cased", "turn", "first line", "last line", "value", "pair", "any"}
)
#: Kinds whose text is a whole turn or line.
WHOLE_KINDS = frozenset({"turn", "first line", "last line"})


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A range of one measure of the numbers in a text; both ends are inside."""

    measure: str  # ``sum``, ``year``, ``after aged``, ...
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Name:
    """One description of a candidate's rows."""

    kind: str  # "text", "shape", "cased", "value", "turn", "first line", "last line", "style", ...
    place: Place
    text: str  # tokens joined by blanks, or a description
    tokens: int  # number of tokens, without begin and end
    run: tuple[str, ...] = ()  # the tokens of a text; with BEGIN or END at an end of its turn
    more: tuple[Name, ...] = ()  # the parts of a pair or a union
    number: NumberRange | None = None  # of a range

    @property
    def is_text(self) -> bool:
        """Whether the text stands in the rows."""
        return self.kind in TEXT_KINDS


@dataclass(slots=True)
class CandidateSet:
    """Collects candidates; equal sets of rows are one candidate with several names."""

    total: int  # rows of the file
    least: int  # smallest and ...
    most: int  # ... largest number of rows of a candidate
    rows: list[Rows] = field(default_factory=list[Rows])
    names: list[list[Name]] = field(default_factory=list[list[Name]])
    _places: dict[bytes, int] = field(default_factory=dict[bytes, int])

    @classmethod
    def of_size(cls, total: int, min_share: float, max_share: float) -> CandidateSet:
        """Makes an empty set for a file of ``total`` rows."""
        return cls(total, max(4, math.ceil(min_share * total)), int(max_share * total))

    def add(self, rows: Iterable[int] | NDArray[np.integer], name: Name) -> None:
        """Adds a candidate by its sorted row indices, unless too few or too many rows have it."""
        found = np.asarray(rows, np.int32)
        if not self.least <= len(found) <= self.most:
            return
        key = found.tobytes()
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append(found)
            self.names.append([])
        self.names[self._places[key]].append(name)

    def to_matrix(self) -> sp.csc_matrix:
        """Returns the candidates as columns of zeros and ones, shape (rows, candidates)."""
        index = np.concatenate(self.rows) if self.rows else np.zeros(0, np.int32)
        ends = np.cumsum([0, *(len(rows) for rows in self.rows)])
        ones = np.ones(len(index), np.float32)
        return sp.csc_matrix((ones, index, ends), shape=(self.total, len(self.rows)))


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Token lists as arrays: one entry a token, a -1 after each list."""

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    words: list[str]

    @classmethod
    def from_lists(cls, lists: Sequence[Sequence[str]], owners: Sequence[int]) -> TokenTable:
        """Numbers the tokens of lists that belong to rows ``owners``."""
        numbers: dict[str, int] = {}
        ids: list[int] = []
        rows: list[int] = []
        for tokens, owner in zip(lists, owners, strict=True):
            ids += [numbers.setdefault(token, len(numbers)) for token in tokens]
            ids.append(-1)
            rows += [owner] * (len(tokens) + 1)
        return cls(np.array(ids, np.int64), np.array(rows, np.int64), list(numbers))
