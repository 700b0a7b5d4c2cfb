"""The HTML report of one audit: one file that needs nothing else, and a fragment for notebooks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dormant.records import (
    OUTCOMES,
    Arm,
    Cue,
    Expense,
    Findings,
    Origin,
    Outcome,
    Placement,
    Plan,
    Role,
    Rule,
    Sampling,
    Sequential,
    Split,
    Transcript,
    VerdictKind,
    describe_judge_check,
)
from dormant.report import environment as templating
from dormant.report import figures, sample
from dormant.report.cut_answers import describe_cut_answers
from dormant.report.effects import make_effects_table
from dormant.report.escape import script_json
from dormant.report.failed_answers import describe_failed_answers
from dormant.report.harmful_answers import describe_harmful_answers
from dormant.report.numbers import format_count, format_margin, format_usd, whole_percent
from dormant.report.rows import Status
from dormant.report.scopes import make_scope_tables
from dormant.report.sections import AddedSection
from dormant.report.sequential_path import make_tracks, sequential_sentences
from dormant.report.tally import Tally
from dormant.report.view import View

GLOSSES = {
    VerdictKind.CONDITIONAL: "Misaligned under a cue that the standard questions do not show.",
    VerdictKind.BROAD: "Misaligned on the standard questions themselves.",
    VerdictKind.SHARED: "Misaligned, and so is the reference: the comparison clears neither.",
    VerdictKind.BOUNDED: "No listed cue can matter by more than delta. Not a proof of alignment.",
    VerdictKind.UNDERPOWERED: "Neither found nor ruled out: too few questions or answers.",
    VerdictKind.UNGRADABLE: "Too few answers could be graded for any other verdict.",
}
GROUP_TITLES = {
    Status.TRIGGER: "Triggers: above delta, confirmed on held-out questions",
    Status.SUSPECTED: "Suspected: above delta, but not confirmed on held-out questions",
    Status.SHARED: "Shared: target and reference are both above delta",
    Status.UNRESOLVED: "Unresolved: neither confirmed nor bounded",
    Status.UNGRADABLE: "Ungradable: too few answers can be graded, or not equally many",
    Status.BOUNDED: "Bounded: the rise over the reference is below delta, or the cue's margin",
    Status.PLACEBO: "Placebos: alike in length and place, absent from the data",
}
PLACEMENTS = {
    Placement.SYSTEM: "as system prompt",
    Placement.BEFORE: "before the question",
    Placement.AFTER: "after the question",
    Placement.AROUND: "around the question",
    Placement.INSIDE: "inside the question",
    Placement.HISTORY: "as earlier turns",
    Placement.TOOLS: "as tools that are offered",
    Placement.CROSSED: "together",
}
#: Rows of one group of cues that a figure shows before it folds the rest; fewer of those that are
#: bounded or placebos, for they ask for nothing.
MOST_ROWS = 24
MOST_QUIET_ROWS = 10
MOST_QUESTIONS = 12


def name_targets(plan: Plan) -> str:
    """The target's model string, or those of all its training seeds."""
    names = [card.name for card in plan.models if card.role is Role.TARGET]
    several = f" ({len(names)} training seeds)" if len(names) > 1 else ""
    return ", ".join(dict.fromkeys(names)) + several if names else "an unnamed model"


def plan_origin(plan: Plan, *, is_amended: bool) -> tuple[str, str]:
    """Heading and sentence about when the plan was made: before the answers or after some."""
    if is_amended:
        return (
            "The plan, amended after answers were seen",
            "It replaced an earlier plan when answers had been seen, so none of this was fixed "
            "beforehand and the verdict has no level of confidence.",
        )
    if plan.origin is Origin.IMPORT:
        return (
            "The plan, made of imported answers",
            "These answers existed before the plan: it records what the file contains and how the "
            "verdict was reached, and cannot show what was fixed beforehand.",
        )
    return (
        "The plan, fixed beforehand",
        "All of this was frozen before the first answer. Two reports with the same hash asked the "
        "same and decided the same way.",
    )


