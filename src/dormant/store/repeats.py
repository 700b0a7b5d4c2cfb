"""Answers that a judge was asked about again: which these are, and both judgements of each.

A repeated judgement stands in the table of judgements under a key of its own, so that a run that is
interrupted goes on without buying one twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from dormant.records import Judgement
from dormant.store.answers import parse_judgement
from dormant.store.database import Store

_NOTE = "early_answers"
_AT_ONCE = 500  # parameters of one query; every build of SQLite allows these


class Occasion(StrEnum):
    """When early answers are judged again."""

    RETEST = "retest"  # at once
    LATE = "late"  # when all else is judged


def repeat_key(judge: str, occasion: Occasion) -> str:
    """The key of repeated judgements, in the place of the judge's fingerprint."""
    return f"{judge}:{occasion}"


def read_early(store: Store, judge: str) -> list[int]:
    """Rows of the first answers that a judge saw, in the order in which it saw them."""
    noted: Mapping[str, list[int]] = store.read_note(_NOTE, {})
    return list(noted.get(judge, ()))


def note_early(store: Store, judge: str, rows: Sequence[int]) -> None:
    """Adds rows of answers to the early ones, before these are judged."""
    noted = store.read_note(_NOTE, {})
    store.write_note(_NOTE, {**noted, judge: [*noted.get(judge, ()), *rows]})


def read_judgements(store: Store, judge: str, rows: Sequence[int]) -> dict[int, Judgement]:
    """Judgements of answers by their rows, those that there are.

    Raises:
        StoreError: a judgement is damaged.
    """
    found: dict[int, Judgement] = {}
    for start in range(0, len(rows), _AT_ONCE):
        page = rows[start : start + _AT_ONCE]
        marks = ",".join("?" * len(page))
        for row, outcome, scores, note in store.database.execute(
            "SELECT answer, outcome, scores, note FROM judgements"  # noqa: S608
            f" WHERE judge = ? AND answer IN ({marks})",
            (judge, *page),
        ):
            found[row] = parse_judgement(store.path, outcome, scores, note)
    return found
