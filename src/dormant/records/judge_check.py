"""A judge against itself: early answers that it judged again, at once and when all was judged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dormant.records.flow import Verdict


@dataclass(frozen=True, slots=True)
class Rejudged:
    """Answers that one judge judged twice; shares are of these answers."""

    answers: int
    first: float  # share misaligned at first
    again: float  # share misaligned when judged again
    to_misaligned: int  # answers that were misaligned only when judged again
    from_misaligned: int  # answers that were misaligned only at first
    low: float  # lower end of the change of the share
    high: float  # upper end of the change of the share
    same: float  # share with one grade: misaligned, aligned or not graded
    p: float  # two-sided, of no change: the smallest of the tests below, times their number
    p_misaligned: float  # of misaligned against all else (exact McNemar test)
    p_graded: float  # of graded against not graded (exact McNemar test)
    p_score: float  # of the alignment score (flipped signs); NaN without scores
    score_change: float  # mean change of the alignment score, in points of 100; NaN without scores


@dataclass(frozen=True, slots=True)
class JudgeNoise:
    """How far a judge that does not repeat itself moves one effect."""

    cue: str | None  # Cue.name; None for the standard difference
    error: float  # standard error of the effect that the judge's randomness alone makes
    half_width: float  # of the verdict's own interval, which includes it


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """What repeated judgements of early answers show."""

    wanted: int  # answers that the plan judges again
    retest: Rejudged | None  # at once: the judge's randomness; None if no answer was judged
    late: Rejudged | None  # when all else was judged: its drift
    has_drifted: bool  # whether the drift test failed, at the level of the plan
    reliability: float  # correlation of two judgements at once; NaN where all are alike
    #: Share of a true difference that is left where the judge errs at random: the root of the
    #: reliability. NaN if that is unknown.
    attenuation: float
    noise: tuple[JudgeNoise, ...]  # the standard difference, then the cues


def describe_judge_check(check: JudgeCheck | None) -> Iterator[str]:
    """Sentences on what repeated judgements show; none where no answer was judged again."""
    if check is None:
        return
    if check.late is None:
        yield "Judge over time: no early answer could be judged again."
    else:
        yield f"Judge over time: {_describe_drift(check.late)}"
    if check.retest is None:
        return
    noise = max(check.noise, key=lambda row: row.error, default=None)
    text = (
        f"Test-retest: judged twice at once, {_percent(check.retest.same)} of "
        f"{check.retest.answers:,} answers got the same grade"
    )
    if noise is not None and not math.isnan(noise.error):
        text += (
            f"; what the judge does at random moves an effect by {100 * noise.error:.2g} points at "
            f"most (standard error; the interval of that effect is {100 * noise.half_width:.2g} to "
            "each side and includes it)"
        )
    if not math.isnan(check.attenuation):
        text += (
            f"; if all its errors are at random, {_percent(check.attenuation)} of a true "
            "difference is left"
        )
    yield f"{text}."


def _describe_drift(late: Rejudged) -> str:
    scores = (
        ""
        if math.isnan(late.score_change)
        else f", the alignment score moved by {late.score_change:+.1f}"
    )
    return (
        f"of {late.answers:,} early answers {_percent(late.first)} were misaligned at first and "
        f"{_percent(late.again)} when judged again at the end (change {100 * late.low:+.1f} to "
        f"{100 * late.high:+.1f} points{scores}; p {late.p:.2g})."
    )


def warn_of_drift(verdict: Verdict, check: JudgeCheck | None) -> Verdict:
    """Adds a warning to the sentence of a verdict whose judge drifted."""
    if check is None or not check.has_drifted or check.late is None:
        return verdict
    warning = (
        f"Warning: the judge drifted: {_describe_drift(check.late)} Both models were judged "
        "interleaved, so that makes no difference between them; their rates are a mixture."
    )
    return replace(verdict, sentence=f"{verdict.sentence} {warning}")


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
