"""Figures as inline SVG, one small drawing a row, so that labels stay text and wrap on a phone.

Every drawing uses percentages of its own width, needs no script and scales without scaling its
type. It is an image with a title and a description that describe what is drawn. Colors come
from the classes of the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from dormant.records import OUTCOMES, Estimate, Outcome
from dormant.report.escape import one_line
from dormant.report.numbers import (
    format_percent,
    format_points,
    is_defined,
    points_interval,
    rate_interval,
    undefined_reason,
)
from dormant.report.rows import CueRow, QuestionRow
from dormant.report.tally import Tally

#: Where an axis may end, and the step between its ticks.
_STEPS = {0.02: 0.005, 0.05: 0.01, 0.1: 0.02, 0.2: 0.05, 0.4: 0.1, 0.6: 0.2, 0.8: 0.2, 1.0: 0.25}
#: Room at both ends of a track, in per cent of its width, so that marks at 0 and 1 are whole.
_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis from ``low`` to ``high``."""

    low: float
    high: float

    def position_of(self, value: float) -> float:
        """Where a value lies, in per cent of the width; clamped to the axis."""
        inside = min(max(value, self.low), self.high)
        return _MARGIN + (100 - 2 * _MARGIN) * (inside - self.low) / (self.high - self.low)

    def make_ticks(self) -> list[float]:
        """Round values that span the axis; zero and both ends where it has a negative side."""
        if self.low < 0:
            room = self.high - self.low
            middle = [self.high / 2] if self.high > 0.6 * room else []
            negative = [self.low] if -self.low > 0.2 * room else []
            return [*negative, 0.0, *middle, self.high]
        step = _STEPS[self.high]
        return [step * index for index in range(round(self.high / step) + 1)]


def _axis_reach(values: Iterable[float], least: float) -> float:
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    return next(limit for limit in _STEPS if limit >= min(1.0, max(largest, least)))


def rate_scale(rows: Sequence[CueRow], others: Sequence[Estimate | None] = ()) -> Scale:
    """The axis on which all rates of some cues and their intervals fit."""
    estimates = [e for row in rows for e in (row.target, row.reference, row.standard) if e]
    estimates += [e for e in others if e]
    ends = [end for e in estimates for end in (e.value, e.high)]
    return Scale(0.0, _axis_reach(ends, 0.02))


def question_scale(rows: Sequence[QuestionRow]) -> Scale:
    """The axis on which the rates of single questions fit; never finer than 0 to 10%."""
    rates = [tally.rate for row in rows for tally in (row.standard, row.cued, row.reference)]
    return Scale(0.0, _axis_reach(rates, 0.1))


def effect_scale(rows: Sequence[CueRow], delta: float) -> Scale:
    """The axis on which all differences in differences and the margin delta fit."""
    effects = [row.did for row in rows if row.did]
    high = _axis_reach([end for e in effects for end in (e.value, e.high)], 2 * delta)
    low = _axis_reach([-end for e in effects for end in (e.value, e.low)], 0.02)
    return Scale(-low, high)


def make_svg(parts: Iterable[str], title: str, kind: str, description: str = "") -> str:
    """An image of the page's width, with a title and a description for those who cannot see it."""
    about = f"<title>{escape(title)}</title>"
    about += f"<desc>{escape(description)}</desc>" if description else ""
    body = "".join(parts)
    return f'<svg class="fig {kind}" role="img" width="100%" height="100%">{about}{body}</svg>'


def _draw_rule(x: float, kind: str, y1: str = "0", y2: str = "100%") -> str:
    return f'<line class="{kind}" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y1}" y2="{y2}"/>'


def _draw_bar(x1: float, x2: float, y: str, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y}" y2="{y}"/>'


def _draw_dot(x: float, y: str, kind: str, radius: float = 5) -> str:
    return f'<circle class="{kind}" cx="{x:.2f}%" cy="{y}" r="{radius:g}"/>'


def _draw_grid(scale: Scale) -> list[str]:
    return [
        _draw_rule(scale.position_of(tick), "zero" if tick == 0 else "grid")
        for tick in scale.make_ticks()
    ]


def draw_axis(scale: Scale, *, signed: bool = False) -> str:
    """The labels of an axis: per cent, or signed points."""
    texts: list[str] = []
    ticks = scale.make_ticks()
    for index, tick in enumerate(ticks):
        anchor = "start" if index == 0 else "end" if index == len(ticks) - 1 else "middle"
        label = f"{tick * 100:+g}" if signed and tick else f"{tick * 100:g}"
        label = label.replace("-", "\N{MINUS SIGN}") + ("" if signed else "%")
        texts.append(
            f'<text x="{scale.position_of(tick):.2f}%" y="12" text-anchor="{anchor}">{label}</text>'
        )
    body = "".join(texts)
    return f'<svg class="fig axis" aria-hidden="true" width="100%" height="16">{body}</svg>'


def _draw_whisker(scale: Scale, estimate: Estimate | None, y: str, kind: str) -> list[str]:
    if estimate is None or not is_defined(estimate.value):
        return []
    parts: list[str] = []
    if is_defined(estimate.low) and is_defined(estimate.high):
        parts.append(
            _draw_bar(
                scale.position_of(estimate.low), scale.position_of(estimate.high), y, f"ci {kind}"
            )
        )
    return [*parts, _draw_dot(scale.position_of(estimate.value), y, f"dot {kind}")]


