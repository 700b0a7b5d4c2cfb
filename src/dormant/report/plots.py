"""The figures of a report, each as an SVG image to show in a notebook or to save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from dormant.errors import ConfigError, InputError, name_output
from dormant.records import OUTCOMES, Findings
from dormant.report import figures
from dormant.report.escape import one_line
from dormant.report.numbers import format_percent, format_points, is_defined
from dormant.report.rows import CueRow, Status
from dormant.report.sequential_path import make_tracks
from dormant.report.view import View

FigureName = Literal["rates", "outcomes", "questions", "path"]
#: Pixels: width of the image and its labels, height of a line, and gap before a drawing.
_WIDTH, _LABEL, _LINE, _GAP = 960, 310, 30, 14
_TOP, _VALUE = 44, 64
_LONGEST = 42  # characters of a label
#: Light colors on white, so that the image is the same in a dark notebook and on paper.
_STYLE = """
svg { overflow: visible }
text { font: 12.5px system-ui, sans-serif; fill: #1b1d20 } .soft, .axis text { fill: #5c6167 }
.axis text { font-size: 11.5px } .head { font-weight: 600 } .grid { stroke: #e9e9e4 }
.zero { stroke: #8a9097 } .delta { stroke: #5c6167; stroke-dasharray: 3 3 }
.standard { stroke: #1b1d20; stroke-width: 1.5 } .ci { stroke-width: 2; stroke-linecap: round }
.ci.target, .joint { stroke: #1b1d20 } .ci.reference, .tick { stroke: #8a9097 }
.joint { stroke-width: 2; opacity: .55 } .tick { stroke-width: 2 } .dot { stroke-width: 1.75 }
.dot.target { fill: #1b1d20; stroke: #1b1d20 } .dot.reference { fill: #fff; stroke: #8a9097 }
.dot.hollow { fill: #fff; stroke: #1b1d20 } .band { fill: #1b1d20; opacity: .3 }
.path line { vector-effect: non-scaling-stroke }
.o-misaligned { fill: #c2410c } .o-aligned { fill: #cfd8d6 } .o-incoherent { fill: #8f9ba8 }
.o-off_topic { fill: #cbb994 } .o-refusal { fill: #86a3c3 } .o-unparsed { fill: #a793b8 }
.o-filtered { fill: #666f79 } .o-error { fill: #2f343a } .o-cut_off { fill: #b08a5b }
.stack text { font-size: 11px } .on-misaligned, .on-filtered, .on-error { fill: #fff }
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """An image with a title and a text description for screen readers."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Writes the image as an ``.svg`` file.

        Raises:
            dormant.errors.ConfigError: the file cannot be written, or has another suffix.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in ("", ".svg"):
            raise ConfigError(f"{path}: the figure is an SVG: name the file .svg, not {suffix}")
        with name_output(path):
            Path(path).write_text(self.svg, encoding="utf-8", newline="\n")
        return Path(path)


@dataclass(frozen=True, slots=True)
class _PlotLine:
    """One line of a figure: a label, drawings side by side, and a value."""

    label: str
    drawings: tuple[str, ...]
    value: str = ""


def plot_findings(findings: Findings, figure: str = "rates", *, limit: int = 12) -> Figure:
    """Draws a figure of the report.

    Args:
        findings: the audit.
        figure: ``rates`` (of every cue, with the difference in differences), ``outcomes`` (of all
            answers), ``questions`` (of the leading cue) or ``path`` (of a sequential audit).
        limit: largest number of lines.

    Raises:
        InputError: there is no such figure, or nothing to draw.
    """
    draw = _FIGURES.get(figure)
    if draw is None:
        raise InputError(f"unknown figure {figure!r}: give one of {', '.join(_FIGURES)}")
    if limit < 1:
        raise InputError(f"limit must be at least 1, got {limit!r}")
    return draw(View(findings), limit)


def _draw_rates(view: View, limit: int) -> Figure:
    rows = [row for row in view.rows if row.status is not Status.UNTRIED]
    shown, delta = rows[:limit], view.verdict.delta
    rates = figures.rate_scale(shown, [view.standard_target])
    effects = figures.effect_scale(shown, delta)

    def draw_row(row: CueRow) -> _PlotLine:
        label = view.label_of(row.cue.name)
        track = figures.draw_rates(rates, label, row.target, row.reference, row.standard)
        effect = figures.draw_effect(effects, row, delta, label)
        value = format_points(row.did.value) if row.did and is_defined(row.did.value) else "\u2014"
        return _PlotLine(label, (track, effect), value)

    heads = (
        ("Misaligned: target \u25cf, reference \u25cb, no cue |", rates, False),
        ("Difference in differences, pp; dashed: delta", effects, True),
    )
    return _compose(
        "Misalignment rates and effects of cues",
        tuple((title, figures.draw_axis(scale, signed=signed)) for title, scale, signed in heads),
        [draw_row(row) for row in shown],
        left=len(rows) - len(shown),
        noun="cues",
    )


def _draw_outcomes(view: View, limit: int) -> Figure:
    arms = [("no cue", view.standard_tallies)]
    rows = [row for row in view.rows if row.status is not Status.UNTRIED]
    arms += [(view.label_of(row.cue.name), (row.target_tally, row.reference_tally)) for row in rows]
    lines = [
        _PlotLine(label, tuple(figures.draw_outcomes(tally, label) for tally in tallies))
        for label, tallies in arms[:limit]
    ]
    found = [outcome for outcome in OUTCOMES if view.total.count_of(outcome)]
    return _compose(
        "Outcomes of answers",
        (("Target", ""), ("Reference", "")),
        lines,
        left=max(0, len(arms) - limit),
        noun="arms",
        legend=[(f"o-{outcome}", figures.outcome_label(outcome)) for outcome in found],
    )


def _draw_questions(view: View, limit: int) -> Figure:
    if view.worst is None:
        raise InputError("no cue has an estimate, so there is no figure of its questions")
    items = view.by_question(view.worst)
    scale = figures.question_scale(items)
    lines = [
        _PlotLine(
            item.question.text,
            (figures.draw_slope(scale, item),),
            f"{format_percent(item.standard.rate)} \u2192 {format_percent(item.cued.rate)}",
        )
        for item in items[:limit]
    ]
    label = one_line(view.label_of(view.worst.cue.name), _LONGEST)
    return _compose(
        f"Questions under {label}",
        (("Target without the cue \u25cb, with it \u25cf; reference with it |",
          figures.draw_axis(scale)),),
        lines,
        left=max(0, len(items) - limit),
        noun="questions",
    )  # fmt: skip


def _draw_path(view: View, limit: int) -> Figure:
    tracks = make_tracks(view.findings)
    if not tracks:
        raise InputError("the fixed design has no path: figure 'path' is of sequential audits")
    lines = [
        _PlotLine(view.label_of(track.cue), (track.drawing,), track.end) for track in tracks[:limit]
    ]
    return _compose(
        "Bounds of the difference in differences",
        (("Bounds as answers are bought, left to right; dashed: delta", ""),),
        lines,
        left=max(0, len(tracks) - limit),
        noun="cues",
        height=2 * _LINE,
    )


def _compose(
    title: str,
    heads: Sequence[tuple[str, str]],
    lines: Sequence[_PlotLine],
    *,
    left: int,
    noun: str,
    height: int = _LINE,
    legend: Sequence[tuple[str, str]] = (),
) -> Figure:
    """Stacks lines, with a heading and an axis above each column of drawings."""
    value = 2 * _VALUE if len(heads) == 1 else _VALUE
    width = (_WIDTH - _LABEL - value) / len(heads)
    parts: list[str] = []
    for column, (head, axis) in enumerate(heads):
        x = _LABEL + column * width
        parts.append(f'<text class="soft" x="{x:g}" y="14">{escape(head)}</text>')
        parts.append(_place(axis, x, 22, width - _GAP, 16))
    for number, line in enumerate(lines):
        y = _TOP + number * height
        middle = y + height / 2 + 4
        label = escape(one_line(line.label, _LONGEST))
        parts.append(f'<text x="0" y="{middle:g}">{label}</text>')
        for column, drawing in enumerate(line.drawings):
            x = _LABEL + column * width
            parts.append(_place(drawing, x, y + 4, width - _GAP, height - 8))
        parts.append(
            f'<text x="{_WIDTH}" y="{middle:g}" text-anchor="end">{escape(line.value)}</text>'
        )
    bottom = _TOP + len(lines) * height + 18
    parts += _draw_legend(legend, bottom)
    more = f"{left:,} more {noun} are in the report" if left else ""
    parts.append(f'<text class="soft" x="{_WIDTH}" y="{bottom}" text-anchor="end">{more}</text>')
    about = "; ".join(f"{one_line(line.label, _LONGEST)} {line.value}".strip() for line in lines)
    return Figure(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + 10}" '
        f'viewBox="-8 -4 {_WIDTH + 16} {bottom + 14}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(about)}</desc><style>{_STYLE}</style>"
        f'<rect x="-8" y="-4" width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _place(drawing: str, x: float, y: float, width: float, height: float) -> str:
    """Scales a drawing that fills its frame to a position and size."""
    if not drawing:
        return ""
    return (
        f'<svg x="{x:.4g}" y="{y:g}" width="{width:.4g}" height="{height:g}" overflow="visible">'
        f"{drawing}</svg>"
    )


def _draw_legend(entries: Sequence[tuple[str, str]], y: float) -> list[str]:
    parts: list[str] = []
    x = 0.0
    for kind, words in entries:
        parts.append(f'<rect class="{kind}" x="{x:g}" y="{y - 10:g}" width="11" height="11"/>')
        parts.append(f'<text class="soft" x="{x + 16:g}" y="{y:g}">{escape(words)}</text>')
        x += 34 + 7 * len(words)
    return parts


_FIGURES: dict[str, Callable[[View, int], Figure]] = {
    "rates": _draw_rates,
    "outcomes": _draw_outcomes,
    "questions": _draw_questions,
    "path": _draw_path,
}
