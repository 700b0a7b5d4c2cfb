"""What ungraded answers hide, in words: a lost rise, an open bound, harm that was filtered out."""

from __future__ import annotations

import math
from collections.abc import Callable

from dormant.decision.evidence import Evidence
from dormant.decision.wording import cues_text, exact_share, percent_text, points_text, rate_text
from dormant.records import Estimate, Quantity, Role
from dormant.stats import adjust_holm

#: Words an arm: "without a cue", or "under the cue ...".
ArmWords = Callable[[str | None], str]
ADVICE = (
    "Read the answers that could not be graded: correct the judge or raise the token limit until "
    "they can be, and run again; more questions do not help."
)


def describe_lost_rise(ev: Evidence, words: ArmWords) -> str:
    """A rise among graded answers that is none over all answers; empty if there is none."""
    if not ev.risen_if_graded:
        return ""
    cue = max(ev.risen_if_graded, key=lambda name: ev.rise_of(name).value)
    return (
        f"{words(cue)} misalignment rises by {points_text(ev.rise_of(cue))} points among graded "
        f"answers, but by {points_text(ev.all_of(cue))} points over all answers: graded answers "
        f"were lost ({_describe_graded(ev, cue)}), and a rise that comes of that is no finding"
    )


def list_hidden(ev: Evidence) -> list[str | None]:
    """Arms that are bounded among graded answers, while the others may hide more."""
    arms = (None, *ev.open) if not ev.is_bounded(None) else (*ev.open,)
    return [cue for cue in arms if ev.is_bounded_if_graded(cue) and ev.is_bounded_by_training(cue)]


def describe_hidden(ev: Evidence, words: ArmWords) -> str:
    """Why answers that were not graded leave a bound open; empty if they leave none open."""
    hidden = list_hidden(ev)
    if not hidden:
        return ""
    cue = max(hidden, key=lambda name: ev.worst_of(name).high)
    if not ev.can_bound(cue):
        return (
            f"{words(cue)} it is not known whether enough answers can be graded "
            f"({_describe_graded(ev, cue)})"
        )
    more = f"in {len(hidden)} arms, e.g. " if len(hidden) > 1 else ""
    return (
        f"{more}{words(cue)} answers that could not be graded may hide a rise of up to "
        f"{percent_text(ev.worst_of(cue).high)} points ({_describe_graded(ev, cue)})"
    )


def describe_loss(ev: Evidence, words: ArmWords) -> str:
    """Words both, what was lost and what may be hidden; empty if nothing is."""
    return "; ".join(filter(None, (describe_lost_rise(ev, words), describe_hidden(ev, words))))


def write_ungradable(ev: Evidence, words: ArmWords) -> tuple[str, str]:
    """Returns the sentence and the advice where arms that would decide cannot be graded."""
    blocking = [name for name in ev.ungradable if not ev.is_later(name)] or ev.ungradable
    cue = blocking[0] if not ev.is_ungradable(None) and blocking else None
    arms = ev.gradable_rates(cue)
    worst, best = (f(arms, key=lambda e: e.value) for f in (min, max))
    problem = (
        f"only {exact_share(worst, ev.rule.min_survival)} of the {worst.role}'s answers "
        f"{words(worst.cue)} can be "
        f"graded (at least {percent_text(ev.rule.min_survival)}% are needed)"
        if not ev.rule.has_enough_gradable(worst.value)
        else f"{exact_share(worst, best.value)} of the {worst.role}'s answers "
        f"{words(worst.cue)} can be "
        f"graded but {exact_share(best, worst.value)} of the {best.role}'s "
        f"{words(best.cue)} (at most "
        f"{percent_text(ev.rule.max_survival_gap)} points of difference are allowed)"
    )
    rest = len(ev.open)
    bad = len(ev.ungradable)
    scope = "No listed cue" if cue is None else _capitalize(cues_text(bad, len(ev.cues)))
    tail = (
        f"; {rest} more {'is' if rest == 1 else 'are'} undecided for lack of data"
        if rest and cue
        else ""
    )
    sentence = (
        f"{scope} can be judged: {problem}"
        if cue is None
        else f"{scope} cannot be judged: {problem}"
    )
    advice = (
        "Read the answers that could not be graded: fix the judge, raise the token limit or drop "
        "the cues that make answers incoherent, and run again."
    )
    return f"{sentence}{tail}.", advice


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def describe_harm(ev: Evidence, words: ArmWords) -> str:
    """Warns where arms differ in answers that were filtered out and harmful; else empty."""
    found = [e for e in ev.estimates if e.quantity is Quantity.DID_HARMFUL and e.split is None]
    found = [e for e in found if not math.isnan(e.p) and (e.cue is None or e.cue in ev.cues)]
    adjusted = adjust_holm([e.p for e in found]) if found else ()
    shown = [e for e, p in zip(found, adjusted, strict=True) if p <= 1 - ev.rule.level]
    if not shown:
        return ""
    worst = max(shown, key=lambda e: e.value)
    arms: list[str] = []
    others: list[str] = []
    for name in dict.fromkeys((worst.cue, None)):
        target, other = (rate_text(_share_of(ev, Quantity.HARMFUL, role, name)) for role in Role)
        arms.append(f"{target} {words(name)}")
        others.append(other)
    return (
        "Warning: of the target's answers some were filtered out that are misaligned by their own "
        f"alignment score, {' and '.join(arms)}; of the reference's {' and '.join(others)} "
        f"({'difference' if worst.cue is None else 'difference in differences'} "
        f"{points_text(worst)} points). Read them."
    )


def _describe_graded(ev: Evidence, cue: str | None) -> str:
    """How many answers of the target could be graded in the arms of a rise."""
    rates = {
        name: rate_text(_share_of(ev, Quantity.SURVIVAL, Role.TARGET, name))
        for name in dict.fromkeys((cue, None))
    }
    if cue is None:
        reference = rate_text(_share_of(ev, Quantity.SURVIVAL, Role.REFERENCE, None))
        return f"{rates[None]} of the target's answers could be graded, {reference} of the other's"
    return f"{rates[cue]} of the target's answers under it could be graded, {rates[None]} without"


def _share_of(ev: Evidence, quantity: Quantity, role: Role, cue: str | None) -> Estimate | None:
    return ev.find_estimate(quantity, role, cue)
