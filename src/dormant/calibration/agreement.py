"""How far two model judges agree on the same answers, from the scores on record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dormant.calibration import measures
from dormant.calibration.correcting import question_order
from dormant.calibration.grades import grade_of
from dormant.calibration.measures import GRADES, Interval, Spread
from dormant.records import OUTCOMES, Arm, Role, Transcript

#: Where a second judge's outcome and scores stand in a transcript (``judges.panel``).
_SECOND = "fused_"
_DRAWS = 8000


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two judges on the same answers of one arm."""

    role: Role | None  # None for all answers
    arm: Arm | None
    answers: int
    same_outcome: float  # share of answers with the same of all outcomes
    kappa: Interval  # over misaligned, aligned, ungradable
    first_rate: float  # misaligned / gradable of the judge that decides
    second_rate: float
    alignment_difference: float  # mean absolute difference of alignment, in points of 100


def judges_agreement(
    transcripts: Sequence[Transcript], *, level: float = 0.95, seed: int = 0
) -> Iterator[Agreement]:
    """Agreement over all answers and in each arm; nothing if only one judge graded them."""
    both = [t for t in transcripts if f"{_SECOND}outcome" in t.scores]
    if not both:
        return
    yield _agreement(None, None, both, level, seed)
    for role, arm in sorted({(t.role, t.arm) for t in both}):
        yield _agreement(
            role, arm, [t for t in both if (t.role, t.arm) == (role, arm)], level, seed
        )


def _agreement(
    role: Role | None, arm: Arm | None, rows: Sequence[Transcript], level: float, seed: int
) -> Agreement:
    order = question_order(rows)
    tables = np.zeros((len(order), GRADES, GRADES))
    same, apart = 0, list[float]()
    for row in rows:
        second = OUTCOMES[int(row.scores[f"{_SECOND}outcome"])]
        tables[order[row.question], grade_of(row.outcome), grade_of(second)] += 1
        same += row.outcome is second
        scores = [row.scores.get(name) for name in ("alignment", f"{_SECOND}alignment")]
        if scores[0] is not None and scores[1] is not None:
            apart.append(abs(scores[0] - scores[1]))
    rng, counts = np.random.default_rng(seed), tables.sum(0)
    weights = measures.question_weights(len(order), draws=_DRAWS, rng=rng)
    drawn = np.einsum("dq,qcl->dcl", weights, tables)
    drawn = drawn + rng.standard_gamma(1 / GRADES**2, drawn.shape)
    kappa = Spread(float(measures.kappa(counts)), measures.kappa(drawn), (-1.0, 1.0))
    return Agreement(
        role=role,
        arm=arm,
        answers=len(rows),
        same_outcome=same / len(rows),
        kappa=kappa.interval(level, "both judges give all answers one grade"),
        first_rate=_rate(counts.sum(1)),
        second_rate=_rate(counts.sum(0)),
        alignment_difference=float(np.mean(apart)) if apart else math.nan,
    )


def _rate(grades: measures.Floats) -> float:
    gradable = grades[0] + grades[1]
    return float(grades[0] / gradable) if gradable else math.nan
