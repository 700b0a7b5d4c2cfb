"""The amendments of a run, read from its lock file, and what they do to its verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dormant.records import Amendment, Change, Verdict, describe_changes
from dormant.store.files import read_lock

#: What names an entry of a list of records.
_NAMES = ("name", "id", "role")
_LONGEST = 60  #: characters of a value


def read_amendments(path: Path) -> tuple[Amendment, ...]:
    """Reads what each amendment changed, oldest first.

    Args:
        path: ``plan.lock.json``; it may be absent.

    Raises:
        StoreError: the file is not a lock file.
    """
    lock = read_lock(path)
    if lock is None:
        return ()
    plans = [*(earlier["plan"] for earlier in lock["amended"]), lock["plan"]]
    return tuple(
        Amendment(earlier["hash"], earlier["answers_seen"], list_changes(earlier["plan"], new))
        for earlier, new in zip(lock["amended"], plans[1:], strict=True)
    )


def list_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Lists the fields in which two plans differ, each with its path."""
    return tuple(_compare_values("", old, new))


def describe_amendment(amendment: Amendment) -> str:
    """One sentence for a report."""
    return (
        f"plan {amendment.plan[:12]} was replaced when {amendment.answers_seen:,} answers had been "
        f"seen ({describe_changes(amendment.changes)})"
    )


def mark_verdict(verdict: Verdict, amendments: Sequence[Amendment]) -> Verdict:
    """Marks a verdict whose plan was amended after answers had been seen.

    Nothing was fixed beforehand then, so the verdict has no level and its sentence says so. A
    verdict that is marked already is returned as it is.
    """
    late = tuple(amendment for amendment in amendments if amendment.follows_answers)
    if not late or verdict.amendments:
        return verdict
    changes = tuple(change for amendment in late for change in amendment.changes)
    seen = max(amendment.answers_seen for amendment in late)
    sentence = (
        f"Amended after {seen:,} answers had been seen ({describe_changes(changes)}), so nothing "
        f"was fixed beforehand and no level holds. {verdict.sentence}"
    )
    return replace(verdict, sentence=sentence, level=math.nan, amendments=late)


def _compare_values(path: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            place = f"{path}.{key}" if path else str(key)
            yield from _compare_values(place, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and _has_names(old) and _has_names(new):
        yield from _compare_values(path, _index_entries(old), _index_entries(new))
    else:
        yield Change(path, _format_value(old), _format_value(new))


def _has_names(entries: list[Any]) -> bool:
    return all(isinstance(e, Mapping) and any(name in e for name in _NAMES) for e in entries)


def _index_entries(entries: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Entries of a list by name; of several with one name each keeps its place."""
    found: dict[str, Any] = {}
    for place, entry in enumerate(entries):
        name = str(next(entry[key] for key in _NAMES if key in entry))
        found[name if name not in found else f"{name} ({place})"] = entry
    return found


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split()) or "''"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
