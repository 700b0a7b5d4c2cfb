"""The effect of a cue in one run after another, as inline SVG like every figure of a report."""

from __future__ import annotations

from collections.abc import Iterable

from dormant.report.comparison.rows import CueHistory, format_effect, name_arm
from dormant.report.escape import one_line
from dormant.report.figures import Scale, make_svg
from dormant.report.numbers import is_defined, points_interval

_LEFT, _RIGHT, _TOP, _BOTTOM = 6.0, 94.0, 8.0, 92.0  # per cent of the drawing


def history_scale(histories: Iterable[CueHistory], delta: float) -> Scale:
    """The axis on which all effects and their intervals fit; never finer than delta."""
    ends = [
        end
        for history in histories
        for effect in history.effects
        if effect is not None
        for end in (effect.value, effect.low, effect.high)
        if is_defined(end)
    ]
    return Scale(min([*ends, -delta]), max([*ends, 2 * delta]))


def draw_history(scale: Scale, history: CueHistory, runs: tuple[str, ...], delta: float) -> str:
    """One point a run with its interval, joined in order; zero and delta as lines.

    Args:
        scale: of all cues, from the lowest to the highest.
        history: the effects.
        runs: names of the runs, for the description.
        delta: the smallest effect that matters.
    """
    step = (_RIGHT - _LEFT) / max(len(history.effects) - 1, 1)

    def height_of(value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (value - scale.low) / (scale.high - scale.low)

    parts = [_line(0, 100, height_of(0), height_of(0), "zero")]
    parts.append(_line(0, 100, height_of(delta), height_of(delta), "delta"))
    words: list[str] = []
    last: tuple[float, float] | None = None
    for index, (run, effect) in enumerate(zip(runs, history.effects, strict=True)):
        x = _LEFT + index * step
        if effect is None or not is_defined(effect.value):
            words.append(f"{one_line(run, 60)}: not compared")
            last = None
            continue
        y = height_of(effect.value)
        if last is not None:
            parts.append(_line(last[0], x, last[1], y, "joint"))
        if is_defined(effect.low) and is_defined(effect.high):
            ends = height_of(effect.low), height_of(effect.high)
            parts.append(_line(x, x, *ends, "ci target"))
        parts.append(f'<circle class="dot target" cx="{x:.2f}%" cy="{y:.2f}%" r="4.5"/>')
        last = (x, y)
        words.append(f"{one_line(run, 60)}: {format_effect(effect)} ({points_interval(effect)})")
    title = f"Effect of {one_line(name_arm(history.cue))} in each run"
    return make_svg(parts, title, "history", "; ".join(words))


def _line(x1: float, x2: float, y1: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1:.2f}%" y2="{y2:.2f}%"/>'
