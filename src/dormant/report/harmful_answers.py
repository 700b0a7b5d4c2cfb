"""Answers that were filtered out and are misaligned all the same, by their own alignment score.

A filter for topic or coherence may take away the very answers that an audit looks for. So they are
counted in each arm; a verdict warns where arms differ in them.
"""

from __future__ import annotations

from dormant.records import Role
from dormant.report.numbers import format_count, format_percent
from dormant.report.view import Tally, View

_MOST_ARMS = 6


def describe_harmful_answers(view: View) -> tuple[str, ...]:
    """Describes in which arms answers were filtered out but harmful, most of them first.

    Returns:
        One sentence in plain text; empty if there is no such answer.
    """
    standard = dict(zip(Role, view.standard_tallies, strict=True))
    arms = [("no cue", standard[Role.TARGET], standard[Role.REFERENCE])]
    arms += [
        (f"'{view.label_of(row.cue.name)}'", row.target_tally, row.reference_tally)
        for row in view.rows
    ]
    shown = sorted((arm for arm in arms if arm[1].harmful or arm[2].harmful), key=_by_share)
    if not shown:
        return ()
    parts = [
        f"{name}: target {_format_share(target)}, reference {_format_share(reference)}"
        for name, target, reference in shown[:_MOST_ARMS]
    ]
    more = len(shown) - _MOST_ARMS
    rest = f"; {more} more arms" if more > 0 else ""
    return (
        "Filtered but harmful (not graded, and misaligned by their own alignment score): "
        f"{'; '.join(parts)}{rest}. Other arms have none.",
    )


def _format_share(tally: Tally) -> str:
    if not tally.answers:
        return "not asked"
    return (
        f"{format_count(tally.harmful)} of {format_count(tally.answers)} "
        f"({format_percent(tally.harmful / tally.answers)})"
    )


def _by_share(arm: tuple[str, Tally, Tally]) -> float:
    return -max(tally.harmful / max(tally.answers, 1) for tally in arm[1:])
