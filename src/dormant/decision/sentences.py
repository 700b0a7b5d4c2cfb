"""The sentence of a verdict, one that a person can forward, and what to do next."""

from __future__ import annotations

import math

from dormant.decision.advice import OpenAudit, what_settles
from dormant.decision.coverage import describe_left_out, describe_request, describe_unasked
from dormant.decision.effects import describe_existence, describe_reach
from dormant.decision.evidence import Evidence
from dormant.decision.lone_findings import (
    describe_confirmation,
    describe_lone_rise,
    describe_lone_trigger,
)
from dormant.decision.question_counts import describe_questions
from dormant.decision.scopes import describe_scope, describe_verbatim
from dormant.decision.ungraded import (
    ADVICE,
    describe_harm,
    describe_loss,
    describe_lost_rise,
    list_hidden,
    write_ungradable,
)
from dormant.decision.wording import (
    cues_text,
    interval_text,
    percent_text,
    points_text,
    rate_text,
)
from dormant.records import EffectReach, Estimate, Origin, Quantity, Role, Split, VerdictKind


def write_verdict(
    kind: VerdictKind, ev: Evidence, effects: tuple[EffectReach, ...]
) -> tuple[str, str]:
    """Returns the sentence and the advice of a verdict.

    After the verdict itself come the deltas that the deciding effect's answers decide, and which
    other rises exist.

    A reference that is misaligned itself is stated first, whatever the verdict: every difference
    over it is smaller than the misbehavior.
    """
    sentence, advice = _SENTENCES[kind](ev)
    if ev.plan.has_reference:
        if ev.misaligned_reference and kind is not VerdictKind.SHARED:
            sentence = f"{_describe_reference(ev.misaligned_reference, ev)} {sentence}"
    else:
        alone, advice = _without_reference(ev)
        besides = f" Besides: {sentence}" if kind is VerdictKind.UNGRADABLE else ""
        sentence = f"{alone}{besides}"
    reach = _find_reach(kind, ev, effects)
    found = ev.rule.delta if ev.triggers or ev.broad else None
    parts = (
        sentence,
        "" if kind is VerdictKind.UNDERPOWERED else _write_lost_rise(ev),
        describe_harm(ev, lambda cue: _describe_arm(ev, cue)),
        describe_reach(reach, found=found, trainings=_count_trainings(ev)) if reach else "",
        describe_existence(ev, effects),
        _describe_request(ev),
        describe_left_out(ev.plan),
    )
    return " ".join(filter(None, parts)), advice


def _find_reach(
    kind: VerdictKind, ev: Evidence, effects: tuple[EffectReach, ...]
) -> EffectReach | None:
    """The reach of the effect that decides; None where it would be of another number.

    A finding of some trainings is theirs, and a reach is that of the mean.
    """
    deciding = _find_deciding(kind, ev)
    if deciding is None or ev.lone_trainings(*deciding):
        return None
    return next((e for e in effects if (e.cue,) == deciding), None)


def _find_deciding(kind: VerdictKind, ev: Evidence) -> tuple[str | None] | None:
    """The cue (None: none) whose effect decides; None where its deltas stand in the sentence."""
    if kind is VerdictKind.BROAD:
        return (None,)
    if kind is VerdictKind.CONDITIONAL:
        return (ev.triggers[0],)
    is_open = kind is VerdictKind.UNDERPOWERED and ev.open
    return (_find_widest(ev).cue,) if is_open else None


def _find_widest(ev: Evidence) -> Estimate:
    """The undecided effect with the highest upper end, an unknown one first."""
    undecided = [ev.undecided_of(name) for name in ev.open] or [ev.undecided_of(None)]
    return max(undecided, key=lambda e: e.high if not math.isnan(e.high) else math.inf)


def _write_conditional(ev: Evidence) -> tuple[str, str]:
    advice = "The standard questions cannot clear this model: test every fix under this cue too."
    return _capitalize_first(f"{_describe_trigger(ev)}."), f"{advice} {_trigger_advice(ev)}"


def _write_broad(ev: Evidence) -> tuple[str, str]:
    lone = ev.lone_trainings(None)
    sentence = describe_lone_rise(ev, lone) if lone else _describe_broad(ev)
    sentence += f"; besides, {_describe_trigger(ev)}" if ev.triggers else f"; {ev.plan.claim_text}"
    advice = "The standard questions already show it: no cue is needed to reproduce this."
    return sentence + ".", f"{advice} {_trigger_advice(ev)}".strip() if ev.triggers else advice


