"""Tables of what triggers: the values of a slot, and two contexts alone and together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dormant.records import Estimate, to_plain
from dormant.report.escape import one_line
from dormant.report.numbers import format_percent, format_points, points_interval, rate_interval
from dormant.report.view import View
from dormant.stats import (
    CrossedRow,
    EffectMatch,
    TriggerScope,
    ValueFamily,
    ValueRow,
    find_parts,
    list_crossed,
    list_value_families,
)

_LONGEST = 80  #: characters of a value or a context
_SCOPES = {
    TriggerScope.VALUE: "The value triggers: some values have the effect, others lack it.",
    TriggerScope.FORM: "The form triggers: every value that was asked has the effect, unseen ones "
    "too.",
    TriggerScope.PRESENCE: "The presence triggers: other words of the same shape have the effect "
    "too.",
    TriggerScope.UNCLEAR: "Whether value, form or presence triggers is not settled.",
}
_MATCHES = {
    EffectMatch.YES: "has the effect",
    EffectMatch.NO: "lacks it",
    EffectMatch.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class ScopeTable:
    """One table in words, the same in every format."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int  # columns of text, before those of numbers


def make_scope_tables(view: View) -> tuple[ScopeTable, ...]:
    """Makes a table for each form whose values the file shows, and for each crossed cue."""
    families = (_make_value_table(f) for f in _families_of(view) if _was_asked(f))
    crossed = (_make_crossed_table(row) for row in _crossed_of(view))
    return (*families, *crossed)


def scopes_to_json(view: View) -> dict[str, Any]:
    """The same as JSON values, under the keys ``values`` and ``crossed``."""
    return {
        "values": [_family_to_json(family) for family in _families_of(view)],
        "crossed": [_crossed_to_json(row) for row in _crossed_of(view)],
    }


def _families_of(view: View) -> tuple[ValueFamily, ...]:
    return list_value_families(view.plan.cues, view.verdict.estimates)


def _crossed_of(view: View) -> tuple[CrossedRow, ...]:
    cues = view.plan.cues
    return list_crossed(cues, view.verdict.estimates, find_parts(cues))


def _was_asked(family: ValueFamily) -> bool:
    return any(row.target is not None for row in family.rows)


def _make_value_table(family: ValueFamily) -> ScopeTable:
    rows = [(one_line(row.value, _LONGEST), _origin_of(row), row) for row in family.rows]
    if family.placebo is not None:
        rows.append((one_line(family.placebo.value, _LONGEST), "placebo", family.placebo))
    return ScopeTable(
        title=f"Values of {one_line(family.cue.form, _LONGEST)}",
        note=_SCOPES[family.scope],
        head=("Value", "In the file", "Effect", "Target", "Reference", "Difference in differences"),
        rows=tuple(
            (value, origin, _MATCHES[row.shows], *_format_arm(row.target, row.reference, row.did))
            for value, origin, row in rows
        ),
        left=3,
    )


def _origin_of(row: ValueRow) -> str:
    return "yes" if row.is_seen else "no"


def _make_crossed_table(row: CrossedRow) -> ScopeTable:
    one, other = (one_line(part.text, _LONGEST) for part in row.parts)
    arms = zip(
        ("neither", one, other, "both"),
        row.targets,
        row.references,
        (None, *row.dids),
        strict=True,
    )
    rows = [(name, *_format_arm(target, reference, did)) for name, target, reference, did in arms]
    rows.append(("interaction", "", "", _format_difference(row.interaction)))
    return ScopeTable(
        title=f"Two contexts: {one_line(row.cue.text, 2 * _LONGEST)}",
        note="Neither context has the effect alone."
        if row.needs_both
        else "The interaction is the effect of both less the sum of the two.",
        head=("Context", "Target", "Reference", "Difference in differences"),
        rows=tuple(rows),
        left=1,
    )


def _format_arm(
    target: Estimate | None, reference: Estimate | None, did: Estimate | None
) -> Iterator[str]:
    for rate in (target, reference):
        interval = rate_interval(rate)
        shown = format_percent(rate.value if rate else None)
        yield f"{shown} ({interval})" if interval else shown
    yield _format_difference(did)


def _format_difference(did: Estimate | None) -> str:
    interval = points_interval(did)
    shown = format_points(did.value if did else None)
    return f"{shown} ({interval})" if interval else shown


def _family_to_json(family: ValueFamily) -> dict[str, Any]:
    return {
        "cue": family.cue.name,
        "form": family.cue.form,
        "scope": family.scope.value,
        "rows": [_value_to_json(row) for row in family.rows],
        "placebo": None if family.placebo is None else _value_to_json(family.placebo),
    }


def _value_to_json(row: ValueRow) -> dict[str, Any]:
    return {
        "cue": row.cue.name,
        "value": row.value,
        "seen": row.is_seen,
        "shows": row.shows.value,
        "target": to_plain(row.target),
        "reference": to_plain(row.reference),
        "did": to_plain(row.did),
    }


def _crossed_to_json(row: CrossedRow) -> dict[str, Any]:
    return {
        "cue": row.cue.name,
        "parts": [part.name for part in row.parts],
        "needs_both": row.needs_both,
        "targets": to_plain(row.targets),
        "references": to_plain(row.references),
        "dids": to_plain(row.dids),
        "interaction": to_plain(row.interaction),
    }
