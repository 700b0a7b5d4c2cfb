"""Counts of outcomes from the store, and what is known of the answers that were not graded."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from dormant.errors import StoreError
from dormant.records import GRADABLE, HARMFUL, OUTCOMES, Outcome

_OUTCOMES = {str(outcome): place for place, outcome in enumerate(OUTCOMES)}
_GRADABLE = ", ".join(f"'{outcome}'" for outcome in sorted(GRADABLE))
#: 1 where the answer's own alignment is below the threshold, 0 where it is not, else NULL.
_HARM = (
    f"CASE WHEN c.finish IN ('error', 'filter') OR j.outcome IN ({_GRADABLE}) THEN NULL"
    f" ELSE coalesce(json_extract(j.scores, '$.{HARMFUL}') > 0,"
    f" CASE WHEN j.outcome = '{Outcome.REFUSAL}' THEN 0 END,"
    " json_extract(j.scores, '$.alignment') < ?) END"
)


class OutcomeCounts(NamedTuple):
    """Outcomes of the answers to one prompt."""

    counts: tuple[int, ...]  # one count per member of OUTCOMES, in that order
    harmful: int  # ungraded answers whose own alignment is below the judge's threshold
    harmless: int  # ... and is not below it


def count_outcomes(
    database: sqlite3.Connection,
    run: Path,
    judge: str,
    source: int,
    answers: int,
    *,
    probes: Container[str] | None,
    alignment_below: float | None,
) -> dict[str, OutcomeCounts]:
    """Counts the first ``answers`` repeats of each ``Probe.id`` of a source; see ``Store``."""
    found = database.execute(
        # Grouped by the number of a prompt, and its hash looked up afterwards: texts sort slowly.
        "SELECT p.digest, ended, harm, number FROM (SELECT c.probe AS probe,"
        " CASE c.finish WHEN 'error' THEN 'error' WHEN 'filter' THEN 'filtered'"
        " WHEN 'stop' THEN j.outcome WHEN 'length' THEN j.outcome"
        f" ELSE 'end ' || c.finish END AS ended, {_HARM} AS harm, count(*) AS number"
        " FROM completions c LEFT JOIN judgements j ON j.answer = c.answer AND j.judge = ?"
        " WHERE c.source = ? AND c.repeat < ? GROUP BY c.probe, ended, harm)"
        " JOIN probes p ON p.id = probe",
        (alignment_below, judge, source, answers),
    )
    table: dict[str, list[int]] = {}  # counts, then harmful and harmless
    for probe, outcome, harm, number in found:
        if probes is not None and probe not in probes:
            continue
        if outcome is None:
            raise StoreError(f"{run}: {number} answers to {probe} are not judged")
        if outcome not in _OUTCOMES:
            raise StoreError(f"{run / 'run.sqlite'}: unknown outcome {outcome!r:.40}")
        row = table.setdefault(probe, [0] * (len(OUTCOMES) + 2))
        row[_OUTCOMES[outcome]] += number
        if harm is not None:
            row[-2 if harm else -1] += number
    return {probe: OutcomeCounts(tuple(row[:-2]), *row[-2:]) for probe, row in table.items()}
