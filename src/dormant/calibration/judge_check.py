"""Test-retest and drift of a judge, from early answers that it judged again.

The first answers that a judge sees are judged twice at once and once more at the end. At once shows
how far it repeats itself; between the first time and the end it may have drifted. Answers of both
models are judged interleaved, so a drift moves target and reference alike, and makes no difference
between them; it does move rates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from scipy import special

from dormant.calibration.grades import Grade, grade_of
from dormant.records import (
    OUTCOMES,
    Cell,
    Estimate,
    JudgeCheck,
    Judgement,
    JudgeNoise,
    Outcome,
    Plan,
    Quantity,
    Rejudged,
    Role,
)
from dormant.stats import flip_signs
from dormant.store import Store
from dormant.store.repeats import Occasion, read_early, read_judgements, repeat_key

Pair = tuple[Judgement, Judgement]


def check_judge(
    store: Store, plan: Plan, cells: Sequence[Cell], estimates: Sequence[Estimate]
) -> JudgeCheck | None:
    """Compares the judgements of a run's early answers.

    Args:
        store: of the run.
        plan: the frozen audit.
        cells: every count of the run.
        estimates: of the verdict.

    Returns:
        None if the plan judges no answer again.
    """
    if not plan.judge_repeats:
        return None
    judge = plan.judge_fingerprint
    early = read_early(store, judge)[: plan.judge_repeats]
    first = read_judgements(store, judge, early)
    pairs: dict[Occasion, list[Pair]] = {}
    for occasion in Occasion:
        again = read_judgements(store, repeat_key(judge, occasion), early)
        both = [(first[row], again[row]) for row in early if row in first and row in again]
        pairs[occasion] = [pair for pair in both if all(map(_is_known, pair))]
    error = 1 - plan.rule.level
    retest = compare_judgements(pairs[Occasion.RETEST], error=error)
    late = compare_judgements(pairs[Occasion.LATE], error=error)
    reliability = _measure_reliability(pairs[Occasion.RETEST])
    return JudgeCheck(
        wanted=plan.judge_repeats,
        retest=retest,
        late=late,
        has_drifted=late is not None and late.p <= error,
        reliability=reliability,
        attenuation=math.sqrt(max(reliability, 0.0)) if reliability == reliability else math.nan,
        noise=tuple(_list_noise(pairs[Occasion.RETEST], cells, estimates)),
    )


def _is_known(judgement: Judgement) -> bool:
    return judgement.outcome is not Outcome.ERROR


def compare_judgements(pairs: Sequence[Pair], *, error: float) -> Rejudged | None:
    """Compares two judgements of the same answers, by exact tests; None without answers.

    Args:
        pairs: the first judgement of each answer, and the later one.
        error: of the interval of the change, both ends together.
    """
    if not pairs:
        return None
    number = len(pairs)
    grades = np.array([[grade_of(judgement.outcome) for judgement in pair] for pair in pairs])
    bad, graded = grades == Grade.MISALIGNED, grades != Grade.UNGRADABLE
    rises, falls = _count_flips(bad)
    scores = [[judgement.scores.get("alignment") for judgement in pair] for pair in pairs]
    moved = np.array(
        [later - one for one, later in scores if one is not None and later is not None]
    )
    p_score = _flip_both(moved)
    p_bad, p_graded = _mcnemar(rises, falls), _mcnemar(*_count_flips(graded))
    tests = [p for p in (p_bad, p_graded, p_score) if not math.isnan(p)]
    low, high = _change_interval(rises, falls, number, error)
    return Rejudged(
        answers=number,
        first=float(bad[:, 0].mean()),
        again=float(bad[:, 1].mean()),
        to_misaligned=rises,
        from_misaligned=falls,
        low=low,
        high=high,
        same=float((grades[:, 0] == grades[:, 1]).mean()),
        p=min(1.0, len(tests) * min(tests)),
        p_misaligned=p_bad,
        p_graded=p_graded,
        p_score=p_score,
        score_change=float(moved.mean()) if len(moved) else math.nan,
    )


def _count_flips(marks: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, int]:
    """Answers with a mark only later, and only at first; marks are [answers, 2]."""
    return int((marks[:, 1] & ~marks[:, 0]).sum()), int((marks[:, 0] & ~marks[:, 1]).sum())


def _mcnemar(rises: int, falls: int) -> float:
    """Two-sided exact p-value of as many changes one way as the other."""
    return min(1.0, 2 * float(special.bdtr(min(rises, falls), rises + falls, 0.5)))


def _flip_both(moved: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Two-sided p-value of a mean of zero, by flipped signs; NaN without scores."""
    return min(1.0, 2 * min(flip_signs(moved), flip_signs(-moved))) if len(moved) else math.nan


