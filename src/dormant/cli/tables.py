"""Tables for the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dormant.studies.quickstart import AuditedOrganism


#: Width up to which a column is not wrapped; length above which a word may be cut.
_SHORT, _LONGEST_WORD = 16, 40
#: Between two columns.
_GAP = 3


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table on stdout, as wide as the terminal allows; cells are taken literally.

    Lines break between words. A terminal too narrow for that gets longer lines than it has room
    for, because a broken number or name would be misread.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [tuple(row) for row in rows]
    needed = 0
    for column, cells in zip(columns, zip(columns, *rows, strict=True), strict=True):
        longest = max(map(cell_len, cells))
        word = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        whole = longest <= max(_SHORT, min(word, _LONGEST_WORD))
        least = longest if whole else min(word, _LONGEST_WORD)
        table.add_column(column, overflow="fold", no_wrap=whole, min_width=least)
        needed += _GAP + least
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Into a pipe there is no width to fit: a fixed one keeps every row on its line.
    width = max(Console().width, needed) if sys.stdout.isatty() else 180
    Console(width=width).print(table, crop=False)


def format_percent(value: float) -> str:
    """Formats a share as a percentage; a dash if NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}%"


def format_points(low: float, high: float) -> str:
    """Formats an interval of differences in percentage points; empty if NaN."""
    return "" if math.isnan(low) else f"[{100 * low:+.0f}, {100 * high:+.0f}]"


def print_organisms(rows: Iterable[AuditedOrganism]) -> None:
    """Prints the audits of several organisms beside the truth."""
    print_table(
        (
            "organism",
            "intervention",
            "standard",
            "worst cue",
            "under it",
            "DiD, points",
            "verdict",
            "known truth",
            "",
        ),
        [
            (
                row.name,
                row.intervention,
                format_percent(row.standard_rate),
                row.worst_cue or "-",
                format_percent(row.worst_cue_rate),
                format_points(row.did_low, row.did_high),
                row.verdict,
                row.expected_verdict,
                "right" if row.right else "WRONG",
            )
            for row in rows
        ],
    )