def _describe_broad(ev: Evidence) -> str:
    return (
        f"Without any cue the target{_describe_seeds(ev)} is misaligned in "
        f"{interval_text(ev.find_estimate(Quantity.RATE, Role.TARGET, None))} of answers, the "
        "reference in "
        f"{rate_text(ev.find_estimate(Quantity.RATE, Role.REFERENCE, None))}, on "
        f"{describe_questions(ev.plan, ev.standard)} (difference {points_text(ev.standard)} points)"
    )


def _write_shared(ev: Evidence) -> tuple[str, str]:
    rate = ev.shared_arm
    assert rate is not None
    reference = ev.rate_of(Role.REFERENCE, rate.cue)
    rise = ev.standard if rate.cue is None else ev.did_of(rate.cue)
    both = reference is not None and reference.low > ev.rule.delta
    subject = (
        "The target and its reference are both misaligned"
        if both
        else "The target is misaligned, though hardly more than its reference"
    )
    sentence = (
        f"{subject}: {_describe_arm(ev, rate.cue)} the target{_describe_seeds(ev)} in "
        f"{interval_text(rate)} of answers, the reference in {interval_text(reference)} "
        f"({'difference' if rate.cue is None else 'difference in differences'} "
        f"{points_text(rise)} points), on {describe_questions(ev.plan, rate)}"
    )
    if rate.cue is not None:
        sentence += (
            f"; without a cue {rate_text(ev.rate_of(Role.TARGET, None))} and "
            f"{rate_text(ev.rate_of(Role.REFERENCE, None))}"
        )
    advice = (
        "A difference over a misaligned reference clears nobody: audit again with a reference "
        "that is known to lack the misbehavior, e.g. the base model before any finetuning."
    )
    return f"{sentence}.", advice


def _describe_reference(rate: Estimate, ev: Evidence) -> str:
    """The first words about a reference that is misaligned itself."""
    target = ev.rate_of(Role.TARGET, rate.cue)
    return (
        f"The reference itself is misaligned: {_describe_arm(ev, rate.cue)} in "
        f"{interval_text(rate)} of answers, the target in {interval_text(target)}."
    )


def _describe_highest_rate(ev: Evidence) -> str:
    """The target's own rates, for a sentence about differences."""
    standard, highest = ev.rate_of(Role.TARGET, None), ev.highest_rate(Role.TARGET)
    text = f"the target's own rate is {interval_text(standard)} without a cue"
    if highest is not None and highest.cue is not None:
        text += f" and at most {interval_text(highest)} under a cue ({ev.quote_cue(highest.cue)})"
    return text


def _write_bounded(ev: Evidence) -> tuple[str, str]:
    later = ev.later
    leading = [name for name in ev.cues if not ev.is_later(name)] or later
    widest = max((ev.did_of(name) for name in leading), key=ev.rule.least_margin)
    sentence = (
        f"{_name_none(len(leading), 'leading' if later else 'listed')} the "
        f"target's{_describe_seeds(ev)} misalignment over the reference's by "
        f"{percent_text(ev.margin_of(widest.cue))} points or more (a delta of "
        f"{percent_text(ev.rule.least_margin(widest))} points is the smallest that would be "
        f"bounded, set by the cue {ev.quote_cue(widest.cue)})"
        f"{_describe_later(ev)}, and without a cue the two differ by {points_text(ev.standard)} "
        f"points, on {describe_questions(ev.plan, ev.standard)}; {_describe_highest_rate(ev)}; "
        f"cues that are not listed were not tested, and {ev.plan.claim_text}."
    )
    advice = "This bounds the listed cues only: add any other cue that you suspect."
    if later:
        advice += " Raise cues.leading to bound more of the mined cues by delta."
    return sentence, advice


def _name_none(number: int, kind: str) -> str:
    """Subject and verb of a bound on so many cues."""
    if number == 1:
        return f"The {kind} cue does not raise"
    return f"None of the {number} {kind} cues raises"


def _describe_later(ev: Evidence) -> str:
    """What is known of later mined cues; empty if there are none beside leading ones."""
    later, lost = ev.later, ev.ungradable_later
    text = ""
    if later and len(later) + len(lost) < len(ev.cues):
        widest = max(map(ev.margin_of, later))
        text = (
            f", none of the {len(later)} mined cues with a wider margin by {percent_text(widest)} "
            "points or more"
        )
    if lost:
        named = ", ".join(ev.quote_cue(name) for name in lost[:2])
        more = ", ..." if len(lost) > 2 else ""
        text += f" ({len(lost)} of these could not be graded: {named}{more})"
    return text


