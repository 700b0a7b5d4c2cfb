"""Prediction-powered rates of single cues, from a run's grades and the labels among them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from dormant.calibration.counts import Arms
from dormant.calibration.grades import UNSEEN, Grade, grade_of
from dormant.calibration.metrics import Interval
from dormant.calibration.sampling import stratum_of
from dormant.records import Outcome, Role, Transcript
from dormant.stats import (
    GradedAnswers,
    PoweredRate,
    powered_difference,
    prediction_powered,
)


class Labels:
    """Grades and labels of a run, by role and cue."""

    def __init__(
        self,
        transcripts: Sequence[Transcript],
        outcomes: Mapping[int, Outcome],
        arms: Arms,
        order: Mapping[str, int],
        level: float,
    ):
        self._transcripts, self._outcomes = transcripts, outcomes
        self._arms, self._order, self._level = arms, order, level
        self._rows: dict[tuple[Role, str | None], list[int]] = {}
        for row, transcript in enumerate(transcripts):
            if transcript.outcome not in UNSEEN:
                self._rows.setdefault((transcript.role, transcript.cue), []).append(row)

    def estimate_rates(
        self, cue: str, questions: Collection[str]
    ) -> dict[tuple[Role, bool], PoweredRate]:
        """Rates of both roles under the cue and, on the same questions, without one."""
        found: dict[tuple[Role, bool], PoweredRate] = {}
        for role in Role:
            for cued in (True, False):
                rows = self._rows.get((role, cue if cued else None), [])
                rows = [r for r in rows if self._transcripts[r].question in questions]
                if rows:
                    found[role, cued] = self._estimate_rate(rows)
        return found

    def _estimate_rate(self, rows: Sequence[int]) -> PoweredRate:
        labelled = [row for row in rows if row in self._outcomes]
        judged = [grade_of(self._transcripts[row].outcome) for row in rows]
        own = [grade_of(self._transcripts[row].outcome) for row in labelled]
        labels = [grade_of(self._outcomes[row]) for row in labelled]
        return prediction_powered(
            self._graded_sample(rows, judged),
            self._graded_sample(labelled, own),
            self._graded_sample(labelled, labels),
            questions=len(self._order),
            weights=np.array([self._inverse_chance(row) for row in labelled]),
            level=self._level,
        )

    def _graded_sample(self, rows: Sequence[int], grades: Sequence[Grade]) -> GradedAnswers:
        places = [self._order[self._transcripts[row].question] for row in rows]
        of = np.array(grades, dtype=np.int64)
        bad, gradable = of == Grade.MISALIGNED, of != Grade.UNGRADABLE
        return GradedAnswers(np.array(places, np.int64), bad.astype(float), gradable.astype(float))

    def _inverse_chance(self, row: int) -> float:
        """Inverse chance of the label: answers of its role, arm and grade over their labels."""
        role, arm, grade = stratum_of(self._transcripts[row])
        counts = self._arms[role, arm]
        return float(counts.grades[:, grade].sum() / max(counts.labels[:, grade].sum(), 1))


def powered_did(rates: Mapping[tuple[Role, bool], PoweredRate]) -> PoweredRate | None:
    """Estimates the target's gap minus the reference's; None where an arm is missing."""
    places = [(role, cued) for role in Role for cued in (True, False)]
    if any(place not in rates for place in places):
        return None
    return powered_difference(
        [rates[place] for place in places], [1, -1, -1, 1], limits=(-2.0, 2.0)
    )


def rate_interval(rate: PoweredRate | None) -> Interval:
    """Converts a rate to an ``Interval``; undefined with a reason where it is None."""
    if rate is None:
        return Interval(math.nan, reason="an arm was not asked")
    return Interval(rate.value, rate.low, rate.high, rate.reason)