def _describe_estimate(label: str, estimate: Estimate | None) -> str:
    if estimate is None or not is_defined(estimate.value):
        return f"{label} {undefined_reason(estimate)}"
    interval = rate_interval(estimate)
    return f"{label} {format_percent(estimate.value)}" + (f" ({interval})" if interval else "")


def draw_rates(
    scale: Scale,
    title: str,
    target: Estimate | None,
    reference: Estimate | None,
    standard: Estimate | None = None,
) -> str:
    """Target above reference, each a dot with its interval; a tick where no cue stands."""
    parts = _draw_grid(scale)
    if standard and is_defined(standard.value):
        parts.append(_draw_rule(scale.position_of(standard.value), "standard", "18%", "82%"))
    parts += _draw_whisker(scale, reference, "66%", "reference")
    parts += _draw_whisker(scale, target, "34%", "target")
    words = [_describe_estimate("target", target), _describe_estimate("reference", reference)]
    words += [_describe_estimate("target without a cue", standard)] if standard else []
    return make_svg(parts, one_line(title), "rates", "; ".join(words))


def draw_effect(scale: Scale, row: CueRow, delta: float, label: str) -> str:
    """A difference in differences with its interval, zero and the margin delta."""
    margin = scale.position_of(delta)
    parts = [*_draw_grid(scale), _draw_rule(margin, "delta")]
    parts += _draw_whisker(scale, row.did, "50%", "target")
    words = undefined_reason(row.did)
    if row.did and not words:
        words = f"{format_points(row.did.value)} ({points_interval(row.did)})"
    title = f"Difference in differences under {one_line(label)}"
    return make_svg(parts, title, "effect", f"{words}; delta is {format_points(delta)}")


def draw_slope(scale: Scale, row: QuestionRow) -> str:
    """One question: the target without the cue, joined to the target under it; the reference."""
    parts = _draw_grid(scale)
    ends = [row.standard.rate, row.cued.rate]
    if all(math.isfinite(end) for end in ends):
        parts.append(
            _draw_bar(scale.position_of(min(ends)), scale.position_of(max(ends)), "50%", "joint")
        )
    if math.isfinite(row.reference.rate):
        parts.append(_draw_rule(scale.position_of(row.reference.rate), "tick", "25%", "75%"))
    if math.isfinite(row.standard.rate):
        parts.append(_draw_dot(scale.position_of(row.standard.rate), "50%", "dot hollow", 4.5))
    if math.isfinite(row.cued.rate):
        parts.append(_draw_dot(scale.position_of(row.cued.rate), "50%", "dot target"))
    words = (
        f"target without the cue {format_percent(row.standard.rate)}, under the cue "
        f"{format_percent(row.cued.rate)}; reference under the cue "
        f"{format_percent(row.reference.rate)}"
    )
    return make_svg(parts, one_line(row.question.text), "slope", words)


def draw_outcomes(tally: Tally, title: str) -> str:
    """One bar stacked of all outcomes; a share is written where it fits."""
    parts: list[str] = []
    left = 0.0
    for outcome in OUTCOMES:
        share = tally.count_of(outcome) / tally.answers if tally.answers else 0.0
        if not share:
            continue
        size = f'x="{left:.3f}%" y="0" width="{share * 100:.3f}%" height="100%"'
        parts.append(f'<rect class="o-{outcome}" {size}/>')
        if share >= 0.14:
            place = f'x="{left + share * 50:.2f}%" y="50%" dy="0.36em" text-anchor="middle"'
            parts.append(f'<text class="on-{outcome}" {place}>{share:.0%}</text>')
        left += share * 100
    return make_svg(parts, one_line(title), "stack", outcome_words(tally))


def outcome_words(tally: Tally) -> str:
    """The counts of a tally in words, outcomes without an answer left out."""
    named = [
        f"{tally.count_of(outcome):,} {outcome_label(outcome)}"
        for outcome in OUTCOMES
        if tally.count_of(outcome)
    ]
    return ", ".join(named) if named else "no answers"


def outcome_label(outcome: Outcome) -> str:
    """An outcome as it is printed."""
    return outcome.value.replace("_", " ")


def draw_pair(standard: float | None, cued: float | None, title: str) -> str:
    """Two points joined on an axis from 0 to 100%: without a cue and under the worst one."""
    parts = [f'<line class="grid" x1="0" x2="100%" y1="{y}%" y2="{y}%"/>' for y in (8, 50)]
    parts.append('<line class="zero" x1="0" x2="100%" y1="92%" y2="92%"/>')

    def height_of(value: float) -> float:
        return 92 - 84 * min(max(value, 0.0), 1.0)

    has_standard = standard is not None and math.isfinite(standard)
    has_cued = cued is not None and math.isfinite(cued)
    if standard is not None and cued is not None and has_standard and has_cued:
        parts.append(
            f'<line class="joint" x1="5%" x2="95%" y1="{height_of(standard):.2f}%" '
            f'y2="{height_of(cued):.2f}%"/>'
        )
    if standard is not None and has_standard:
        parts.append(_draw_dot(5, f"{height_of(standard):.2f}%", "dot hollow", 4.5))
    if cued is not None and has_cued:
        parts.append(_draw_dot(95, f"{height_of(cued):.2f}%", "dot target"))
    words = f"standard {format_percent(standard)}, worst cue {format_percent(cued)}"
    return make_svg(parts, one_line(title), "pair", words)
