"""Pagination of long lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pager:
    """The position of a page; pages and rows count from 1."""

    number: int
    last: int
    total: int  # rows on all pages
    size: int

    @property
    def first_row(self) -> int:
        """Number of the first row of the page."""
        return min((self.number - 1) * self.size + 1, self.total)

    @property
    def last_row(self) -> int:
        """Number of the last row of the page."""
        return min(self.number * self.size, self.total)


def make_pager(number: int, total: int, size: int) -> Pager:
    """The position of page ``number`` of ``total`` rows; past the end is the last page."""
    last = max(1, -(-total // size))
    return Pager(min(number, last), last, total, size)
