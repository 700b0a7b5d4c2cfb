"""Answers that wait for a judge, in an order that says nothing about who gave them."""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from collections.abc import Callable, Container, Sequence

import numpy as np

from dormant.records import OUTCOMES, Outcome
from dormant.store.answers import PendingAnswer

#: Answers without a judgement, at least one completion of which came from the model itself.
_UNJUDGED = (
    "answers a JOIN probes p ON p.id = a.probe"
    " WHERE NOT EXISTS (SELECT 1 FROM judgements j WHERE j.judge = ? AND j.answer = a.id)"
    " AND EXISTS (SELECT 1 FROM completions c"
    " WHERE c.answer = a.id AND c.finish NOT IN ('error', 'filter'))"
)
#: Whether every completion with the text of an answer ``a`` ended at the length limit.
IS_CUT = (
    "(SELECT min(c.finish = 'length') FROM completions c"
    " WHERE c.answer = a.id AND c.finish NOT IN ('error', 'filter'))"
)
_AT_ONCE = 500  # parameters of one query; every build of SQLite allows these


def forget_errors(database: sqlite3.Connection, may_drop_beside: Callable[[], bool]) -> int:
    """Drops failed answers and judgements, to be tried again.

    A judgement has also failed where a judge beside the first gave none.

    Args:
        database: of a run, in a transaction.
        may_drop_beside: whether such judgements may go; asked if there are any.

    Returns:
        How many answers were dropped, and judgements that lacked that of a judge beside the first.
    """
    failed = (f'%_outcome": {float(OUTCOMES.index(Outcome.ERROR))}%',)
    where, dropped = "FROM judgements WHERE scores LIKE ?", 0
    has_any = database.execute(f"SELECT EXISTS (SELECT 1 {where})", failed).fetchone()[0]  # noqa: S608
    if has_any and may_drop_beside():
        dropped = database.execute(f"DELETE {where}", failed).rowcount  # noqa: S608
    database.execute("DELETE FROM judgements WHERE outcome = 'error'")
    return dropped + database.execute("DELETE FROM completions WHERE finish = 'error'").rowcount


def list_pending(
    database: sqlite3.Connection, judge: str, probes: Container[str] | None, seed: int
) -> list[int]:
    """Lists the answers that a judge has not seen, in random order.

    An answer's place depends on the seed, its prompt and its words alone: not on the model that
    gave it, nor on when. So it is the same after an interruption.

    Args:
        database: of a run.
        judge: fingerprint of the judge.
        probes: ``Probe.id`` of the prompts whose answers are listed; all if None.
        seed: of the order.

    Returns:
        Rows of answers. Provider errors and filtered answers need no judge.
    """
    keys, rows = array("Q"), array("q")
    for row, probe, text in database.execute(
        f"SELECT a.id, p.digest, a.hash FROM {_UNJUDGED}",  # noqa: S608
        (judge,),
    ):
        if probes is None or probe in probes:
            place = hashlib.blake2b(f"{seed} {probe} ".encode() + bytes(text), digest_size=8)
            keys.append(int.from_bytes(place.digest()))
            rows.append(row)
    order = np.argsort(np.frombuffer(keys, np.uint64), kind="stable")
    return np.frombuffer(rows, np.int64)[order].tolist()


def read_answers(database: sqlite3.Connection, rows: Sequence[int]) -> list[PendingAnswer]:
    """Reads answers by their rows, in the order of the rows; absent ones are left out."""
    found: dict[int, PendingAnswer] = {}
    for start in range(0, len(rows), _AT_ONCE):
        page = rows[start : start + _AT_ONCE]
        marks = ",".join("?" * len(page))
        for row, probe, text, is_cut in database.execute(
            f"SELECT a.id, p.digest, a.text, {IS_CUT} FROM answers a"  # noqa: S608
            f" JOIN probes p ON p.id = a.probe WHERE a.id IN ({marks})",
            page,
        ):
            found[row] = PendingAnswer(row, probe, text, is_cut=bool(is_cut))
    return [found[row] for row in rows if row in found]
