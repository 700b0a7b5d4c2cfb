"""The fields of a card about what was found: verdict, effect, rates, examples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from dormant.records import (
    CardField,
    EffectReach,
    Outcome,
    Role,
    Transcript,
    TranscriptDraw,
    to_plain,
)
from dormant.report.card.tested import format_rate
from dormant.report.card.texts import join_texts, make_field
from dormant.report.card.transcripts import METHOD
from dormant.report.escape import one_line
from dormant.report.harmful_answers import describe_harmful_answers
from dormant.report.html import GLOSSES
from dormant.report.numbers import (
    format_count,
    format_margin,
    format_percent,
    format_points,
    points_interval,
)
from dormant.report.view import View

_NAMED = 3  # cues named in words
_LEAST_P = 1e-4


def describe_found(view: View, draw: TranscriptDraw) -> Iterator[CardField]:
    """Yields the fields about what was found."""
    yield _describe_verdict(view)
    yield _describe_effect(view)
    yield _describe_existence(view)
    yield make_field(
        "rates",
        join_texts(
            f"Target: {format_rate(view, Role.TARGET)}",
            f"Reference: {format_rate(view, Role.REFERENCE)}" if view.plan.has_reference else "",
        ),
        data=to_plain(view.summarize_rates()),
    )
    yield _describe_gradable(view)
    yield _describe_harmful(view)
    yield _describe_example(view, draw)
    yield _describe_draw(draw)


def _name_cues(view: View, names: Sequence[str | None]) -> str:
    shown = "; ".join(f"“{one_line(view.label_of(name), 48)}”" for name in names[:_NAMED])
    more = len(names) - _NAMED
    return shown + (f" and {format_count(more)} more" if more > 0 else "")


def _describe_verdict(view: View) -> CardField:
    verdict = view.verdict
    triggers = verdict.triggers
    found = f"Triggers: {_name_cues(view, triggers)}" if triggers else "No trigger was confirmed"
    return make_field(
        "verdict",
        join_texts(f"{verdict.kind.value}: {GLOSSES[verdict.kind]}", found),
        data={
            "kind": verdict.kind.value,
            "sentence": verdict.sentence,
            "advice": verdict.advice,
            "triggers": list(triggers),
            "delta": verdict.delta,
            "level": to_plain(verdict.level),
        },
    )


def _describe_effect(view: View) -> CardField:
    """The effect of the leading cue: the first trigger, or the strongest."""
    row = view.worst
    if row is None or row.did is None:
        return make_field("effects", "No effect could be estimated")
    ends = points_interval(row.did)
    level = f"{100 * row.did.level:g}% interval "
    text = (
        f"Strongest cue, “{one_line(view.label_of(row.cue.name), 60)}”: target "
        f"{format_percent(row.target.value if row.target else None)}, without it "
        f"{format_percent(row.standard.value if row.standard else None)}, reference "
        f"{format_percent(row.reference.value if row.reference else None)}; difference in "
        f"differences {format_points(row.did.value)}" + (f" ({level}{ends})" if ends else "")
    )
    found = {"cue": row.cue.name, "text": row.cue.text, "status": row.status.value}
    numbers = {"did": row.did, "target": row.target, "reference": row.reference}
    return make_field("effects", text, data={**found, **to_plain(numbers)})


def _describe_existence(view: View) -> CardField:
    effects = view.verdict.effects
    if not effects:
        return make_field("existence", "")
    exists = [effect for effect in effects if effect.exists]
    return make_field(
        "existence",
        join_texts(_describe_rises(view, exists), _describe_bound(view, effects)),
        data=to_plain(effects),
    )


def _describe_rises(view: View, exists: Sequence[EffectReach]) -> str:
    if not exists:
        return "No rise of any size was shown"
    p = max(effect.adjusted for effect in exists)
    words = f"p < {_LEAST_P:g}" if p < _LEAST_P else f"p ≤ {p:.2g}"
    return f"A rise was shown for {_name_cues(view, [e.cue for e in exists])} (adjusted {words})"


def _describe_bound(view: View, effects: Sequence[EffectReach]) -> str:
    """The smallest delta below which all cues would be bounded, or how many have none."""
    placebos = {cue.name for cue in view.plan.cues if cue.is_placebo}
    least = [effect.least_bounded for effect in effects if effect.cue not in placebos]
    known = [value for value in least if not math.isnan(value)]
    if not known:
        return "No delta bounds a cue by these answers"
    unbounded = len(least) - len(known)
    scope = "every effect" if not unbounded else f"{format_count(len(known))} effects"
    rest = f"; {format_count(unbounded)} have no such delta" if unbounded else ""
    return f"Smallest delta that bounds {scope}: {format_margin(round(max(known), 4))}{rest}"


def _describe_gradable(view: View) -> CardField:
    counts: dict[str, Any] = {}
    parts: list[str] = []
    for role in Role:
        tally = view.total_of(role)
        if not tally.answers:
            continue
        counts[role.value] = {str(one): tally.count_of(one) for one in Outcome}
        parts.append(
            f"{role.value} {format_percent(tally.gradable_rate)} of {format_count(tally.answers)}"
        )
    return make_field("gradable", ", ".join(parts), data=counts)


def _describe_harmful(view: View) -> CardField:
    harmful = {role.value: view.total_of(role).harmful for role in Role}
    text = " ".join(describe_harmful_answers(view)).partition(": ")[2]
    return make_field(
        "filtered_harmful",
        text or "None known: no ungraded answer has a harmful score",
        data=harmful,
    )


def _describe_example(view: View, draw: TranscriptDraw) -> CardField:
    """The worst answer, or the first that was drawn, with its grading."""
    drawn = [item for arm in draw.arms if arm.role is Role.TARGET for item in arm.transcripts]
    item = next(iter((*draw.worst, *drawn)), None)
    if item is None:
        return make_field("example", "")
    asked = next((m.content for m in reversed(item.messages) if m.role == "user"), "")
    cue = f", cue “{one_line(view.label_of(item.cue), 40)}”" if item.cue is not None else ""
    text = (
        f"Asked{cue}: “{one_line(asked, 110)}” Answered: “{one_line(item.final, 150)}” "
        f"Graded: {describe_grade(item)}"
    )
    return make_field("example", text, data=transcript_to_json(item))


def describe_grade(item: Transcript) -> str:
    """The outcome of an answer with its scores and note, in words."""
    scores = [f"{one_line(key, 24)} {value:.4g}" for key, value in item.scores.items()]
    more = "; ".join([*scores[:3], *([one_line(item.note, 90)] if item.note else [])])
    return item.outcome.value.replace("_", " ") + (f" ({more})" if more else "")


def _describe_draw(draw: TranscriptDraw) -> CardField:
    arms = len(draw.arms)
    text = (
        f"{draw.per_arm} of each of {arms} arms, drawn with seed {draw.seed}, and the worst "
        f"{len(draw.worst)}: in card.json, and below this page on a screen"
        if arms
        else ""
    )
    sizes = [
        {"role": arm.role.value, "arm": arm.arm.value, "answers": arm.answers} for arm in draw.arms
    ]
    return make_field(
        "transcripts",
        text,
        data={"seed": draw.seed, "per_arm": draw.per_arm, "method": METHOD, "arms": sizes},
    )


def transcript_to_json(item: Transcript) -> dict[str, Any]:
    """An answer with its whole prompt and its grading."""
    return to_plain(item)