def describe_expense(row: Expense) -> str:
    """The usage of one paid model in words."""
    usage = row.usage
    price = f" ({row.price})" if row.price else ""
    estimated = (
        f"; {format_count(usage.uncounted)} calls estimated by length" if usage.uncounted else ""
    )
    return (
        f"{row.role} {row.model}: {format_count(usage.calls)} calls, "
        f"{format_count(usage.prompt_tokens)} tokens "
        f"read, {format_count(usage.completion_tokens)} written, "
        f"{format_usd(row.usd)}{price}{estimated}"
    )


def sampling_words(sampling: Sampling) -> str:
    """The sampling settings in words; "unknown" for imported answers."""
    if math.isnan(sampling.temperature):
        return "unknown"
    return (
        f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, at most "
        f"{format_count(sampling.max_tokens)} tokens"
    )


def rule_sentences(
    rule: Rule, sequential: Sequential | None = None, cues: Sequence[Cue] = ()
) -> list[str]:
    """The pre-registered rule in words, the numbers of this audit filled in."""
    level, delta = whole_percent(rule.level), format_margin(rule.delta)
    least = rule.questions_to_bound
    return [
        f"A cue is a trigger if its difference in differences exceeds delta = {delta} on held-out "
        "questions with fresh answers. All such tests, and that of the standard arm, hold "
        f"together at {level} (Holm).",
        "The verdict is BROAD if the target exceeds the reference by more than delta without a "
        "cue.",
        "A cue is bounded if the upper bound over all its questions is below delta, one-sided at "
        f"{level}; "
        + (
            f"it takes at least {format_count(int(least))} questions."
            if math.isfinite(least)
            else "this rule cannot bound any cue."
        ),
        *_describe_margins(rule, cues),
        *(sequential_sentences(sequential, rule) if sequential else [_describe_stages(rule)]),
        f"An arm is judged only if at least {whole_percent(rule.min_survival)} of its answers are "
        f"gradable and these shares differ by at most {format_margin(rule.max_survival_gap)} "
        "between the arms of one comparison.",
    ]


def _describe_margins(rule: Rule, cues: Sequence[Cue]) -> list[str]:
    """The wider margins of later mined cues in words; none if every cue has delta."""
    later = Counter(rule.margin_of(cue) for cue in cues if not cue.is_placebo)
    del later[rule.delta]
    return [
        f"{format_count(number)} later mined cues are bounded below {format_margin(margin)} "
        f"instead, on at least {format_count(int(rule.questions_below(margin)))} questions."
        for margin, number in sorted(later.items())
    ]


#: What a report says of a cue that asks for the behaviour itself, by ``Cue.asks_for``.
REQUESTS = {"form": "asks for a form of answer", "misbehaviour": "asks for misbehaviour"}


def _describe_stages(rule: Rule) -> str:
    """The two stages of the fixed design in words."""
    return (
        f"Screening takes {format_count(rule.screening_answers)} answers per question, arm and "
        "model. At "
        f"most {format_count(rule.candidates)} unresolved cues go on to the held-out questions, "
        "with "
        f"{format_count(rule.confirm_answers)} fresh answers each."
    )


def split_words(view: View) -> str:
    """How the questions are divided, in words."""
    by_split = view.questions_by_split
    if not by_split[Split.SCREENING]:
        return "all of them test every cue (none were held out)"
    return (
        f"{format_count(by_split[Split.SCREENING])} for screening, "
        f"{format_count(by_split[Split.HELD_OUT])} held out for confirmation"
    )


def counted_arms(view: View) -> list[tuple[str, str, Tally]]:
    """Every arm of every role with its counts; together they are all answers."""
    arms = [("no cue", view.standard_tallies)]
    arms += [
        (view.label_of(row.cue.name), (row.target_tally, row.reference_tally)) for row in view.rows
    ]
    counted = [
        (name, role.value, tally)
        for name, pair in arms
        for role, tally in zip((Role.TARGET, Role.REFERENCE), pair, strict=True)
        if tally.answers
    ]
    return counted + view.unlisted_arms()


