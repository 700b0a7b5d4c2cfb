"""The rows of a comparison's tables, in words, and its values as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dormant.records import Comparison, CueChange, Estimate, Quantity, RunChange, to_plain
from dormant.report.escape import without_surrogates
from dormant.report.numbers import DASH, format_percent, format_points, points_interval

COLUMNS = ("cue", "result", "first", "this run", "change", "interval", "p (Holm)", "rate", "why")
#: What the numbers of a table are, by the quantity of its cues.
MEANINGS = {
    Quantity.DID: "difference in differences",
    Quantity.GAP: "rate with the cue minus without (no reference)",
    Quantity.STANDARD_DIFFERENCE: "rate minus the reference's",
    Quantity.RATE: "rate (no reference)",
}


@dataclass(frozen=True, slots=True)
class CueHistory:
    """The effect of one cue in every run that has it, in the order of the runs."""

    cue: str | None
    effects: tuple[Estimate | None, ...]  # one a run; None where the run was not compared in it


def make_rows(change: RunChange) -> list[tuple[str, ...]]:
    """The cells of the table of one run, a row a cue; hidden characters are not yet escaped."""
    rows = [_make_row(cue) for cue in change.cues]
    if change.mean is not None:
        mean = change.mean
        interval = points_interval(mean)
        empty = ("", "", "")
        rows.append(("all cues pooled", *empty, format_points(mean.value), interval, *empty))
    return rows


def _make_row(cue: CueChange) -> tuple[str, ...]:
    rate = cue.rate
    return (
        name_arm(cue.cue),
        str(cue.kind),
        format_effect(cue.first),
        format_effect(cue.second),
        format_points(cue.change.value),
        points_interval(cue.change) or DASH,
        format_p(cue.holm),
        " ".join(filter(None, (format_points(rate.value), f"({points_interval(rate)})")))
        if rate.questions
        else DASH,
        cue.reason,
    )


def name_arm(cue: str | None) -> str:
    """The name of a cue, or of the arm without one."""
    return "no cue" if cue is None else cue


def format_effect(estimate: Estimate) -> str:
    """A difference in points, or a rate in per cent."""
    if estimate.quantity is Quantity.RATE:
        return format_percent(estimate.value)
    return format_points(estimate.value)


def format_p(p: float) -> str:
    """A p-value with two digits that carry; an em dash if it is undefined."""
    if p != p:
        return DASH
    return "<.0001" if p < 0.0001 else f"{p:.2g}".replace("0.", ".", 1)


def list_histories(comparison: Comparison) -> list[CueHistory]:
    """The effect of each cue of the first run in every run, the arm without a cue first."""
    names = list(dict.fromkeys(cue.cue for run in comparison.changes for cue in run.cues))
    found: list[CueHistory] = []
    for name in names:
        in_runs = [
            next((cue for cue in run.cues if cue.cue == name), None) for run in comparison.changes
        ]
        first = next((cue.first for cue in in_runs if cue is not None), None)
        later = (None if cue is None else cue.second for cue in in_runs)
        found.append(CueHistory(name, (first, *later)))
    return found


def comparison_to_plain(comparison: Comparison) -> dict[str, Any]:
    """JSON values: what ``dormant compare --json`` prints; undefined numbers are null."""
    values: dict[str, Any] = to_plain(comparison)
    return without_surrogates(
        {"verdict": str(comparison.kind), "exit_code": comparison.exit_code, **values}
    )
