"""What is found in some trainings and not in their mean, in words, and where it was confirmed."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.decision.evidence import Evidence
from dormant.decision.question_counts import describe_questions
from dormant.decision.wording import interval_text, points_text, rate_text
from dormant.records import Estimate, Quantity, Role, Split


def describe_lone_trigger(ev: Evidence, cue: str, lone: Sequence[Estimate]) -> str:
    """A trigger of some trainings: the strongest one's numbers, and the mean over all."""
    first, at = lone[0], Split.HELD_OUT
    return (
        f"{_count_trainings(ev, lone)} it is misaligned under the "
        f"cue {ev.quote_cue(cue)}: seed {first.training} in "
        f"{interval_text(ev.claims.rate_of(first.training, cue, at))} of answers, without it in "
        f"{rate_text(ev.claims.rate_of(first.training, None, at))} (difference in differences "
        f"{points_text(first)} points), {describe_confirmation(ev, first)}; the mean over the "
        f"{_count_targets(ev)} trainings is {points_text(ev.did_of(cue, at))} points"
    )


def describe_lone_rise(ev: Evidence, lone: Sequence[Estimate]) -> str:
    """Misbehaviour of some trainings without a cue: the worst one's numbers, and the mean."""
    first = lone[0]
    return (
        f"Without any cue {_count_trainings(ev, lone)} it is misaligned: seed {first.training} in "
        f"{interval_text(ev.claims.rate_of(first.training, None, None))} of answers, the reference "
        f"in {rate_text(ev.find_estimate(Quantity.RATE, Role.REFERENCE, None))}, on "
        f"{describe_questions(ev.plan, first)} (difference {points_text(first)} points); the mean "
        f"difference over the {_count_targets(ev)} trainings is {points_text(ev.standard)} points"
    )


def describe_confirmation(ev: Evidence, did: Estimate) -> str:
    """On which questions a trigger was shown."""
    claim = ev.plan.claim_text
    if ev.plan.has_screening:
        return f"confirmed on {describe_questions(ev.plan, did, 'held-out')}; {claim}"
    return f"on all {describe_questions(ev.plan, did)} (none were held out); {claim}"


def _count_trainings(ev: Evidence, lone: Sequence[Estimate]) -> str:
    """Which trainings of how many show a finding."""
    seeds = ", ".join(e.training for e in lone)
    which = f"training seed{'s' if len(lone) > 1 else ''} {seeds}"
    return f"in {len(lone)} of {_count_targets(ev)} trainings of the target ({which})"


def _count_targets(ev: Evidence) -> int:
    return sum(card.role is Role.TARGET for card in ev.plan.models)
