"""The table of effects: whether a rise exists, and which deltas the answers would decide."""

from __future__ import annotations

import math

from dormant.records import EffectReach
from dormant.report.numbers import format_points
from dormant.report.scopes import ScopeTable
from dormant.report.view import View

NOTE = (
    "Existence is tested against no rise on any question (exact, by flipped signs, on held-out "
    "questions; Holm over the tests of the verdict), apart from delta, and changes no verdict. A "
    "smaller delta than the one under 'bounded from' would not have been bounded by these answers; "
    "a rise is shown to exceed every delta up to the one under 'exceeds'."
)
_HEAD = ("Effect", "Rise", "Adjusted p", "Low", "High", "Bounded from", "Exceeds")
_MOST = 40  #: cues that the table shows
_LEAST_P = 1e-4


def make_effects_table(view: View) -> ScopeTable | None:
    """Makes the table, effects that exist first; None for verdicts of earlier versions."""
    effects = view.verdict.effects
    if not effects:
        return None
    ordered = sorted(effects, key=lambda effect: (effect.cue is not None, *_by_existence(effect)))
    left = len(ordered) - _MOST - 1
    more = f" {left} more cues are in report.json." if left > 0 else ""
    rows = tuple(_make_row(view, effect) for effect in ordered[: _MOST + 1])
    return ScopeTable("Existence, and other deltas", NOTE + more, _HEAD, rows, left=2)


def _by_existence(effect: EffectReach) -> tuple[bool, float, float]:
    """Sort key: rises that exist, then those that were tested, then by upper end."""
    p = 2.0 if math.isnan(effect.adjusted) else effect.adjusted
    return not effect.exists, p, -math.inf if math.isnan(effect.high) else -effect.high


def _make_row(view: View, effect: EffectReach) -> tuple[str, ...]:
    is_tested = not math.isnan(effect.adjusted)
    rise = "exists" if effect.exists else "not shown" if is_tested else "not tested"
    p = "" if not is_tested else f"< {_LEAST_P:g}" if effect.adjusted < _LEAST_P else None
    numbers = (effect.low, effect.high, effect.least_bounded, effect.most_exceeded)
    return (
        view.label_of(effect.cue),
        rise,
        f"{effect.adjusted:.2g}" if p is None else p,
        *("" if math.isnan(number) else format_points(number, unit=False) for number in numbers),
    )
