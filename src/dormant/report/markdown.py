"""The report as Markdown: what fits into a pull request, an issue or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dormant.records import OUTCOMES, Estimate, Findings, Role
from dormant.report import figures
from dormant.report.escape import markdown_text
from dormant.report.html import (
    GLOSSES,
    MOST_ROWS,
    PLACEMENTS,
    counted_arms,
    plan_origin,
    rule_sentences,
    sampling_words,
    spent_words,
    split_words,
)
from dormant.report.numbers import (
    count,
    defined,
    duration,
    margin,
    number,
    of_all,
    percent,
    points,
    points_interval,
    points_range,
    rate_interval,
    rate_range,
    undefined_reason,
)
from dormant.report.view import CueRow, Status, View


def markdown(findings: Findings) -> str:
    """The verdict, its numbers, the counts and the plan as GitHub-flavoured Markdown.

    Holds no transcript. Text from models, data and users is escaped and cannot break a table.
    """
    view = View(findings)
    parts = [
        _verdict(view),
        _rates(view),
        _counts(view),
        _cues(view),
        _plan(view),
        _limits(view),
        "Transcripts are in report.html (a sample) and in the run's store (all of them).",
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    lines = [list(head), ["---" if n < left else "--:" for n in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _verdict(view: View) -> str:
    verdict = view.verdict
    targets = [card.name for card in view.plan.models if card.role is Role.TARGET]
    name = markdown_text(targets[0], 120) if targets else "an unnamed model"
    lines = [
        f"# {verdict.kind.value}",
        f"*{GLOSSES[verdict.kind]}*",
        f"**{markdown_text(verdict.sentence, 1200)}**",
    ]
    if verdict.advice:
        lines.append(f"What to do: {markdown_text(verdict.advice, 1200)}")
    lines.append(
        f"Audit of {name}; {count(view.total.answers)} answers, "
        f"{percent(view.total.survival)} gradable; {markdown_text(view.findings.started, 40)}; "
        f"{duration(view.findings.seconds)}; plan `{view.plan.hash[:12]}`."
    )
    return "\n\n".join(lines)


def _rate(estimate: Estimate | None, over_all: Estimate | None = None) -> str:
    notes = [note for note in (rate_interval(estimate), of_all(over_all)) if note]
    rate = percent(estimate.value if estimate else None)
    return rate + (f" ({'; '.join(notes)})" if notes else "")


def _rate_row(row: CueRow) -> list[str]:
    effect = points(row.did.value if row.did else None)
    placebo = row.did_placebo
    over_placebo = ""
    if placebo and defined(placebo.value):
        over_placebo = f"; {points(placebo.value)} over placebo ({points_interval(placebo)})"
    note = points_interval(row.did) or markdown_text(undefined_reason(row.did), 120)
    return [
        markdown_text(row.cue.name, 80),
        _rate(row.target, row.target_all),
        _rate(row.reference, row.reference_all),
        f"{effect} ({note}){over_placebo}",
        row.status.value,
    ]


def _rates(view: View) -> str:
    standard, reference = view.standard_target, view.standard_reference
    first = [
        "no cue",
        _rate(standard, view.standard_all),
        _rate(reference),
        "",
        "",
    ]
    tried = [row for row in view.rows if row.status is not Status.UNTRIED]
    rows = [_rate_row(row) for row in tried[: 4 * MOST_ROWS]]
    head = ("Cue", "Target", "Reference", "Difference in differences", "Status")
    lines = ["## Standard against cued", _table(head, [first, *rows])]
    if len(tried) > len(rows):
        lines.append(f"{len(tried) - len(rows)} more cues are in report.json.")
    lines.append(
        "Rates are misaligned / gradable answers; 'of all' is over all answers. "
        f"Delta is {margin(view.verdict.delta)}."
    )
    return "\n\n".join(lines)


def _counts(view: View) -> str:
    head = ["Arm", "Role", *(figures.label(outcome) for outcome in OUTCOMES), "all", "gradable"]
    rows = [
        [
            markdown_text(name, 80),
            role,
            *(count(value) for value in tally.counts),
            count(tally.answers),
            percent(tally.survival),
        ]
        for name, role, tally in counted_arms(view)
    ]
    total = view.total
    rows.append(
        ["**all**", "", *map(count, total.counts), count(total.answers), percent(total.survival)]
    )
    return "## What became of the answers\n\n" + _table(head, rows, left=2) + _hidden(view)


def _hidden(view: View) -> str:
    """Worst and best cases for what could not be graded; empty if all was."""
    rows = [
        [
            markdown_text(row.cue or "no cue", 80),
            rate_range(row.rate),
            points_range(row.difference),
            points_range(row.difference, outer=True),
        ]
        for row in view.hidden()
    ]
    if not rows:
        return ""
    head = ("Arm", "Misaligned, target, of all", "Target over reference, pp", "with intervals")
    return (
        "\n\nWhat the ungradable might hide, each counted once as aligned and once as misaligned, "
        "in every arm in the direction that moves the number most:\n\n" + _table(head, rows)
    )


def _cues(view: View) -> str:
    if not view.rows:
        return "## Cues and their origin\n\nNo cue was tried."
    rows: list[list[str]] = []
    for row in view.rows:
        cue = row.cue
        origin = cue.source.value
        if cue.rows:
            origin += f"; {count(cue.rows)} rows, {percent(cue.share)}"
        if defined(cue.enrichment):
            origin += f"; enrichment {number(cue.enrichment)}"
        rows.append(
            [
                markdown_text(cue.name, 80),
                cue.variant.value,
                f"{cue.kind.value.replace('_', ' ')}, {PLACEMENTS[cue.placement]}",
                markdown_text(cue.text, 200),
                origin,
                markdown_text(cue.why, 200),
            ]
        )
    head = ("Cue", "Variant", "Kind", "Text", "Source", "Why")
    return "## Cues and their origin\n\n" + _table(head, rows, left=6)


def _plan(view: View) -> str:
    plan = view.plan
    models = [
        f"- {card.role.value}, seed {markdown_text(card.seed, 40)}: "
        f"{markdown_text(card.name, 200)} (fingerprint {markdown_text(card.fingerprint, 80)})"
        for card in plan.models
    ]
    lines = [
        f"- Plan hash: `{plan.hash}`",
        *(f"- Amended: {markdown_text(sentence, 400)}" for sentence in view.findings.amended),
        *(f"- {sentence}" for sentence in rule_sentences(plan.rule, plan.sequential)),
        *models,
        f"- Judge: {markdown_text(plan.judge, 200)} "
        f"(fingerprint {markdown_text(plan.judge_fingerprint, 80)})",
        f"- Misaligned means: {markdown_text(plan.judge_description, 1200)}",
        *(f"- Second judge: {markdown_text(said, 600)}" for said in view.findings.second_judge),
        *(f"- Spent: {markdown_text(spent_words(row), 600)}" for row in view.findings.spending),
        f"- Questions: {split_words(view)}",
        f"- Sampling: {sampling_words(plan.sampling)}",
        f"- Finetuning data: {count(plan.data_rows)} rows, {markdown_text(plan.data, 80)}"
        if plan.data
        else "- Finetuning data: none given; no cue could be mined",
        f"- Seed {plan.seed}, dormant {markdown_text(plan.version, 40)}",
    ]
    return f"## {plan_origin(plan)[0]}\n\n" + "\n".join(lines)


def _limits(view: View) -> str:
    items = [f"- {markdown_text(item, 600)}" for item in view.not_tested]
    nothing = "Nothing was recorded as left out. Triggers outside the listed cues remain possible."
    return "## What was not tested\n\n" + ("\n".join(items) or nothing)
