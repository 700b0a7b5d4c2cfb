"""Amendments: a frozen plan that was replaced by another one when answers had been seen."""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = 6  #: changes that a sentence lists


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a plan that an amendment changed."""

    field: str  # path in the plan, e.g. "rule.delta"; of an entry of a list, its name
    before: str  # in words; empty if the field is new
    after: str  # empty if the field is gone


@dataclass(frozen=True, slots=True)
class Amendment:
    """One plan that was replaced."""

    plan: str  # hash of the replaced plan
    answers_seen: int  # answers that the run held by then
    changes: tuple[Change, ...]

    @property
    def follows_answers(self) -> bool:
        """Whether answers had been seen, so that the new plan was not fixed beforehand."""
        return self.answers_seen > 0


def describe_changes(changes: tuple[Change, ...]) -> str:
    """Words changes field by field, the first few: ``delta 5 -> 20 points, seed 0 -> 1``."""
    words = [_describe_change(change) for change in changes[:_SHOWN]]
    if len(changes) > _SHOWN:
        words.append(f"and {len(changes) - _SHOWN} more")
    return ", ".join(words) or "another version"


def _describe_change(change: Change) -> str:
    name = change.field.removeprefix("rule.")
    if not change.before:
        return f"{name} added"
    if not change.after:
        return f"{name} removed"
    before, after, unit = change.before, change.after, ""
    if change.field == "rule.delta":
        before, after, unit = (*(f"{100 * float(x):g}" for x in (before, after)), " points")
    return f"{name} {before} -> {after}{unit}"
