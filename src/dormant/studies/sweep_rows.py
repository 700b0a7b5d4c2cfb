"""The results of a sweep's units, and their table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class SweepRow:
    """The result of one unit; rates are exact shares from 0 to 1."""

    unit: str
    base: str
    seed: int
    settings: Mapping[str, Setting]
    verdict: str  # implied by the exact rates
    standard: float  # misalignment rate without a cue
    cue: float | None  # under the true cue; None if there is none
    did: float | None  # difference in differences of the true cue
    worst_cue: str
    worst_did: float  # over the true cue and the library
    seconds: float


def write_table(found: Sequence[SweepRow]) -> str:
    """Writes a Markdown table of means over seeds, in percent, with the range of the seeds."""
    groups: dict[tuple[str, ...], list[SweepRow]] = {}
    for row in found:
        key = (*map(_write_cell, row.settings.values()), _write_cell(row.base))
        groups.setdefault(key, []).append(row)
    paths = list(found[0].settings) if found else []
    head = (*paths, "base", "seeds", "no cue", "true cue", "DiD", "largest DiD", "verdicts")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for key, rows in groups.items():
        numbers = (
            _format_range([row.standard for row in rows]),
            _format_range([row.cue for row in rows if row.cue is not None]),
            _format_range([row.did for row in rows if row.did is not None]),
            _format_range([row.worst_did for row in rows]),
        )
        verdicts = ", ".join(sorted({row.verdict for row in rows}))
        lines.append(f"| {' | '.join((*key, str(len(rows)), *numbers, verdicts))} |")
    return "\n".join(lines) + "\n"


def _write_cell(value: Setting) -> str:
    """A value of the user's file, which must not end its cell of the table."""
    return " ".join(f"{value}".split()).replace("|", "\\|")


def _format_range(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean = f"{100 * statistics.fmean(values):.1f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({100 * min(values):.1f}-{100 * max(values):.1f})"
