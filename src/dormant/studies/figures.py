"""Figures of the validation study: standalone SVG files without scripts, fonts or style sheets.

::

    false-alarms.svg   alarms of null audits by design, with 95% intervals
    cost.svg           answers by organism and design, on a logarithmic axis
    path.svg           the bounds of two cues of one sequential audit over the number of answers
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np

from dormant.decision.simulation import simulate_audit
from dormant.records import PathPoint, Sequential
from dormant.store import write_atomically
from dormant.studies.planted import find_world
from dormant.studies.tables import share_interval
from dormant.studies.validation import DESIGNS, Audit, ValidationStudy

_WIDTH, _LEFT, _RIGHT, _ROW = 760, 190, 40, 18
COLORS: dict[str, str] = dict(
    zip(DESIGNS, ("#7a7a7a", "#c26a00", "#0062a3", "#00804c"), strict=True)
)
_INK, _GRID, _LIMIT = "#222222", "#dddddd", "#b00020"
_PLOTTED_WORLD = "a cue adds 20 points"  #: planted world of path.svg


def write_figures(study: ValidationStudy, out: Path) -> tuple[Path, ...]:
    """Writes the figures of a study to a directory.

    Returns:
        The files: only those that the study has audits for.
    """
    drawings = {
        "false-alarms.svg": draw_false_alarms(study.audits),
        "cost.svg": draw_cost(study.audits),
        "path.svg": draw_path(),
    }
    files: list[Path] = []
    for name, drawing in drawings.items():
        if drawing:
            write_atomically(out / name, drawing)
            files.append(out / name)
    return tuple(files)


def draw_false_alarms(audits: Sequence[Audit]) -> str:
    """Draws the alarms of null audits, by design and kind of null; empty if there are none."""
    null = [a for a in audits if a.purpose == "null"]
    kinds: dict[str, Callable[[Audit], bool]] = {
        "planted nulls": lambda a: a.seed is None,
        "controls of the zoo": lambda a: a.seed is not None,
    }
    rows = [
        (design, kind, made)
        for design in DESIGNS
        for kind, among in kinds.items()
        if (made := [a for a in null if a.design == design and among(a)])
    ]
    if not rows:
        return ""
    axis = _Axis(0.0, 0.15, _LEFT + 100, _WIDTH - _RIGHT - 50)
    sheet = _Sheet("False alarms in null audits, with 95% intervals", len(rows))
    sheet.draw_grid([(axis(x), f"{100 * x:.0f}%") for x in (0.0, 0.05, 0.1, 0.15)])
    sheet.draw_vertical(axis(0.05), _LIMIT)
    for i, (design, kind, made) in enumerate(rows):
        hits, y = sum(a.alarm for a in made), sheet.row_middle(i)
        low, high = share_interval(hits, len(made))
        color = COLORS[design]
        sheet.draw_text(_LEFT + 90, y, f"{design}: {kind}", anchor="end")
        sheet.draw_line(axis(low), y, axis(high), y, color, 2.5)
        sheet.draw_dot(axis(hits / len(made)), y, color)
        sheet.draw_text(_WIDTH - 4, y, f"{hits} of {len(made)}", anchor="end")
    return sheet.to_svg()


def draw_cost(audits: Sequence[Audit]) -> str:
    """Draws the mean answers of an audit, one row per organism; empty if there are none."""
    zoo = [a for a in audits if a.seed is not None]
    designs = [d for d in DESIGNS if any(a.design == d for a in zoo)]
    means = {
        (name, design): statistics.fmean(a.answers for a in made)
        for name in dict.fromkeys(a.name for a in zoo)
        for design in designs
        if (made := [a for a in zoo if a.name == name and a.design == design])
    }
    if not means:
        return ""
    names = sorted({name for name, _ in means}, key=lambda n: _cheapest_design(means, n))
    ends = math.floor(math.log10(min(means.values()))), math.ceil(math.log10(max(means.values())))
    axis = _Axis(ends[0], ends[1], _LEFT, _WIDTH - _RIGHT)
    sheet = _Sheet("Answers of an audit (all models and arms), by organism", len(names) + 1)
    sheet.draw_grid([(axis(x), f"{10**x:,}") for x in range(ends[0], ends[1] + 1)])
    for i, design in enumerate(designs):
        x = _LEFT + i * (_WIDTH - _RIGHT - _LEFT) / len(designs)
        sheet.draw_dot(x, sheet.row_middle(0), COLORS[design])
        sheet.draw_text(x + 9, sheet.row_middle(0), design)
    for i, name in enumerate(names, 1):
        y = sheet.row_middle(i)
        sheet.draw_text(_LEFT - 10, y, name, anchor="end")
        found = [(d, axis(math.log10(means[name, d]))) for d in designs if (name, d) in means]
        sheet.draw_line(min(x for _, x in found), y, max(x for _, x in found), y, _GRID, 2)
        for design, x in found:
            sheet.draw_dot(x, y, COLORS[design])
    return sheet.to_svg()


def _cheapest_design(means: dict[tuple[str, str], float], name: str) -> tuple[float, str]:
    return min(value for (of, _), value in means.items() if of == name), name


def draw_path() -> str:
    """Draws a sequential audit of a planted world: the bounds of its trigger and of another cue."""
    entry = find_world(_PLOTTED_WORLD)
    rng = np.random.default_rng(1)
    plan = replace(entry.world.make_plan(), sequential=Sequential(until="cues"))
    simulated = simulate_audit(plan, entry.world.draw_truth(rng), rng)
    trigger = simulated.verdict.triggers[0] if simulated.verdict.triggers else ""
    names = dict.fromkeys(p.cue for p in simulated.path if p.cue is not None)
    other = next(name for name in names if name != trigger)
    chosen = {trigger: COLORS[DESIGNS[2]], other: COLORS[DESIGNS[1]]}
    most = max(p.answers for p in simulated.path)
    sheet = _Sheet(f"Bounds of one sequential audit over answers bought: {_PLOTTED_WORLD}", 16)
    across = _Axis(0, most, 60, _WIDTH - _RIGHT)
    up = _Axis(-0.4, 1.0, sheet.bottom, sheet.top)
    step = 10 ** math.floor(math.log10(most)) / 2
    sheet.draw_grid([(across(x), f"{x:,.0f}") for x in np.arange(0, most, step)])
    for level in (-0.25, 0.0, 0.25, 0.5, 0.75, 1.0):
        sheet.draw_line(60, up(level), _WIDTH - _RIGHT, up(level), _GRID, 1)
        sheet.draw_text(54, up(level), f"{100 * level:.0f}", anchor="end")
    sheet.draw_line(60, up(0.05), _WIDTH - _RIGHT, up(0.05), _LIMIT, 1.5)
    sheet.draw_text(_WIDTH - 36, up(0.05), "delta", color=_LIMIT)
    labels = {trigger: "the cue that adds 20 points", other: "a cue that does nothing"}
    for i, (name, color) in enumerate(chosen.items()):
        seen = [p for p in simulated.path if p.cue == name]
        sheet.draw_band(seen, across, up, color)
        sheet.draw_dot(420, sheet.row_middle(1 + i), color)
        sheet.draw_text(430, sheet.row_middle(1 + i), f"{labels[name]} (points of difference)")
    return sheet.to_svg()


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values to coordinates; values beyond the ends are clamped."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


class _Sheet:
    """A drawing with a title, rows of equal height, and an axis below them."""

    def __init__(self, title: str, rows: int):
        self.title, self.top = title, 34
        self.bottom = self.top + rows * _ROW
        self._parts: list[str] = []

    def row_middle(self, number: int) -> float:
        """Returns the y coordinate of a row's middle."""
        return self.top + (number + 0.5) * _ROW

    def draw_grid(self, ticks: Iterable[tuple[float, str]]) -> None:
        """Draws vertical lines with labels below them."""
        for x, label in ticks:
            self.draw_vertical(x, _GRID)
            self.draw_text(x, self.bottom + 12, label, anchor="middle")

    def draw_vertical(self, x: float, color: str) -> None:
        """Draws a line across all rows."""
        self.draw_line(x, self.top, x, self.bottom, color, 1)

    def draw_line(
        self, x1: float, y1: float, x2: float, y2: float, color: str, width: float
    ) -> None:
        """Draws a straight line."""
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
            f'stroke-width="{width}"/>'
        )

    def draw_dot(self, x: float, y: float, color: str) -> None:
        """Draws a dot."""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"/>')

    def draw_text(
        self, x: float, y: float, words: str, *, anchor: str = "start", color: str = _INK
    ) -> None:
        """Writes text, vertically centered at y."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}" fill="{color}">'
            f"{escape(words)}</text>"
        )

    def draw_band(self, points: Sequence[PathPoint], across: _Axis, up: _Axis, color: str) -> None:
        """Draws the area between the bounds, over the number of answers."""
        highs = [f"{across(p.answers):.1f},{up(p.high):.1f}" for p in points]
        lows = [f"{across(p.answers):.1f},{up(p.low):.1f}" for p in reversed(points)]
        self._parts.append(
            f'<polygon points="{" ".join([*highs, *lows])}" fill="{color}" fill-opacity="0.25" '
            f'stroke="{color}"/>'
        )

    def to_svg(self) -> str:
        """Returns the SVG file."""
        height = self.bottom + 26
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
            f'font-family="sans-serif" font-size="12"><title>{escape(self.title)}</title>'
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
            f'<text x="4" y="18" font-size="14" font-weight="bold" fill="{_INK}">'
            f"{escape(self.title)}</text>"
        )
        return "\n".join([head, *self._parts, "</svg>"]) + "\n"