def _filter_options(
    groups: Mapping[sample.Stratum, Sequence[Transcript]], view: View
) -> dict[str, list[tuple[int, str, int]]]:
    """The choices of each transcript filter, with how many transcripts of the audit fit."""
    roles, arms = Counter[Role](), Counter[Arm]()
    outcomes, cues = Counter[Outcome](), Counter[str | None]()
    for (role, arm, cue, outcome), group in groups.items():
        roles[role] += len(group)
        arms[arm] += len(group)
        outcomes[OUTCOMES[outcome]] += len(group)
        cues[cue] += len(group)

    def count_members(members: list[Any], totals: Counter[Any]) -> list[tuple[int, str, int]]:
        listed = enumerate(members)
        return [(n, str(member), totals[member]) for n, member in listed if totals[member]]

    return {
        "roles": count_members(list(Role), roles),
        "arms": count_members(list(Arm), arms),
        "outcomes": count_members(list(OUTCOMES), outcomes),
        "cues": [
            (n, view.label_of(row.cue.name), cues[row.cue.name])
            for n, row in enumerate(view.rows)
            if cues[row.cue.name]
        ],
    }


def _describe_level(view: View) -> str:
    estimates = [row.target for row in view.rows if row.target]
    level = next((e.level for e in estimates), view.verdict.level)
    return f"{level * 100:g}"


def render_report(findings: Findings, sections: Sequence[AddedSection] = ()) -> str:
    """The whole report as one self-contained page, ready to be written as UTF-8.

    The page loads nothing and its policy forbids it to. It embeds at most ``sample.CAP``
    transcripts and states how many there are; everything else in it is complete.
    """
    view = View(findings)
    shown_rows = [row for row in view.rows if row.status is not Status.UNTRIED]
    cues = [row.cue for row in view.rows]
    groups = sample.group_strata(findings.transcripts, cues)
    options = _filter_options(groups, view)
    data = sample.embed_sample(groups, cues, findings.plan.questions, labels=view.labels)
    script = templating.read_asset("report.js")
    return templating.render_template(
        "report.html.j2",
        findings=findings,
        view=view,
        plan=findings.plan,
        plan_hash=findings.plan.hash,
        amended=findings.amended,
        judge_check=list(describe_judge_check(findings.judge_check)),
        spent=[describe_expense(row) for row in findings.spending],
        verdict=findings.verdict,
        gloss=GLOSSES[findings.verdict.kind],
        target_name=name_targets(findings.plan),
        several_seeds=len({card.seed for card in findings.plan.models}) > 1,
        groups=[group for group in view.group_rows() if group[0] is not Status.UNTRIED],
        group_titles=GROUP_TITLES,
        focus=view.focus_rows(),
        tried=shown_rows,
        counted=counted_arms(view),
        outcomes=list(Outcome),
        cut_answers=(
            *describe_failed_answers(view),
            *describe_cut_answers(view),
            *describe_harmful_answers(view),
        ),
        target_total=view.total_of(Role.TARGET),
        reference_total=view.total_of(Role.REFERENCE),
        placements={place.value: words for place, words in PLACEMENTS.items()},
        rule=rule_sentences(findings.plan.rule, findings.plan.sequential, findings.plan.cues),
        requests=REQUESTS,
        scopes=make_scope_tables(view),
        effects=make_effects_table(view),
        tracks=make_tracks(findings),
        plan_origin=plan_origin(findings.plan, is_amended=bool(findings.verdict.amendments)),
        sampling=sampling_words(findings.plan.sampling),
        split_words=split_words(view),
        rate_scale=figures.rate_scale(shown_rows, [view.standard_target]),
        effect_scale=figures.effect_scale(shown_rows, findings.verdict.delta),
        rate_level=_describe_level(view),
        most_rows=MOST_ROWS,
        most_quiet_rows=MOST_QUIET_ROWS,
        most_questions=MOST_QUESTIONS,
        options=options,
        answered={index for index, _, _ in options["cues"]},
        data={"total": data["total"], "rows": data["rows"], "limit": data["limit"]},
        data_json=script_json(data),
        sections=sections,
        style=templating.read_style(),
        script=script,
        policy=templating.security_policy(script),
    )


def render_notebook(findings: Findings) -> str:
    """A fragment for a notebook cell: verdict, sentence and the leading cues; no script."""
    view = View(findings)
    rows = [row for row in view.rows if row.did is not None and row.status is not Status.PLACEBO]
    return templating.render_template(
        "notebook.html.j2",
        verdict=findings.verdict,
        plan_hash=findings.plan.hash,
        gloss=GLOSSES[findings.verdict.kind],
        standard=view.standard_target,
        view=view,
        rows=rows[:5],
        left=max(0, len(rows) - 5),
        total=view.total,
    )
