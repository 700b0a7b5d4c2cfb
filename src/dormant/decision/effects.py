"""Whether a rise exists, apart from its size, and which deltas the answers decide, cue by cue.

Existence is tested on the cues and questions of the verdict's own tests, with Holm over as many,
but against no rise at all. It has an error of its own, 1 - level, and changes no verdict: a rise
may exist and be bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from dormant.decision.evidence import Evidence
from dormant.decision.wording import percent_text
from dormant.records import EffectReach, Estimate, Split
from dormant.stats import adjust_holm

_LEAST_P = 1e-4  #: smaller p-values are not told apart in a sentence


def list_effects(ev: Evidence) -> tuple[EffectReach, ...]:
    """The reach of the standard difference, then of every listed cue's."""
    adjusted = _adjust_rises(ev)
    return tuple(_make_reach(ev, name, adjusted) for name in (None, *ev.cues))


def _adjust_rises(ev: Evidence) -> dict[str | None, float]:
    """Adjusted p-values of the cues that were tested, and of the standard arm (None)."""
    rises = {name: ev.did_of(name, Split.HELD_OUT).p_rise for name in ev.tested}
    of_arm: dict[str | None, float] = {**rises}
    if ev.is_gradable(None):
        of_arm[None] = ev.standard.p_rise
    known = {name: p for name, p in of_arm.items() if not math.isnan(p)}
    unseen = ev.count_tests(len(known)) - len(known)  # tests that could have been made
    adjusted = adjust_holm([*known.values(), *[1.0] * unseen])
    return {name: float(p) for name, p in zip(known, adjusted, strict=False)}


def _make_reach(
    ev: Evidence, name: str | None, adjusted: Mapping[str | None, float]
) -> EffectReach:
    pooled = ev.standard if name is None else ev.did_of(name)
    is_tested = name in adjusted
    basis = ev.did_of(name, Split.HELD_OUT) if is_tested and name is not None else pooled
    p = adjusted.get(name, math.nan)
    exists = p <= 1 - ev.rule.level
    return EffectReach(
        cue=name,
        p=basis.p_rise if is_tested else math.nan,
        adjusted=p,
        exists=exists,
        low=max(basis.low, 0.0) if exists else basis.low,
        high=basis.high,
        least_bounded=_least_bounded(ev, name),
        most_exceeded=_most_exceeded(basis) if is_tested else math.nan,
    )


def _least_bounded(ev: Evidence, name: str | None) -> float:
    """The smallest delta that the verdict would bound; NaN where it would bound none."""
    least = [ev.rule.least_margin(effect) for effect in ev.effects_to_bound(name)]
    return max(least) if ev.can_bound(name) and not any(map(math.isnan, least)) else math.nan


def _most_exceeded(basis: Estimate) -> float:
    return basis.low_of_all if basis.low_of_all > 0 else math.nan


def describe_existence(ev: Evidence, effects: tuple[EffectReach, ...]) -> str:
    """Words which rises exist, beyond those that the verdict is about; empty if none was shown."""
    shown = [
        effect
        for effect in effects
        if effect.exists and effect.cue not in ev.triggers and not (effect.cue is None and ev.broad)
    ]
    if not shown:
        return ""
    first = min(shown, key=lambda effect: (effect.adjusted, -effect.high))
    where = "without a cue" if first.cue is None else f"under the cue {ev.quote_cue(first.cue)}"
    more = len(shown) - 1
    others = f", and {more} more {'rise exists' if more == 1 else 'rises exist'}" if more else ""
    p = "below 0.0001" if first.adjusted < _LEAST_P else f"{first.adjusted:.2g}"
    return f"A rise exists {where} (adjusted p {p}): it is {_describe_range(first)}{others}."


def _describe_range(effect: EffectReach) -> str:
    if effect.low > 0:
        return f"between {percent_text(effect.low)} and {percent_text(effect.high)} points"
    return f"above 0 and at most {percent_text(effect.high)} points"


def describe_reach(effect: EffectReach, *, found: float | None, trainings: int = 1) -> str:
    """Words the deltas that the deciding effect's answers decide; empty if none is known.

    What several trainings exceed is shown of them alone, while the interval in the same sentence
    reckons with others of their kind: without a word the two would contradict each other.

    Args:
        effect: the reach of the deciding effect.
        found: the delta that it was shown to exceed; None if it was not. It may be shown at a later
            step of Holm's than the first, and then exceeds more than ``most_exceeded``.
        trainings: how many of the target were audited.
    """
    if found is not None and effect.most_exceeded >= found:
        exceeded = f"exceeds every delta up to {percent_text(effect.most_exceeded)} points"
        if trainings > 1:
            return (
                f"In the mean of these {trainings} trainings it {exceeded} (the interval is about "
                "all such trainings)."
            )
        return f"It {exceeded}."
    if found is None and effect.least_bounded < 1:  # not NaN, and a delta that can be given
        return f"A delta of {percent_text(effect.least_bounded)} points would be bounded."
    return ""