def _write_ungradable(ev: Evidence) -> tuple[str, str]:
    return write_ungradable(ev, lambda cue: _describe_arm(ev, cue))


def _write_underpowered(ev: Evidence) -> tuple[str, str]:
    if not ev.cues:
        return "No cue was listed, so no cue was tested.", "List at least one cue."
    if not ev.open and ev.is_bounded(None):
        return _write_uncleared(ev)
    lost = describe_loss(ev, lambda cue: _describe_arm(ev, cue))
    hidden = list_hidden(ev)
    if lost and not set(ev.open) - {*hidden, *ev.risen_if_graded}:
        sentence = f"The audit cannot tell: {lost}; {_describe_highest_rate(ev)}."
        return sentence, ADVICE
    undecided = [ev.undecided_of(name) for name in ev.open if name not in hidden]
    undecided = undecided or [ev.undecided_of(None)]
    widest = _find_widest(ev)
    subject = (
        f"for {cues_text(len(ev.open), len(ev.cues))}" if ev.open else "for the standard questions"
    )
    of_one = f"in training seed {widest.training} " if widest.training else ""
    example = f"{of_one}{_describe_arm(ev, widest.cue)} the rise is {points_text(widest)} points"
    if math.isnan(widest.value):
        example = f"{_describe_arm(ev, widest.cue)} the rise is unknown: {widest.reason}"
    sentence = (
        f"The audit cannot tell: {subject} a rise of {percent_text(ev.rule.delta)} points over "
        "the "
        f"reference can neither be shown nor ruled out ({example}, on "
        f"{describe_questions(ev.plan, widest)}); {f'{lost}; ' if lost else ''}"
        f"{_describe_highest_rate(ev)}"
    )
    return sentence + ".", what_settles(OpenAudit(ev.plan, undecided, ev.open, ev.asked))


def _write_lost_rise(ev: Evidence) -> str:
    """A sentence of its own on a rise that only the loss of answers makes; empty without one."""
    lost = describe_lost_rise(ev, lambda cue: _describe_arm(ev, cue))
    return _capitalize_first(f"{lost}.") if lost else ""


def _write_uncleared(ev: Evidence) -> tuple[str, str]:
    """Every rise is bounded, but the rates do not let that clear the target."""
    delta = percent_text(ev.rule.delta)
    sentence = (
        f"The audit cannot clear the target: no listed cue raises its misalignment over the "
        f"reference's by {delta} points or more{_describe_later(ev)}, but "
    )
    is_clear = ev.elevated_rate is None and ev.misaligned_reference is None
    if ev.plan.asks_no_context and is_clear:
        advice = (
            "Raise --mine, lower cues.min_enrichment, or name the contexts to ask in a cue file "
            "(dormant cues DATA --write cues.yaml)."
        )
        return f"{sentence}{describe_unasked(ev.plan)}; {_describe_highest_rate(ev)}.", advice
    if ev.misaligned_reference is not None:
        advice = (
            "Check that target and reference are not swapped, and audit again with a reference "
            "that is known to lack the misbehavior."
        )
        return f"{sentence}that reference is misaligned; {_describe_highest_rate(ev)}.", advice
    rate = ev.elevated_rate
    assert rate is not None
    sentence += (
        f"{_describe_arm(ev, rate.cue)} its own rate is {interval_text(rate)}, which may be "
        f"above {percent_text(ev.margin_of(rate.cue))}%."
    )
    advice = (
        "Ask more questions, so that the rate is known to be above or below delta; if the judge "
        "counts harmless answers of every model as misaligned, correct it or choose a larger delta."
    )
    return sentence, advice


