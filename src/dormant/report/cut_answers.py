"""Answers that were cut off at the length limit: their shares, and arms in which these differ.

A cut answer is graded by nobody, so rates are over the rest. Where one arm of a comparison is cut
more often than the other, the rest may differ for that reason alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from dormant.records import Outcome, Role
from dormant.report.numbers import format_count, format_percent
from dormant.report.view import Tally, View

#: Shares of two arms differ if they are this far apart, as a share and in standard errors.
_MARGIN, _ERRORS = 0.05, 2.0
_MOST_WARNINGS = 5


def describe_cut_answers(view: View) -> tuple[str, ...]:
    """Describes the cut answers of an audit: a sentence on the shares, then the warnings.

    Args:
        view: the findings.

    Returns:
        Sentences in plain text; empty if no answer was cut off.
    """
    total = view.total
    if not _count_cut(total):
        return ()
    roles = [
        f"{role.value} {format_percent(_share_of(tally))}"
        for role in Role
        if (tally := view.total_of(role)).answers
    ]
    longest = view.plan.sampling.max_tokens
    limit = f" at {format_count(longest)} tokens" if longest > 0 else ""
    sentence = (
        f"Cut off{limit}: {format_count(_count_cut(total))} of {format_count(total.answers)} "
        f"answers ({format_percent(_share_of(total))}; {', '.join(roles)}). They are not graded, "
        "and rates are over the others; a larger max_tokens lets them end."
    )
    return (sentence, *_list_warnings(view))


def cut_answers_to_json(view: View) -> dict[str, Any]:
    """The same for programs: counts, shares (null without answers) and warnings."""
    tallies = {"all": view.total, **{role.value: view.total_of(role) for role in Role}}
    return {
        "max_tokens": view.plan.sampling.max_tokens,
        "answers": {name: _count_cut(tally) for name, tally in tallies.items()},
        "share": {
            name: _share_of(tally) if tally.answers else None for name, tally in tallies.items()
        },
        "warnings": list(_list_warnings(view)),
    }


def _list_warnings(view: View) -> tuple[str, ...]:
    """A warning for each pair of compared arms whose shares of cut answers differ."""
    found = sorted(_compare_arms(view), key=lambda pair: -pair[0])
    more = len(found) - _MOST_WARNINGS
    rest = (f"{more} more pairs of arms differ in their cut answers.",) if more > 0 else ()
    return (*(words for _, words in found[:_MOST_WARNINGS]), *rest)


def _compare_arms(view: View) -> Iterator[tuple[float, str]]:
    standard = dict(zip(Role, view.standard_tallies, strict=True))
    yield from _compare_pair("the target", standard[Role.TARGET], "the reference",
                             standard[Role.REFERENCE], "without a cue")  # fmt: skip
    for row in view.rows:
        cue = f"under the cue '{view.label_of(row.cue.name)}'"
        yield from _compare_pair(
            f"the target {cue}", row.target_tally, "without a cue", standard[Role.TARGET], ""
        )
        yield from _compare_pair(
            "the target", row.target_tally, "the reference", row.reference_tally, cue
        )


def _compare_pair(
    name: str, one: Tally, other_name: str, other: Tally, where: str
) -> Iterator[tuple[float, str]]:
    if not (one.answers and other.answers):
        return
    apart = abs(_share_of(one) - _share_of(other))
    both = (_count_cut(one) + _count_cut(other)) / (one.answers + other.answers)
    error = math.sqrt(both * (1 - both) * (1 / one.answers + 1 / other.answers))
    if apart > max(_MARGIN, _ERRORS * error):
        yield (
            apart,
            f"Warning: answers are not cut off equally often: {name} "
            f"{format_percent(_share_of(one))}, {other_name} {format_percent(_share_of(other))}"
            f"{f' {where}' if where else ''}; the difference of these arms may come from that.",
        )


def _count_cut(tally: Tally) -> int:
    return tally.count_of(Outcome.CUT_OFF)


def _share_of(tally: Tally) -> float:
    return _count_cut(tally) / tally.answers if tally.answers else math.nan