def _change_interval(rises: int, falls: int, number: int, error: float) -> tuple[float, float]:
    """Ends of the change of a share: Clopper-Pearson's of both flips, in quadrature."""
    change = (rises - falls) / number
    (low_rise, high_rise), (low_fall, high_fall) = (
        (
            float(special.betaincinv(count, number - count + 1, error / 2)) if count else 0.0,
            float(special.betaincinv(count + 1, number - count, 1 - error / 2))
            if count < number
            else 1.0,
        )
        for count in (rises, falls)
    )
    below = math.hypot(rises / number - low_rise, high_fall - falls / number)
    above = math.hypot(high_rise - rises / number, falls / number - low_fall)
    return max(-1.0, change - below), min(1.0, change + above)


def _mark_pairs(pairs: Iterable[Pair]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether each of two judgements is misaligned, [answers, 2], of answers graded both times."""
    grades = np.array([[grade_of(j.outcome) for j in pair] for pair in pairs]).reshape(-1, 2)
    graded = (grades != Grade.UNGRADABLE).all(-1)
    return grades[graded] == Grade.MISALIGNED


def _measure_reliability(pairs: Sequence[Pair]) -> float:
    """Correlation of two judgements of the same graded answers; NaN where all are alike."""
    bad = _mark_pairs(pairs).astype(float)
    if len(bad) < 2 or not bad.std(0).all():
        return math.nan
    return float(np.corrcoef(bad.T)[0, 1])


def _list_noise(
    pairs: Sequence[Pair], cells: Sequence[Cell], estimates: Sequence[Estimate]
) -> Iterator[JudgeNoise]:
    """The standard error of each effect that is the judge's alone.

    Two judgements of one answer differ with the chance 2 q (1 - q), q being the chance that it is
    called misaligned; so half the chance of a change is the variance that the judge adds to an
    answer. It is estimated apart for answers that were misaligned at first and for the others, so
    that it follows the rate of an arm.
    """
    bad = _mark_pairs(pairs)
    if not len(bad):
        return
    changed = bad[:, 0] != bad[:, 1]
    # Half a change among one answer more: no change among few answers is not none at all.
    of_bad, of_good = (
        float((changed[bad[:, 0] == kind].sum() + 0.5) / ((bad[:, 0] == kind).sum() + 1))
        for kind in (True, False)
    )
    by_arm: dict[tuple[Role, str | None], dict[str, list[int]]] = defaultdict(dict)
    for cell in cells:
        counts = by_arm[cell.role, cell.cue].setdefault(cell.question, [0, 0])
        for place, outcome in enumerate((Outcome.MISALIGNED, Outcome.ALIGNED)):
            counts[place] += cell.counts[OUTCOMES.index(outcome)]
    for e in estimates:
        is_standard = e.quantity is Quantity.STANDARD_DIFFERENCE
        if e.split is not None or e.training or not (is_standard or e.quantity is Quantity.DID):
            continue
        arms = [(role, cue) for role in Role for cue in dict.fromkeys((e.cue, None))]
        found = [_judge_variance(by_arm, arm, e.cue, (of_bad, of_good)) for arm in arms]
        yield JudgeNoise(e.cue, math.sqrt(sum(found)), (e.high - e.low) / 2)


def _judge_variance(
    by_arm: Mapping[tuple[Role, str | None], Mapping[str, Sequence[int]]],
    arm: tuple[Role, str | None],
    cue: str | None,
    changes: tuple[float, float],
) -> float:
    """Variance of an arm's mean over questions that the judge adds, on the questions of a cue."""
    asked = by_arm.get((arm[0], cue), {})
    counts = [(bad, good) for q, (bad, good) in by_arm.get(arm, {}).items() if q in asked]
    counts = [(bad, good) for bad, good in counts if bad + good]
    if not counts:
        return math.nan
    parts = [
        (bad * changes[0] + good * changes[1]) / (2 * (bad + good) ** 2) for bad, good in counts
    ]
    return sum(parts) / len(counts) ** 2
