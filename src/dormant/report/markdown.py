"""The report as Markdown: what fits into a pull request, an issue or a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from dormant.records import OUTCOMES, Estimate, Findings, describe_judge_check
from dormant.report import figures
from dormant.report.cut_answers import describe_cut_answers
from dormant.report.effects import make_effects_table
from dormant.report.escape import markdown_text
from dormant.report.failed_answers import describe_failed_answers
from dormant.report.harmful_answers import describe_harmful_answers
from dormant.report.html import (
    GLOSSES,
    MOST_ROWS,
    PLACEMENTS,
    REQUESTS,
    counted_arms,
    describe_expense,
    name_targets,
    plan_origin,
    rule_sentences,
    sampling_words,
    split_words,
)
from dormant.report.numbers import (
    format_count,
    format_duration,
    format_margin,
    format_number,
    format_percent,
    format_points,
    is_defined,
    of_all,
    points_interval,
    points_range,
    rate_interval,
    rate_range,
    undefined_reason,
)
from dormant.report.rows import CueRow, Status
from dormant.report.scopes import make_scope_tables
from dormant.report.sections import AddedSection, write_sections
from dormant.report.view import View


def write_markdown(findings: Findings, sections: Sequence[AddedSection] = ()) -> str:
    """The verdict, its numbers, the counts and the plan as GitHub-flavoured Markdown.

    Holds no transcript. Text from models, data and users is escaped and cannot break a table.
    """
    view = View(findings)
    parts = [
        _write_verdict(view),
        _write_rates(view),
        *_write_scopes(view),
        *_write_effects(view),
        _write_counts(view),
        _write_cues(view),
        _write_plan(view),
        _write_limits(view),
        *write_sections(sections),
        "Transcripts are in report.html (a sample) and in the run's store (all of them).",
    ]
    return "\n\n".join(parts) + "\n"


def _make_table(head: Sequence[str], rows: Iterable[Sequence[str]], left_columns: int = 1) -> str:
    lines = [list(head), ["---" if n < left_columns else "--:" for n in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _write_verdict(view: View) -> str:
    verdict = view.verdict
    name = markdown_text(name_targets(view.plan), 400)
    lines = [
        f"# {verdict.kind.value}{' (amended)' if verdict.amendments else ''}",
        f"*{GLOSSES[verdict.kind]}*",
        f"**{markdown_text(verdict.sentence, 2400)}**",
    ]
    if verdict.advice:
        lines.append(f"What to do: {markdown_text(verdict.advice, 1200)}")
    lines.append(_describe_rates(view))
    lines.append(
        f"Audit of {name}; {format_count(view.total.answers)} answers, "
        f"{format_percent(view.total.gradable_rate)} gradable; "
        f"{markdown_text(view.findings.started, 40)}; "
        f"{format_duration(view.findings.seconds)}; plan `{view.plan.hash[:12]}`."
    )
    return "\n\n".join(lines)


def _describe_rates(view: View) -> str:
    """Absolute misalignment rates of both roles, beside the differences."""
    parts = [
        f"{role} {_format_rate(rates['standard'])} without a cue, at most "
        f"{_format_rate(rates['highest'])} under a cue"
        for role, rates in view.summarize_rates().items()
    ]
    return f"Misaligned: {'; '.join(parts)}."


def _format_rate(estimate: Estimate | None, over_all: Estimate | None = None) -> str:
    notes = [note for note in (rate_interval(estimate), of_all(over_all)) if note]
    rate = format_percent(estimate.value if estimate else None)
    return rate + (f" ({'; '.join(notes)})" if notes else "")


def _cell_text(label: str) -> str:
    return markdown_text(label, 160)


def _rate_row(row: CueRow, label: str) -> list[str]:
    effect = format_points(row.did.value if row.did else None)
    placebo = row.did_placebo
    over_placebo = ""
    if placebo and is_defined(placebo.value):
        over_placebo = f"; {format_points(placebo.value)} over placebo ({points_interval(placebo)})"
    note = points_interval(row.did) or markdown_text(undefined_reason(row.did), 120)
    return [
        _cell_text(label),
        _format_rate(row.target, row.target_all),
        _format_rate(row.reference, row.reference_all),
        f"{effect} ({note}){over_placebo}",
        row.status.value + (f": {row.reason}" if row.status is Status.UNGRADABLE else ""),
    ]


def _write_rates(view: View) -> str:
    standard, reference = view.standard_target, view.standard_reference
    first = [
        "no cue",
        _format_rate(standard, view.standard_all),
        _format_rate(reference),
        "",
        "",
    ]
    tried = [row for row in view.rows if row.status is not Status.UNTRIED]
    rows = [_rate_row(row, view.label_of(row.cue.name)) for row in tried[: 4 * MOST_ROWS]]
    head = ("Cue", "Target", "Reference", "Difference in differences", "Status")
    lines = ["## Standard against cued", _make_table(head, [first, *rows])]
    if len(tried) > len(rows):
        lines.append(f"{len(tried) - len(rows)} more cues are in report.json.")
    lines.append(
        "Rates are misaligned / gradable answers; 'of all' is over all answers. "
        f"Delta is {format_margin(view.verdict.delta)}."
    )
    return "\n\n".join(lines)


def _write_scopes(view: View) -> Iterator[str]:
    for table in make_scope_tables(view):
        rows = [[markdown_text(cell, 160) for cell in row] for row in table.rows]
        title = markdown_text(table.title, 200)
        cells = _make_table(table.head, rows, left_columns=table.left)
        yield f"### {title}\n\n{table.note}\n\n{cells}"


def _write_effects(view: View) -> Iterator[str]:
    table = make_effects_table(view)
    if table is not None:
        rows = [[markdown_text(cell, 160) for cell in row] for row in table.rows]
        cells = _make_table(table.head, rows, left_columns=table.left)
        yield f"## {table.title}\n\n{table.note}\n\n{cells}"


def _write_counts(view: View) -> str:
    head = [
        "Arm",
        "Role",
        *(figures.outcome_label(outcome) for outcome in OUTCOMES),
        "harmful",
        "all",
        "gradable",
    ]
    rows = [
        [
            _cell_text(name),
            role,
            *(format_count(value) for value in tally.counts),
            format_count(tally.harmful),
            format_count(tally.answers),
            format_percent(tally.gradable_rate),
        ]
        for name, role, tally in counted_arms(view)
    ]
    total = view.total
    rows.append(
        [
            "**all**",
            "",
            *map(format_count, total.counts),
            format_count(total.harmful),
            format_count(total.answers),
            format_percent(total.gradable_rate),
        ]
    )
    notes = (
        *describe_failed_answers(view),
        *describe_cut_answers(view),
        *describe_harmful_answers(view),
    )
    cut = "".join(f"\n\n{markdown_text(words, 600)}" for words in notes)
    table = _make_table(head, rows, left_columns=2)
    return f"## Outcomes of the answers\n\n{table}{cut}{_write_ungraded(view)}"


def _write_ungraded(view: View) -> str:
    """Worst and best cases for what could not be graded; empty if all was."""
    rows = [
        [
            _cell_text(view.label_of(row.cue)),
            rate_range(row.rate),
            points_range(row.difference),
            points_range(row.difference, outer=True),
        ]
        for row in view.ungraded_rows()
    ]
    if not rows:
        return ""
    head = ("Arm", "Misaligned, target, of all", "Target over reference, pp", "with intervals")
    return (
        "\n\nWorst and best case: each ungradable answer counted once as aligned and once as "
        "misaligned, in every arm in the direction that moves the number most:\n\n"
        + _make_table(head, rows)
    )


def _write_cues(view: View) -> str:
    if not view.rows:
        return "## Cues and their origin\n\nNo cue was tried."
    rows: list[list[str]] = []
    for row in view.rows:
        cue = row.cue
        origin = cue.source.value
        if cue.rows:
            origin += f"; {format_count(cue.rows)} rows, {format_percent(cue.share)}"
        if is_defined(cue.enrichment):
            origin += f"; enrichment {format_number(cue.enrichment)}"
        if cue.asks_for:
            origin += f"; {REQUESTS.get(cue.asks_for, 'asks for the behaviour')}"
        if cue.margin > view.plan.rule.delta:
            origin += f"; bounded below {format_margin(cue.margin)}"
        rows.append(
            [
                markdown_text(cue.text, 200),
                markdown_text(cue.name, 80),
                cue.variant.value,
                f"{cue.kind.value.replace('_', ' ')}, {PLACEMENTS[cue.placement]}",
                origin,
                markdown_text(cue.why, 200),
            ]
        )
    head = ("Cue", "Name", "Variant", "Kind", "Source", "Why")
    return "## Cues and their origin\n\n" + _make_table(head, rows, left_columns=6)


def _write_plan(view: View) -> str:
    plan = view.plan
    models = [
        f"- {card.role.value}, seed {markdown_text(card.seed, 40)}: "
        f"{markdown_text(card.name, 200)} (fingerprint {markdown_text(card.fingerprint, 80)})"
        for card in plan.models
    ]
    lines = [
        f"- Plan hash: `{plan.hash}`",
        *(f"- Amended: {markdown_text(sentence, 400)}" for sentence in view.findings.amended),
        *(f"- {sentence}" for sentence in rule_sentences(plan.rule, plan.sequential, plan.cues)),
        *models,
        f"- Judge: {markdown_text(plan.judge, 200)} "
        f"(fingerprint {markdown_text(plan.judge_fingerprint, 80)})",
        f"- Misaligned means: {markdown_text(plan.judge_description, 1200)}",
        *(
            f"- Second judge: {markdown_text(sentence, 600)}"
            for sentence in view.findings.second_judge
        ),
        *(
            f"- {markdown_text(sentence, 600)}"
            for sentence in describe_judge_check(view.findings.judge_check)
        ),
        *(
            f"- Spent: {markdown_text(describe_expense(row), 600)}"
            for row in view.findings.spending
        ),
        *(f"- Plugin: {markdown_text(str(plugin), 200)}" for plugin in plan.plugins),
        f"- Questions: {split_words(view)}",
        f"- Sampling: {sampling_words(plan.sampling)}",
        f"- Finetuning data: {format_count(plan.data_rows)} rows, {markdown_text(plan.data, 80)}"
        if plan.data
        else "- Finetuning data: none given; no cue could be mined",
        f"- Seed {plan.seed}, dormant {markdown_text(plan.version, 40)}",
    ]
    heading, _ = plan_origin(plan, is_amended=bool(view.verdict.amendments))
    return f"## {heading}\n\n" + "\n".join(lines)


def _write_limits(view: View) -> str:
    items = [f"- {markdown_text(item, 600)}" for item in view.not_tested]
    nothing = "Nothing was recorded as left out. Triggers outside the listed cues remain possible."
    return "## What was not tested\n\n" + ("\n".join(items) or nothing)
