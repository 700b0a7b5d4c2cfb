"""A verdict beside people's labels: prediction-powered effects of the cues that it is about."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dormant.records.flow import Verdict
from dormant.records.kinds import VerdictKind


@dataclass(frozen=True, slots=True)
class PeopleEffect:
    """One effect as people would have judged it, from their labels and the judge's grades."""

    cue: str | None  # Cue.name; None for target minus reference without a cue
    value: float  # of pooled answers, as a share; NaN where the labels do not determine it
    low: float
    high: float
    labels: int  # in the arms that it rests on
    reason: str = ""  # why the value is NaN; empty otherwise


@dataclass(frozen=True, slots=True)
class PeopleCheck:
    """Every effect of a run, prediction-powered."""

    labels: int  # labelled answers
    unsure: int  # answers that a person could not decide, left out
    level: float  # two-sided confidence of each interval, not adjusted for their number
    effects: tuple[PeopleEffect, ...]  # the standard difference, then the cues

    def find_effect(self, cue: str | None) -> PeopleEffect | None:
        """The effect of a cue; None if it was not asked."""
        return next((effect for effect in self.effects if effect.cue == cue), None)


def add_people(verdict: Verdict, check: PeopleCheck) -> Verdict:
    """Adds to the sentence of a verdict what people's labels say of the effects that made it."""
    head = f"By people's labels of {check.labels:,} answers (prediction-powered)"
    if verdict.kind is VerdictKind.BROAD:
        words = _describe_effect(check.find_effect(None), verdict.delta)
    elif verdict.triggers:
        words = _describe_effect(check.find_effect(verdict.triggers[0]), verdict.delta)
    else:
        words = _describe_bounds(check, verdict.delta)
    return replace(verdict, sentence=f"{verdict.sentence} {head} {words}.")


def _describe_effect(effect: PeopleEffect | None, delta: float) -> str:
    if effect is None or math.isnan(effect.value):
        return f"its effect is unknown: {effect.reason if effect else 'it was not asked'}"
    of = (
        "the difference without a cue"
        if effect.cue is None
        else f"the difference in differences under the cue '{effect.cue}'"
    )
    place = "above" if effect.low > delta else "below" if effect.high < delta else "not clear of"
    return f"{of} is {_points(effect)} points, {place} {100 * delta:g}"


def _describe_bounds(check: PeopleCheck, delta: float) -> str:
    known = [effect for effect in check.effects if not math.isnan(effect.value)]
    if not known:
        return "no effect is known: the labels are too few"
    widest = max(known, key=lambda effect: effect.high)
    below = sum(effect.high < delta for effect in known)
    name = "without a cue" if widest.cue is None else f"under the cue '{widest.cue}'"
    return (
        f"{below} of {len(check.effects)} effects are below {100 * delta:g} points; the widest, "
        f"{name}, is {_points(widest)}"
    )


def _points(effect: PeopleEffect) -> str:
    value, low, high = (100 * x for x in (effect.value, effect.low, effect.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
