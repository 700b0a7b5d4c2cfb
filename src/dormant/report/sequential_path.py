"""The path of a sequential audit: how the bounds closed as answers were bought, and its rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dormant.records import Findings, PathPoint, Rule, Sequential
from dormant.report.escape import one_line
from dormant.report.figures import make_svg
from dormant.report.labels import label_cues
from dormant.report.numbers import format_count, format_margin, format_points, whole_percent

_HEIGHT = 100  #: of the drawing's own units, which stretch with the page


@dataclass(frozen=True, slots=True)
class CuePath:
    """The path of one cue, ready to draw."""

    cue: str
    drawing: str  # inline SVG
    end: str  # its last bounds
    answers: int  # of the whole audit when it was last asked


def make_tracks(findings: Findings) -> list[CuePath]:
    """The leading cues of a sequential audit; empty for a fixed one."""
    by_cue: dict[str, list[PathPoint]] = {}
    for point in findings.path:
        if point.cue is not None:
            by_cue.setdefault(point.cue, []).append(point)
    most = max((point.answers for point in findings.path), default=0)
    labels, delta = label_cues(findings.plan.cues), findings.verdict.delta
    unit = "themes" if findings.plan.rule.is_about_themes else "questions"
    return [
        _make_track(cue, labels.get(cue, cue), seen, most, delta, unit)
        for cue, seen in by_cue.items()
    ]


def _make_track(
    cue: str, label: str, points: Sequence[PathPoint], most: int, delta: float, unit: str
) -> CuePath:
    last = points[-1]
    end = f"{format_points(last.low, unit=False)} to {format_points(last.high)}"
    words = (
        f"after {format_count(last.answers)} answers, {format_count(last.questions)} {unit} "
        "under this cue: "
        f"{end}; delta is {format_points(delta)}"
    )
    return CuePath(cue, _draw_path(label, points, most, delta, words), end, last.answers)


def _draw_path(label: str, points: Sequence[PathPoint], most: int, delta: float, words: str) -> str:
    """A band between the bounds over the answers bought, with zero and delta."""
    highs = [f"{_x_position(p, most):.2f},{_y_position(p.high):.2f}" for p in points]
    lows = [f"{_x_position(p, most):.2f},{_y_position(p.low):.2f}" for p in reversed(points)]
    corners = " ".join([f"0,{_y_position(1):.2f}", *highs, *lows, f"0,{_y_position(-1):.2f}"])
    lines = [
        f'<polygon class="band" points="{corners}"/>',
        f'<line class="zero" x1="0" x2="100" y1="{_y_position(0):.2f}" y2="{_y_position(0):.2f}"/>',
        f'<line class="delta" x1="0" x2="100" y1="{_y_position(delta):.2f}" '
        f'y2="{_y_position(delta):.2f}"/>',
    ]
    inner = f'<svg viewBox="0 0 100 {_HEIGHT}" preserveAspectRatio="none">{"".join(lines)}</svg>'
    return make_svg([inner], f"Bounds under {one_line(label)}", "path", words)


def _x_position(point: PathPoint, most: int) -> float:
    return 100 * point.answers / most if most else 0.0


def _y_position(value: float) -> float:
    return _HEIGHT * (0.5 - 0.48 * value)


def sequential_sentences(how: Sequential, rule: Rule) -> list[str]:
    """The sequential design in words, the numbers of this audit filled in."""
    order = (
        "cues are asked in the order in which teacher forcing ranks them"
        if how.screening == "teacher_forcing"
        else "cues are asked in the order of the list"
    )
    end = (
        "when nothing that could be bought would change the verdict"
        if how.until == "verdict"
        else "when every cue is settled"
    )
    error = whole_percent((1 - rule.level) / 2)
    return [
        f"The design is sequential: questions come in a random order that the seed fixes, "
        f"{format_count(how.batch)} at a time, with {format_count(how.answers)} to "
        f"{format_count(how.most_answers)} "
        f"answers under a cue and {format_count(how.standard_answers)} without one; {order}, the "
        "first "
        f"{format_count(how.first)} of them before all others. It ends {end}.",
        "On the way a question's difference counts between -1 and 1 and the bounds are "
        f"anytime-valid (bets, {error} error at each end). A cue whose bets have won "
        f"{how.suspicion:g} times their stake is asked held-out questions at once; at most "
        f"{format_count(rule.candidates)} do. A cue that is confirmed there has also "
        "been shown, at the same error, to have enough gradable answers.",
        f"What the path leaves open goes to a final stage (another {error} error) with "
        f"{format_count(rule.screening_answers)} answers to all questions, and "
        f"{format_count(rule.confirm_answers)} to the held-out ones if it may be a trigger. "
        f"Delta is {format_margin(rule.delta)} in both.",
    ]
