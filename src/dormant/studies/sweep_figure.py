"""The figure of a sweep: the true cue's effect against the first setting of the grid, as SVG."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape

from dormant.studies.sweep_rows import SweepRow

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 360, 60, 20, 60
_COLORS = ("#0062a3", "#c26a00", "#00804c", "#7a2a8a", "#b00020", "#555555")


def draw_effects(rows: Sequence[SweepRow]) -> str:
    """Draws the mean effect and single seeds, a line for each combination of other settings.

    Returns:
        The SVG; empty if the grid has no settings or no organism has a true cue.
    """
    known = [row for row in rows if row.settings and row.did is not None]
    if not known:
        return ""
    path = next(iter(known[0].settings))
    values = list(dict.fromkeys(row.settings[path] for row in known))
    step = (_WIDTH - _LEFT - 180) / max(len(values) - 1, 1)
    places = {value: _LEFT + 20 + step * i for i, value in enumerate(values)}
    lines: dict[str, list[SweepRow]] = {}
    for row in known:
        lines.setdefault(_name_line(row), []).append(row)
    parts = [_draw_axes(path, {str(value): x for value, x in places.items()})]
    for i, (name, members) in enumerate(lines.items()):
        color = _COLORS[i % len(_COLORS)]
        points: list[str] = []
        for value, x in places.items():
            effects = [r.did for r in members if r.settings[path] == value and r.did is not None]
            parts += [
                f'<circle cx="{x:.1f}" cy="{_y_of(did):.1f}" r="3" fill="{color}" opacity=".5"/>'
                for did in effects
            ]
            if effects:
                points.append(f"{x:.1f},{_y_of(statistics.fmean(effects)):.1f}")
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}"/>')
        parts.append(
            f'<text x="{_WIDTH - 150}" y="{_TOP + 14 + 16 * i}" fill="{color}">'
            f"{escape(name)}</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">{"".join(parts)}</svg>\n'
    )


def _name_line(row: SweepRow) -> str:
    others = [f"{path.rpartition('.')[2]} {value}" for path, value in row.settings.items()][1:]
    return ", ".join((*others, row.base))[:40]


def _draw_axes(title: str, places: dict[str, float]) -> str:
    marks = "".join(
        f'<text x="{_LEFT - 8}" y="{_y_of(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 160}" y1="{_y_of(share):.1f}" y2="{_y_of(share):.1f}" '
        'stroke="#dddddd"/>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    labels = "".join(
        f'<text x="{x:.1f}" y="{_HEIGHT - 38}" text-anchor="middle">{escape(value)}</text>'
        for value, x in places.items()
    )
    return (
        f'{marks}{labels}<text x="{_LEFT}" y="{_HEIGHT - 14}">{escape(title)}: '
        "difference in differences of the true cue</text>"
    )


def _y_of(share: float) -> float:
    return _TOP + (1 - min(max(share, 0.0), 1.0)) * (_HEIGHT - _TOP - _BOTTOM)
