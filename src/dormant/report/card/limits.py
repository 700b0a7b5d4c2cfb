"""The fields of a card about its limits, its writer and its files."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dormant.records import CardDetails, CardField, Origin, Role, VerdictKind
from dormant.report.card.texts import join_texts, make_field
from dormant.report.escape import one_line
from dormant.report.html import plan_origin
from dormant.report.numbers import format_count, format_margin, whole_percent
from dormant.report.rows import Status
from dormant.report.view import View

_LISTED = 3  # entries of what was not tested
_HASH = 16  # hex digits shown on the page

_CHANGES = {
    VerdictKind.CONDITIONAL: "Fresh answers to other questions that bound every trigger, or a "
    "reference that rises as much",
    VerdictKind.BROAD: "Fresh answers whose rate without a cue is bounded against the reference",
    VerdictKind.SHARED: "A reference that is not misaligned itself",
    VerdictKind.BOUNDED: "A rise above delta on other questions, under a cue that was not tried, "
    "or by a judge that sees what this one overlooks",
    VerdictKind.UNDERPOWERED: "More questions or answers: nothing was found and nothing ruled out",
    VerdictKind.UNGRADABLE: "Answers that the judge can grade",
}


def describe_limits(view: View, details: CardDetails, *, date: str) -> Iterator[CardField]:
    """Yields the fields about assumptions, what cannot be said, and when it ends."""
    yield _describe_assumptions(view)
    yield _describe_unsaid(view)
    yield _describe_scope(view)
    by_verdict = _CHANGES[view.verdict.kind]
    if view.verdict.kind is VerdictKind.UNDERPOWERED and not view.plan.has_reference:
        by_verdict = "Answers of a reference to the same prompts: without them nothing is concluded"
    yield make_field(
        "would_change",
        join_texts(
            details.would_change,
            by_verdict,
            "Any change of weights, adapter, chat template or system prompt makes another model",
        ),
        data={"given": details.would_change, "by_verdict": by_verdict},
    )
    is_past = bool(details.expires) and details.expires < date
    yield make_field("expires", details.expires + " (past on the date of this card)" * is_past)


def _describe_assumptions(view: View) -> CardField:
    rule, verdict = view.plan.rule, view.verdict
    level = (
        "The plan was amended after answers were seen: there is no level of confidence"
        if math.isnan(verdict.level)
        else f"Each claim holds at {whole_percent(verdict.level)}, one-sided; confirmed rises "
        "hold at it together"
    )
    sentences = [
        level,
        f"{'Themes' if rule.is_about_themes else 'Questions'} stand for others of their kind",
        "The outcome that the judge gives counts as true: its error is not in the intervals",
        f"A rise up to delta, {format_margin(verdict.delta)}, does not matter",
    ]
    sentences += ["What the reference does too does not count"] if view.plan.has_reference else []
    return make_field("assumptions", join_texts(*sentences), data=sentences)


def _describe_unsaid(view: View) -> CardField:
    tried = sum(row.status not in (Status.UNTRIED, Status.PLACEBO) for row in view.rows)
    listed = view.not_tested
    shown = "; ".join(one_line(entry, 90).rstrip(".") for entry in listed[:_LISTED])
    more = len(listed) - _LISTED
    rest = f"; and {format_count(more)} more" if more > 0 else ""
    text = join_texts(
        f"That the model is clean: every bound is over the {format_count(tried)} cues that were "
        "tried, and a trigger among all others would not show",
        f"Not tested: {shown}{rest}" if shown else "",
    )
    return make_field("cannot_say", text, data={"cues_tried": tried, "not_tested": list(listed)})


def _describe_scope(view: View) -> CardField:
    plan = view.plan
    unit = "themes" if plan.rule.is_about_themes else "questions"
    seeds = len({card.seed for card in plan.models if card.role is Role.TARGET})
    trainings = "this one training" if seeds < 2 else f"{format_count(seeds)} trainings"
    text = join_texts(
        f"{unit.capitalize()} like these, not these alone: {plan.claim_text}, and {unit} are the "
        f"unit of every interval ({format_count(len(plan.questions))} questions asked)",
        f"It speaks of {trainings} of the target",
    )
    return make_field(
        "scope", text, data={"unit": unit, "generalizes": True, "claim": plan.claim_text}
    )


def describe_provenance(view: View, details: CardDetails, *, date: str) -> Iterator[CardField]:
    """Yields the fields about who made the card, when, and of which files."""
    plan, findings = view.plan, view.findings
    for key in ("evaluator", "relation", "funding"):
        yield make_field(key, getattr(details, key))
    yield make_field(
        "version",
        f"Card {details.version or 'not stated'}; dormant {plan.version}",
        data={"card": details.version, "dormant": plan.version},
    )
    begun = "imported" if plan.origin is Origin.IMPORT else "answers since"
    yield make_field(
        "date",
        f"Card of {date}; {begun} {one_line(findings.started, 40)}",
        data={"card": date, "started": findings.started},
    )
    yield make_field("supersedes", details.supersedes)
    yield make_field("changelog", details.changelog)
    heading, sentence = plan_origin(plan, is_amended=bool(view.verdict.amendments))
    words = heading.removeprefix("The plan, ").capitalize()
    yield make_field("plan", words, data={"origin": sentence, "amended": list(findings.amended)})
    yield _describe_hashes(view)


def _describe_hashes(view: View) -> CardField:
    plan = view.plan
    models = [
        {"role": card.role.value, "seed": card.seed, "name": card.name, "hash": card.fingerprint}
        for card in plan.models
    ]
    found = [("plan", plan.hash), ("data", plan.data or "none")]
    found += [(f"{m['role']} {one_line(m['seed'], 12)}", m["hash"]) for m in models[:4]]
    found += [("judge", plan.judge_fingerprint)]
    more = f"; {len(models) - 4} more models" if len(models) > 4 else ""
    text = "; ".join(f"{name} {one_line(value, _HASH)}" for name, value in found) + more
    return make_field(
        "hashes",
        text,
        data={
            "plan": plan.hash,
            "data": plan.data,
            "models": models,
            "judge": plan.judge_fingerprint,
        },
    )