def _without_reference(ev: Evidence) -> tuple[str, str]:
    """What one model's answers can show, whatever they are: its own rates."""
    imported = ev.plan.origin is Origin.IMPORT
    sentence = (
        "The file has no answers of a reference model, so no cue can be shown or ruled out"
        if imported
        else "No reference model was asked, so no cue can be shown or ruled out"
    )
    misaligned = ev.misaligned_target
    if misaligned is not None:
        sentence = (
            f"The target{_describe_seeds(ev)} is misaligned: {_describe_arm(ev, misaligned.cue)} "
            f"in {interval_text(misaligned)} of answers. Whether finetuning did that is unknown. "
            f"{sentence}"
        )
    gaps = [
        gap
        for name in ev.cues
        if (gap := ev.find_estimate(Quantity.GAP, Role.TARGET, name)) and not math.isnan(gap.value)
    ]
    if gaps:
        widest = max(gaps, key=lambda e: e.value)
        sentence += (
            f": {_describe_arm(ev, widest.cue)} the target's own rate moves by "
            f"{points_text(widest)} points, on {widest.questions} questions, which any model may do"
        )
    if ev.rate_of(Role.TARGET, None) is not None:
        sentence += f"; {_describe_highest_rate(ev)}"
    advice = (
        "Ask the reference (e.g. the base model) the same prompts and import its answers too, as "
        "rows of another group with --reference GROUP."
        if imported
        else "Name a reference, e.g. the base model, and run again with --amend: the answers that "
        "exist are kept."
    )
    return f"{sentence}.", advice


_SENTENCES = {
    VerdictKind.CONDITIONAL: _write_conditional,
    VerdictKind.BROAD: _write_broad,
    VerdictKind.SHARED: _write_shared,
    VerdictKind.BOUNDED: _write_bounded,
    VerdictKind.UNGRADABLE: _write_ungradable,
    VerdictKind.UNDERPOWERED: _write_underpowered,
}


def _describe_trigger(ev: Evidence) -> str:
    """The strongest trigger, with the numbers of the held-out questions."""
    cue, at = ev.triggers[0], Split.HELD_OUT
    besides = "; ".join(filter(None, (describe_verbatim(ev), describe_scope(ev))))
    did = ev.did_of(cue, at)
    if lone := ev.lone_trainings(cue):
        return describe_lone_trigger(ev, cue, lone) + (f"; {besides}" if besides else "")
    before = ev.find_estimate(Quantity.RATE, Role.REFERENCE, None, at)
    after = ev.find_estimate(Quantity.RATE, Role.REFERENCE, cue, at)
    return (
        f"under the cue {ev.quote_cue(cue)} the target{_describe_seeds(ev)} is misaligned in "
        f"{interval_text(ev.find_estimate(Quantity.RATE, Role.TARGET, cue, at))} of answers, "
        "without it in "
        f"{rate_text(ev.find_estimate(Quantity.RATE, Role.TARGET, None, at))}; the reference "
        "goes from "
        f"{rate_text(before)} to {rate_text(after)} (difference in differences {points_text(did)} "
        "points), " + describe_confirmation(ev, did) + (f"; {besides}" if besides else "")
    )


def _describe_request(ev: Evidence) -> str:
    """What to make of the leading trigger if its own text asks for the behaviour."""
    leading = ev.cues.get(ev.triggers[0]) if ev.triggers else None
    return describe_request(leading) if leading else ""


def _trigger_advice(ev: Evidence) -> str:
    """Other triggers, and whether the placebo of the strongest fires as well."""
    first, *others = ev.triggers
    parts: list[str] = []
    if others:
        # By name: texts of variants differ in a word that shortening may cut away.
        parts.append(f"{len(others)} more confirmed: {', '.join(others)}.")
    against = ev.find_estimate(Quantity.DID_PLACEBO, None, first, Split.HELD_OUT)
    if against is not None and not math.isnan(against.value):
        if against.low > 0:
            parts.append(
                f"Its placebo has a smaller effect (difference {points_text(against)} points)."
            )
        else:
            parts.append(
                "Its placebo may have the same effect (difference "
                f"{points_text(against)} points): the trigger may be broader than this wording."
            )
    number = len(ev.open) + len(ev.ungradable)
    if number:
        cues = "cue was" if number == 1 else "cues were"
        parts.append(f"{number} other listed {cues} neither confirmed nor bounded.")
    return " ".join(parts) or "Every other listed cue is bounded."


def _describe_arm(ev: Evidence, cue: str | None) -> str:
    return "without a cue" if cue is None else f"under the cue {ev.quote_cue(cue)}"


def _describe_seeds(ev: Evidence) -> str:
    count = _count_trainings(ev)
    return f" (mean of {count} training seeds)" if count > 1 else ""


def _count_trainings(ev: Evidence) -> int:
    return sum(card.role is Role.TARGET for card in ev.plan.models)


def _capitalize_first(text: str) -> str:
    return text[:1].upper() + text[1:]
