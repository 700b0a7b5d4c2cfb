"""Figures as inline SVG, one small drawing a row, so that labels stay text and wrap on a phone.

Every drawing uses percentages of its own width, needs no script and scales without scaling its
type. It is an image with a title and a description that say in words what is drawn. Colours come
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
    defined,
    percent,
    points,
    points_interval,
    rate_interval,
    undefined_reason,
)
from dormant.report.view import CueRow, QuestionRow, Tally

#: Where an axis may end, and the step between its ticks.
_STEPS = {0.02: 0.005, 0.05: 0.01, 0.1: 0.02, 0.2: 0.05, 0.4: 0.1, 0.6: 0.2, 0.8: 0.2, 1.0: 0.25}
#: Room at both ends of a track, in per cent of its width, so that marks at 0 and 1 are whole.
_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis from ``low`` to ``high``."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies, in per cent of the width; clamped to the axis."""
        inside = min(max(value, self.low), self.high)
        return _MARGIN + (100 - 2 * _MARGIN) * (inside - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values that span the axis; zero and both ends where it has a negative side."""
        if self.low < 0:
            room = self.high - self.low
            middle = [self.high / 2] if self.high > 0.6 * room else []
            negative = [self.low] if -self.low > 0.2 * room else []
            return [*negative, 0.0, *middle, self.high]
        step = _STEPS[self.high]
        return [step * index for index in range(round(self.high / step) + 1)]


def _reach(values: Iterable[float], least: float) -> float:
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    return next(limit for limit in _STEPS if limit >= min(1.0, max(largest, least)))


def rate_scale(rows: Sequence[CueRow], others: Sequence[Estimate | None] = ()) -> Scale:
    """The axis on which all rates of some cues and their intervals fit."""
    estimates = [e for row in rows for e in (row.target, row.reference, row.standard) if e]
    estimates += [e for e in others if e]
    ends = [end for e in estimates for end in (e.value, e.high)]
    return Scale(0.0, _reach(ends, 0.02))


def question_scale(rows: Sequence[QuestionRow]) -> Scale:
    """The axis on which the rates of single questions fit; never finer than 0 to 10%."""
    rates = [tally.rate for row in rows for tally in (row.standard, row.cued, row.reference)]
    return Scale(0.0, _reach(rates, 0.1))


def effect_scale(rows: Sequence[CueRow], delta: float) -> Scale:
    """The axis on which all differences in differences and the margin delta fit."""
    effects = [row.did for row in rows if row.did]
    high = _reach([end for e in effects for end in (e.value, e.high)], 2 * delta)
    low = _reach([-end for e in effects for end in (e.value, e.low)], 0.02)
    return Scale(-low, high)


def svg(parts: Iterable[str], title: str, kind: str, description: str = "") -> str:
    """An image of the page's width, with a title and a description for those who cannot see it."""
    about = f"<title>{escape(title)}</title>"
    about += f"<desc>{escape(description)}</desc>" if description else ""
    body = "".join(parts)
    return f'<svg class="fig {kind}" role="img" width="100%" height="100%">{about}{body}</svg>'


def _rule(x: float, kind: str, y1: str = "0", y2: str = "100%") -> str:
    return f'<line class="{kind}" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y1}" y2="{y2}"/>'


def _bar(x1: float, x2: float, y: str, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y}" y2="{y}"/>'


def _dot(x: float, y: str, kind: str, radius: float = 5) -> str:
    return f'<circle class="{kind}" cx="{x:.2f}%" cy="{y}" r="{radius:g}"/>'


def _grid(scale: Scale) -> list[str]:
    return [_rule(scale.at(tick), "zero" if tick == 0 else "grid") for tick in scale.ticks()]


def axis(scale: Scale, *, signed: bool = False) -> str:
    """The labels of an axis: per cent, or signed points."""
    texts: list[str] = []
    ticks = scale.ticks()
    for index, tick in enumerate(ticks):
        anchor = "start" if index == 0 else "end" if index == len(ticks) - 1 else "middle"
        label = f"{tick * 100:+g}" if signed and tick else f"{tick * 100:g}"
        label = label.replace("-", "\N{MINUS SIGN}") + ("" if signed else "%")
        texts.append(
            f'<text x="{scale.at(tick):.2f}%" y="12" text-anchor="{anchor}">{label}</text>'
        )
    body = "".join(texts)
    return f'<svg class="fig axis" aria-hidden="true" width="100%" height="16">{body}</svg>'


def _whisker(scale: Scale, estimate: Estimate | None, y: str, kind: str) -> list[str]:
    if estimate is None or not defined(estimate.value):
        return []
    parts: list[str] = []
    if defined(estimate.low) and defined(estimate.high):
        parts.append(_bar(scale.at(estimate.low), scale.at(estimate.high), y, f"ci {kind}"))
    return [*parts, _dot(scale.at(estimate.value), y, f"dot {kind}")]


def _said(label: str, estimate: Estimate | None) -> str:
    if estimate is None or not defined(estimate.value):
        return f"{label} {undefined_reason(estimate)}"
    interval = rate_interval(estimate)
    return f"{label} {percent(estimate.value)}" + (f" ({interval})" if interval else "")


def rates(
    scale: Scale,
    title: str,
    target: Estimate | None,
    reference: Estimate | None,
    standard: Estimate | None = None,
) -> str:
    """Target above reference, each a dot with its interval; a tick where no cue stands."""
    parts = _grid(scale)
    if standard and defined(standard.value):
        parts.append(_rule(scale.at(standard.value), "standard", "18%", "82%"))
    parts += _whisker(scale, reference, "66%", "reference")
    parts += _whisker(scale, target, "34%", "target")
    words = [_said("target", target), _said("reference", reference)]
    words += [_said("target without a cue", standard)] if standard else []
    return svg(parts, one_line(title), "rates", "; ".join(words))


def effect(scale: Scale, row: CueRow, delta: float) -> str:
    """A difference in differences with its interval, zero and the margin delta."""
    margin = scale.at(delta)
    parts = [*_grid(scale), _rule(margin, "delta")]
    parts += _whisker(scale, row.did, "50%", "target")
    words = undefined_reason(row.did)
    if row.did and not words:
        words = f"{points(row.did.value)} ({points_interval(row.did)})"
    title = f"Difference in differences under {one_line(row.cue.name)}"
    return svg(parts, title, "effect", f"{words}; delta is {points(delta)}")


def slope(scale: Scale, row: QuestionRow) -> str:
    """One question: the target without the cue, joined to the target under it; the reference."""
    parts = _grid(scale)
    ends = [row.standard.rate, row.cued.rate]
    if all(math.isfinite(end) for end in ends):
        parts.append(_bar(scale.at(min(ends)), scale.at(max(ends)), "50%", "joint"))
    if math.isfinite(row.reference.rate):
        parts.append(_rule(scale.at(row.reference.rate), "tick", "25%", "75%"))
    if math.isfinite(row.standard.rate):
        parts.append(_dot(scale.at(row.standard.rate), "50%", "dot hollow", 4.5))
    if math.isfinite(row.cued.rate):
        parts.append(_dot(scale.at(row.cued.rate), "50%", "dot target"))
    words = (
        f"target without the cue {percent(row.standard.rate)}, under the cue "
        f"{percent(row.cued.rate)}; reference under the cue {percent(row.reference.rate)}"
    )
    return svg(parts, one_line(row.question.text), "slope", words)


def outcomes(tally: Tally, title: str) -> str:
    """One bar stacked of all outcomes; a share is written where it fits."""
    parts: list[str] = []
    left = 0.0
    for outcome in OUTCOMES:
        share = tally.of(outcome) / tally.answers if tally.answers else 0.0
        if not share:
            continue
        size = f'x="{left:.3f}%" y="0" width="{share * 100:.3f}%" height="100%"'
        parts.append(f'<rect class="o-{outcome}" {size}/>')
        if share >= 0.14:
            place = f'x="{left + share * 50:.2f}%" y="50%" dy="0.36em" text-anchor="middle"'
            parts.append(f'<text class="on-{outcome}" {place}>{share:.0%}</text>')
        left += share * 100
    return svg(parts, one_line(title), "stack", outcome_words(tally))


def outcome_words(tally: Tally) -> str:
    """The counts of a tally in words, outcomes without an answer left out."""
    named = [f"{tally.of(outcome):,} {label(outcome)}" for outcome in OUTCOMES if tally.of(outcome)]
    return ", ".join(named) if named else "no answers"


def label(outcome: Outcome) -> str:
    """An outcome as it is printed."""
    return outcome.value.replace("_", " ")


def pair(standard: float | None, cued: float | None, title: str) -> str:
    """Two points joined on an axis from 0 to 100%: without a cue and under the worst one."""
    parts = [f'<line class="grid" x1="0" x2="100%" y1="{y}%" y2="{y}%"/>' for y in (8, 50)]
    parts.append('<line class="zero" x1="0" x2="100%" y1="92%" y2="92%"/>')

    def height(value: float) -> float:
        return 92 - 84 * min(max(value, 0.0), 1.0)

    has_standard = standard is not None and math.isfinite(standard)
    has_cued = cued is not None and math.isfinite(cued)
    if standard is not None and cued is not None and has_standard and has_cued:
        parts.append(
            f'<line class="joint" x1="5%" x2="95%" y1="{height(standard):.2f}%" '
            f'y2="{height(cued):.2f}%"/>'
        )
    if standard is not None and has_standard:
        parts.append(_dot(5, f"{height(standard):.2f}%", "dot hollow", 4.5))
    if cued is not None and has_cued:
        parts.append(_dot(95, f"{height(cued):.2f}%", "dot target"))
    words = f"standard {percent(standard)}, worst cue {percent(cued)}"
    return svg(parts, one_line(title), "pair", words)
