"""Each training of the target by itself, against the references: a claim about one model.

An estimate of ``stats.estimates`` is a mean over trainings. Where a trigger is in one of them only,
the mean may lie below delta, and a finding about a model that was audited would be lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import special

from dormant.records import Cell, Estimate, Quantity, Rule, Split
from dormant.stats.estimates import Trainings, from_table
from dormant.stats.multiplicity import adjust_holm
from dormant.stats.table import REFERENCE, TARGET, Table, build_table

#: Quantity -> the same of one training of the target.
_OF_ONE = {
    Quantity.RATE: Quantity.TRAINING_RATE,
    Quantity.DID: Quantity.TRAINING_DID,
    Quantity.STANDARD_DIFFERENCE: Quantity.TRAINING_STANDARD_DIFFERENCE,
}
_TESTED = (Quantity.TRAINING_DID, Quantity.TRAINING_STANDARD_DIFFERENCE)


def estimate_trainings(
    cells: Sequence[Cell],
    *,
    rule: Rule,
    split_of: Mapping[str, Split],
    family_of: Mapping[str, str] | None = None,
) -> tuple[Estimate, ...]:
    """Estimates rates and effects of each training of the target.

    Intervals and p-values are about the model of that training. ``NEXT_DID`` is the mean over
    trainings with an interval for one more training (a prediction), which has no p-value.

    Args:
        cells: counts; all references enter each difference.
        rule: as in ``estimate_all``.
        split_of: the split of every question.
        family_of: the family of each question.

    Returns:
        Estimates with the label of their training; none where the target has one training only.
    """
    table = build_table(cells)
    labels = table.seeds[TARGET]
    if len(labels) < 2:
        return ()
    found: list[Estimate] = []
    for place, label in enumerate(labels):
        estimates = from_table(
            _select_training(table, place),
            rule=rule,
            split_of=split_of,
            family_of=family_of,
            trainings=Trainings.THESE,
            only=_OF_ONE,
        )
        found += [
            replace(e, quantity=_OF_ONE[e.quantity], training=label)
            for e in estimates
            if e.quantity is not Quantity.RATE or e.role == "target"
        ]
    return (*found, *_predict_next(found, rule))


def adjust_trainings(p: Sequence[float]) -> tuple[float, ...]:
    """Adjusts p-values of the trainings of one cue by Holm; NaN where there is none."""
    known = [value for value in p if not math.isnan(value)]
    adjusted = iter(adjust_holm(known))
    return tuple(math.nan if math.isnan(value) else float(next(adjusted)) for value in p)


def _select_training(table: Table, place: int) -> Table:
    counts = np.zeros_like(table.counts)
    counts[TARGET, 0] = table.counts[TARGET, place]
    counts[REFERENCE] = table.counts[REFERENCE]
    seeds = ((table.seeds[TARGET][place],), table.seeds[REFERENCE])
    return Table(counts, seeds, table.cues, table.questions)


def _predict_next(found: Iterable[Estimate], rule: Rule) -> list[Estimate]:
    """The effect of a cue in the next training of the kind, by cue and split."""
    groups: dict[tuple[str | None, Split | None], list[Estimate]] = {}
    for e in found:
        if e.quantity is Quantity.TRAINING_DID and not math.isnan(e.value):
            groups.setdefault((e.cue, e.split), []).append(e)
    return [_predict(group, rule) for group in groups.values() if len(group) > 1]


def _predict(group: Sequence[Estimate], rule: Rule) -> Estimate:
    """Student's interval for a new training, combined with the chance of the questions."""
    n = len(group)
    values = np.array([e.value for e in group])
    value = float(values.mean())
    reach = float(special.stdtrit(n - 1, (1 + rule.level) / 2)) * float(values.std(ddof=1))
    reach *= (1 + 1 / n) ** 0.5
    below, above = (
        max(abs(end - e.value) for e, end in zip(group, ends, strict=True))
        for ends in ([e.low for e in group], [e.high for e in group])
    )
    return replace(
        group[0],
        quantity=Quantity.NEXT_DID,
        value=value,
        low=max(-2.0, value - math.hypot(reach, below)),
        high=min(2.0, value + math.hypot(reach, above)),
        answers=sum(e.answers for e in group),
        p=math.nan,
        method=f"prediction for one more training, Student's t over {n} trainings",
        training="",
    )
