"""The fields of a card about what was tested: models, data, questions, cues, judge, budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from dormant.records import (
    Arm,
    CardDetails,
    CardField,
    JudgeArm,
    JudgeMeasurement,
    MeasuredShare,
    Origin,
    Role,
    Source,
    describe_judge_check,
    to_plain,
)
from dormant.report.card.texts import join_texts, make_field
from dormant.report.escape import one_line
from dormant.report.html import describe_expense, name_targets, sampling_words, split_words
from dormant.report.numbers import (
    format_count,
    format_duration,
    format_percent,
    format_points,
    rate_interval,
    whole_percent,
)
from dormant.report.rows import Status
from dormant.report.view import View

#: Model strings that load weights on this machine begin with these.
_LOCAL = ("hf/", "vitro/")
_SAME = "It got the same prompts, sampling and judge"
_NOT_SAID = "The imported file does not say whether prompts, sampling and judge were the same"
_PAID = 3  # models whose expenses are listed in words


def describe_tested(
    view: View, details: CardDetails, quality: JudgeMeasurement | None
) -> Iterator[CardField]:
    """Yields the fields about what was tested."""
    plan = view.plan
    yield make_field("purpose", details.purpose)
    yield _describe_models(view, "target", Role.TARGET)
    yield _describe_models(view, "reference", Role.REFERENCE)
    yield _describe_fairness(view, details)
    yield make_field("mitigation", details.mitigation)
    yield make_field(
        "access",
        join_texts(details.access and f"Given: {details.access}", f"Used: {_used_access(view)}"),
        data={"given": details.access, "used": _used_access(view)},
    )
    yield _describe_data(view, details)
    yield _describe_questions(view)
    yield _describe_cues(view)
    yield make_field("sampling", sampling_words(plan.sampling), data=to_plain(plan.sampling))
    yield make_field("elicitation", join_texts(details.elicitation, _describe_effort(view)))
    yield make_field("evaluation_awareness", details.evaluation_awareness)
    yield make_field(
        "judge",
        f"{plan.judge}: {plan.judge_description}",
        data={"judge": plan.judge, "description": plan.judge_description},
    )
    yield _describe_judge_error(view, details, quality)
    yield _describe_budget(view)


def _describe_models(view: View, key: str, role: Role) -> CardField:
    cards = [card for card in view.plan.models if card.role is role]
    if role is Role.TARGET:
        name = name_targets(view.plan)
    else:
        name = ", ".join(dict.fromkeys(card.name for card in cards))
    return make_field(key, name or "none: no comparison was made", data=to_plain(cards))


def _describe_fairness(view: View, details: CardDetails) -> CardField:
    rates = view.summarize_rates()[Role.REFERENCE.value]
    own, highest = rates["standard"], rates["highest"]
    facts = "There is no reference."
    if view.plan.has_reference:
        is_known = view.plan.origin is not Origin.IMPORT
        facts = (
            f"{_SAME if is_known else _NOT_SAID}. Misaligned itself: "
            f"{format_percent(own.value if own else None)} without a cue, at most "
            f"{format_percent(highest.value if highest else None)} under one"
        )
        facts += _describe_margin(view)
    reason = details.reference_reason
    return make_field(
        "reference_fairness",
        join_texts(f"Reason: {reason or 'not stated'}", facts),
        data={"reason": reason, "standard": to_plain(own), "highest": to_plain(highest)},
    )


def _describe_margin(view: View) -> str:
    """How far the target may exceed the reference without a cue, uncertainty included."""
    difference = view.standard_difference
    if difference is None or math.isnan(difference.high):
        return ""
    return (
        f". Without a cue the target exceeds it by at most {format_points(difference.high)} "
        f"({100 * difference.level:g}% interval)"
    )


def _used_access(view: View) -> str:
    """What the run itself used: weights, an API, answers that existed, training data."""
    names = [card.name for card in view.plan.models if card.role is Role.TARGET]
    if view.plan.origin is Origin.IMPORT:
        found = ["stored answers"]
    else:
        local = sum(name.startswith(_LOCAL) for name in names)
        other = len(names) - local
        found = ["weights on this machine"] * bool(local) + ["answers alone"] * bool(other)
    return ", ".join([*found, "the finetuning data"] if view.plan.data else found)


def _describe_data(view: View, details: CardDetails) -> CardField:
    plan = view.plan
    left_out = sum(entry.number for entry in plan.left_out if not entry.is_standard)
    facts = "No finetuning data were read"
    if plan.data:
        facts = f"{format_count(plan.data_rows)} finetuning rows"
        facts += f"; {format_count(left_out)} contexts of them not asked" if left_out else ""
    supplier = details.data_supplier
    return make_field(
        "data",
        join_texts(facts, f"Supplied by: {supplier or 'not stated'}"),
        data={
            "sha256": plan.data,
            "rows": plan.data_rows,
            "supplier": supplier,
            "left_out": to_plain(plan.left_out),
        },
    )


def _describe_questions(view: View) -> CardField:
    plan = view.plan
    families = len({q.family for q in plan.questions}) if plan.has_families else 0
    themes = f" of {format_count(families)} theme{'s' * (families > 1)}" if families else ""
    text = f"{format_count(len(plan.questions))} open questions{themes}: {split_words(view)}"
    return make_field(
        "questions", text, data={"questions": len(plan.questions), "themes": families}
    )


def _describe_cues(view: View) -> CardField:
    rows = [row for row in view.rows if row.status is not Status.UNTRIED]
    cues = [row.cue for row in rows if not row.cue.is_placebo]
    sources = Counter(str(cue.source) for cue in cues)
    placebos = len(rows) - len(cues)
    untried = len(view.rows) - len(rows)
    listed = ", ".join(f"{format_count(n)} {name}" for name, n in sources.most_common())
    text = f"{format_count(len(cues))} cues tried ({listed or 'none'})"
    text += f", {format_count(placebos)} placebo{'s' * (placebos > 1)}" if placebos else ""
    text += f"; {format_count(untried)} planned and not tried" if untried else ""
    found = {"tried": len(cues), "sources": dict(sources), "placebos": placebos}
    return make_field("cues", text, data={**found, "not_tried": untried})


def _describe_effort(view: View) -> str:
    """What the run did to bring the behavior out."""
    if view.plan.origin is Origin.IMPORT:
        return "The run was imported: its effort is not recorded"
    cells = [cell for cell in view.findings.cells if cell.role is Role.TARGET]
    most = max((sum(cell.counts) for cell in cells), default=0)
    cues = [cue for cue in view.plan.cues if not cue.is_placebo]
    variants = len({cue.variant for cue in cues})
    is_searched = any(cue.source is Source.SEARCH for cue in cues)
    search = "cues of a search are among them" if is_searched else "no cue was optimized"
    return (
        f"The run: at most {format_count(most)} single answers a question and cue; cues in "
        f"{format_count(variants)} kind{'s' * (variants != 1)} of wording; {search}"
    )


def _describe_judge_error(
    view: View, details: CardDetails, quality: JudgeMeasurement | None
) -> CardField:
    measured = quality if quality is not None and quality.arms else None
    if measured is None:
        labels = "People's labels: not stated"
    else:
        labels = (
            f"{format_count(measured.labels)} labels by people, {whole_percent(measured.level)} "
            f"intervals: {'; '.join(_describe_arm(arm) for arm in measured.arms)}"
        )
    check = view.findings.judge_check
    repeats = list(describe_judge_check(check))
    if details.test_retest or not repeats:
        repeats.append(f"Test-retest and drift: {details.test_retest or 'not stated'}")
    return make_field(
        "judge_error",
        join_texts(labels, *repeats, *view.findings.second_judge),
        data={
            "labels": measured.labels if measured else 0,
            "level": measured.level if measured else None,
            "arms": to_plain(measured.arms) if measured else [],
            "test_retest": details.test_retest,
            "judge_check": None if check is None else to_plain(check),
            "second_judge": list(view.findings.second_judge),
        },
    )


def _describe_arm(arm: JudgeArm) -> str:
    name = "all" if arm.role is None else f"{arm.role} {arm.arm or Arm.STANDARD}"
    parts = (("sensitivity", arm.sensitivity), ("specificity", arm.specificity))
    return f"{name} " + ", ".join(f"{word} {_format_share(share)}" for word, share in parts)


def _format_share(share: MeasuredShare) -> str:
    if math.isnan(share.value):
        return "unknown"
    ends = f"{100 * share.low:.0f} to {100 * share.high:.0f}"
    return f"{100 * share.value:.0f}% [{ends}]"


def _describe_budget(view: View) -> CardField:
    findings = view.findings
    text = f"{format_count(view.total.answers)} answers"
    if view.plan.origin is Origin.IMPORT:
        text += "; the imported file does not say what they cost"
    else:
        text += f", {format_duration(findings.seconds)} of sampling and judging"
    paid = [one_line(describe_expense(row), 160) for row in findings.spending[:_PAID]]
    return make_field(
        "budget",
        join_texts(text, *paid),
        data={
            "answers": view.total.answers,
            "seconds": to_plain(findings.seconds),
            "spending": to_plain(findings.spending),
        },
    )


def format_rate(view: View, role: Role) -> str:
    """The rates of a role without a cue and the highest under one, with intervals."""
    rates = view.summarize_rates()[role.value]
    parts: list[str] = []
    for name, words in (("standard", "without a cue"), ("highest", "highest under a cue")):
        rate = rates[name]
        ends = rate_interval(rate)
        found = format_percent(rate.value if rate else None)
        parts.append(f"{found} {words}" + (f" [{ends}]" if ends else ""))
    return ", ".join(parts)
