"""Amendments: a frozen plan that was replaced by another one when answers had been seen."""

from __future__ import annotations

from dataclasses import dataclass

_SHOWN = 6  #: single fields that a sentence lists
_LISTED = 2  #: entries of one list that are named; more are counted
_LISTS = ("questions", "cues", "models", "written", "left_out", "not_tested")


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
    """Words changes field by field: ``delta 5 -> 20 points, seed 0 -> 1, 60 questions added``.

    What decides a verdict comes first: the rule, then the judge, then other single fields, the
    first few of them; entries of lists are counted where there are many.
    """
    # A changed judge has another description and fingerprint: the first of these is named.
    of_judge = ("judge", "judge_description", "judge_fingerprint")
    changed = {change.field for change in changes}
    unnamed = [field for field in of_judge if field in changed][1:]
    kept = [change for change in changes if change.field not in unnamed]
    single = sorted((c for c in kept if not _list_of(c)), key=_rank_field)
    words = [_describe_change(change) for change in single[:_SHOWN]]
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in kept:
        if name := _list_of(change):
            groups.setdefault((name, _kind_of(change)), []).append(change)
    for (name, kind), group in groups.items():
        if len(group) <= _LISTED:
            words += [_describe_change(change) for change in group]
        else:
            entries = f"fields of {name}" if kind == "changed" else name
            words.append(f"{len(group):,} {entries} {kind}")
    if len(single) > _SHOWN:
        words.append(f"and {len(single) - _SHOWN} more")
    return ", ".join(words) or "another version"


def _list_of(change: Change) -> str:
    """The list that an entry belongs to; empty for a single field of the plan."""
    name = change.field.partition(".")[0]
    return name if name in _LISTS else ""


def _kind_of(change: Change) -> str:
    return "added" if not change.before else "removed" if not change.after else "changed"


def _rank_field(change: Change) -> int:
    """0 for the rule, 1 for the judge, 2 for the rest."""
    ranks = ("rule.", "judge")
    return next((i for i, start in enumerate(ranks) if change.field.startswith(start)), len(ranks))


def _describe_change(change: Change) -> str:
    name = change.field.removeprefix("rule.")
    if name == "judge_fingerprint":
        return "the judge's settings, or those of a judge beside it"
    if not change.before:
        return f"{name} added"
    if not change.after:
        return f"{name} removed"
    before, after, unit = change.before, change.after, ""
    if change.field == "rule.delta":
        before, after, unit = (*(f"{100 * float(x):g}" for x in (before, after)), " points")
    return f"{name} {before} -> {after}{unit}"
