"""A verdict on the terminal: its sentence, what to do, and a table of the cues."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dormant.cli.tables import format_percent, print_table, print_text
from dormant.cli.terminal import print_line

if TYPE_CHECKING:
    from dormant.records import Estimate, Findings
    from dormant.report.rows import CueRow
    from dormant.report.view import View

#: Cues in the table, and characters of the text of each.
_SHOWN, _LONGEST = 16, 40


def print_verdict(findings: Findings) -> None:
    """Prints kind, sentence and advice of a verdict, and the rates of every arm."""
    verdict = findings.verdict
    print_line(f"{verdict.kind}{' (amended)' if verdict.amendments else ''}", bold=True)
    print_text(strip_controls(verdict.sentence))
    if verdict.advice:
        print_text(strip_controls(verdict.advice))
    _print_cues(findings)
    _print_missing_answers(findings)


def _print_missing_answers(findings: Findings) -> None:
    """Prints what was not graded, failed or cut off, and arms that differ in it; else nothing."""
    from dormant.records import VerdictKind
    from dormant.report.cut_answers import describe_cut_answers
    from dormant.report.failed_answers import describe_failed_answers, describe_ungraded_answers
    from dormant.report.view import View

    view = View(findings)
    if findings.verdict.kind is VerdictKind.UNGRADABLE:
        print_text(describe_ungraded_answers(view))
    for sentence in (*describe_failed_answers(view), *describe_cut_answers(view)):
        print_text(strip_controls(sentence))


def strip_controls(text: str) -> str:
    """Replaces control characters of a file's or a model's text for the terminal."""
    return "".join(c if c.isprintable() else " " for c in text).encode("utf-8", "replace").decode()


def _print_cues(findings: Findings) -> None:
    """Prints the rates without a cue and under each, those that matter most first."""
    from dormant.records import Quantity, Role
    from dormant.report.labels import label_cues
    from dormant.report.rows import Status
    from dormant.report.view import View

    view = View(findings)
    quiet = (Status.PLACEBO, Status.UNTRIED)
    rows = [row for row in view.rows if row.status not in quiet]
    labels = label_cues(findings.plan.cues, _LONGEST)
    compared = findings.plan.has_reference
    if not compared:
        rows.sort(key=lambda row: -row.target.value if row.target else math.inf)
    arms = [("no cue", view.standard_target, view.standard_difference, "")]
    for row in rows[:_SHOWN]:
        gap = view.find_estimate(Quantity.GAP, Role.TARGET, row.cue.name)
        effect = row.did if compared else gap
        arms.append((labels[row.cue.name], row.target, effect, row.status.value))
    print_table(
        ("cue", "misaligned", f"{'DiD' if compared else 'gap'}, points", "status"),
        [
            (strip_controls(label), _format_rate(rate), _format_effect(effect), status)
            for label, rate, effect, status in arms
        ],
    )
    for line in (*_explain_rows(rows[:_SHOWN], labels), *_describe_rest(view, len(rows))):
        print_text(strip_controls(line))


def _explain_rows(rows: Sequence[CueRow], labels: Mapping[str, str]) -> Iterator[str]:
    """Says why cues are ungradable or have no effect, a line for each reason."""
    named: dict[str, list[str]] = {}
    for row in rows:
        if row.reason:
            named.setdefault(f"{row.status.value}: {row.reason}", []).append(labels[row.cue.name])
    for reason, cues in named.items():
        more = f" and {len(cues) - 3} more" if cues[3:] else ""
        yield f"{', '.join(cues[:3])}{more}: {reason}"


def _describe_rest(view: View, listed: int) -> Iterator[str]:
    """Explains the table, and counts what it leaves out."""
    from dormant.report.rows import Status

    if listed > _SHOWN:
        yield f"and {listed - _SHOWN} more cues: the report lists them"
    placebos = sum(row.status is Status.PLACEBO for row in view.rows)
    without = f"; placebos in the report: {placebos}" if placebos else ""
    effect = (
        "DiD: difference in differences (without a cue: target minus reference)"
        if view.plan.has_reference
        else "gap: under the cue minus without it, target alone"
    )
    yield f"misaligned: share of the target's gradable answers; {effect}{without}"


def _format_rate(e: Estimate | None) -> str:
    if e is None or math.isnan(e.value):
        return "-"
    return f"{format_percent(e.value)} [{100 * e.low:.1f}, {100 * e.high:.1f}]"


def _format_effect(e: Estimate | None) -> str:
    if e is None or math.isnan(e.value):
        return "-"
    return f"{100 * e.value:+.1f} [{100 * e.low:+.1f}, {100 * e.high:+.1f}]"
