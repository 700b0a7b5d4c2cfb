"""Tables and sentences for the terminal, no wider than it is."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from dormant.cli.terminal import print_line

if TYPE_CHECKING:
    from dormant.studies.quickstart import AuditedOrganism


#: Width up to which a column is not wrapped; length above which a word may be cut.
_SHORT, _LONGEST_WORD = 16, 40
#: Between two columns.
_GAP = "  "
#: Width of tables where there is none to fit, in a pipe or a file.
_PIPE_WIDTH = 180
_INDENT = "  "
#: Before each row of a grid, so that rows stand apart from sentences and can be searched for.
_MARGIN = " "


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, below: Sequence[str] = ()
) -> None:
    """Prints a table on stdout, as wide as the terminal allows; cells are taken literally.

    Cells break between words. A table that is too wide moves some columns to lines below each
    row; if that is not enough, each row becomes a heading with its other cells below.

    Args:
        columns: the headings; may be empty.
        rows: the cells of each row.
        below: the columns to move first, each cell with its heading.
    """
    table = [tuple(columns), *map(tuple, rows)]
    width = output_width(sys.stdout)
    for moved in ((), tuple(index for index, column in enumerate(columns) if column in below)):
        stays = [[cell for index, cell in enumerate(row) if index not in moved] for row in table]
        least = _least_width(stays)
        if width is None or least <= width:
            _print_grid(table, stays, moved, max(least, width or _PIPE_WIDTH))
            return
    assert width is not None
    for row in table[1:]:
        for line in wrap_line(row[0] or "-", width):
            print_line(line, bold=True)
        _print_below(columns, row, range(1, len(row)), width)
    print_line()


def print_text(text: str, *, err: bool = False) -> None:
    """Prints a sentence, wrapped between words if it goes to a terminal.

    Args:
        text: one or more lines; the indentation of each is kept.
        err: print on stderr.
    """
    width = output_width(sys.stderr if err else sys.stdout)
    lines = text.split("\n")
    if width is not None:
        lines = [part for line in lines for part in wrap_line(line, width)]
    print_line("\n".join(lines), err=err)


def output_width(stream: IO[str]) -> int | None:
    """Returns the columns of a stream's terminal, ``COLUMNS`` first; None into a pipe or a file.

    What reads a pipe finds every sentence and every row on one line.
    """
    if not stream.isatty():
        return None
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    return os.get_terminal_size(stream.fileno()).columns or None


def wrap_line(line: str, width: int) -> list[str]:
    """Breaks a line between words, and never within one: a cut path or number would be misread.

    Args:
        line: its indentation is repeated on every line.
        width: in terminal cells.
    """
    words = line.split()
    indent = line[: len(line) - len(line.lstrip())]
    return _fill_lines(words, width, indent, " ") or [line]


def _fill_lines(parts: Iterable[str], width: int, indent: str, gap: str) -> list[str]:
    """Fills lines with parts, as many as fit on each."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{gap}{part}" if lines else ""
        if longer and _count_cells(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(indent + part)
    return lines


def _count_cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _least_width(table: Sequence[Sequence[str]]) -> int:
    """Returns the width of the narrowest grid whose cells break between words only."""
    widths = [_least_column_width(cells) for cells in zip(*table, strict=True)]
    return len(_MARGIN) + sum(widths) + len(_GAP) * (len(widths) - 1)


def _least_column_width(cells: Sequence[str]) -> int:
    longest = max(map(_count_cells, cells))
    word = max((_count_cells(word) for cell in cells for word in _unbroken_parts(cell)), default=0)
    word = min(word, _LONGEST_WORD)
    return longest if longest <= max(_SHORT, word) else word


def _unbroken_parts(cell: str) -> list[str]:
    """Returns the parts of a cell that stay on one line: words; a number with its interval."""
    return cell.split() if any(map(str.isalpha, cell)) else [cell]


def _fit_columns(table: Sequence[Sequence[str]], width: int) -> list[int]:
    """Returns the width of each column: the widest give way first, to their longest words."""
    columns = list(zip(*table, strict=True))
    widths = [max(map(_count_cells, cells)) for cells in columns]
    least = [_least_column_width(cells) for cells in columns]
    excess = len(_MARGIN) + sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0:
        wide = [index for index in range(len(widths)) if widths[index] > least[index]]
        if not wide:
            break
        widths[max(wide, key=lambda index: widths[index])] -= 1
        excess -= 1
    return widths


def _print_grid(
    table: Sequence[Sequence[str]],
    stays: Sequence[Sequence[str]],
    moved: Sequence[int],
    width: int,
) -> None:
    """Prints a grid, and the cells that were moved out of it below each row."""
    widths = _fit_columns(stays, width)
    print_line("\n".join(_lay_out(stays[0], widths)), bold=True)
    print_line(_MARGIN + "─" * (sum(widths) + len(_GAP) * (len(widths) - 1)))
    for row, cells in zip(table[1:], stays[1:], strict=True):
        print_line("\n".join(_lay_out(cells, widths)))
        _print_below(table[0], row, moved, width)
    print_line()


def _lay_out(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yields the lines of one row of a grid."""
    pieces = [_wrap_cell(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, pieces))):
        line = (column[number] if number < len(column) else "" for column in pieces)
        padded = (
            part + " " * (width - _count_cells(part))
            for part, width in zip(line, widths, strict=True)
        )
        yield (_MARGIN + _GAP.join(padded)).rstrip()


def _wrap_cell(cell: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return [piece for line in wrap_line(cell, width) for piece in chop_cells(line, width) or [""]]


def _print_below(
    columns: Sequence[str], row: Sequence[str], moved: Iterable[int], width: int
) -> None:
    """Prints cells with their headings, as many on a line as fit; empty ones are left out."""
    parts = [f"{columns[index]} {row[index]}".strip() for index in moved if row[index].strip()]
    for line in _fill_lines(parts, width, _INDENT, " · "):
        for piece in wrap_line(line, width):
            print_line(piece)


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
            "standard",
            "under it",
            "DiD, points",
            "verdict",
            "",
            "intervention",
            "known truth",
            "worst cue",
        ),
        [
            (
                row.name,
                format_percent(row.standard_rate),
                format_percent(row.worst_cue_rate),
                format_points(row.did_low, row.did_high),
                row.verdict,
                "right" if row.right else "WRONG",
                row.intervention,
                row.expected_verdict,
                row.worst_cue_label or "-",
            )
            for row in rows
        ],
        below=("intervention", "known truth", "worst cue"),
    )
