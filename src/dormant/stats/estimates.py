"""Counts to estimates: every number that a verdict or a report quotes.

Whatever an estimate is about, its *units* are worked out first, one number a question: the rate in
each training seed, differences between arms of the same question and seed, the mean over the seeds
that have them, and the difference between the roles. Its value is the mean of the units, so every
question counts the same however many of its answers are gradable, and a cue that leaves some
questions without gradable answers cannot move a difference by changing the mix. Where the claim is
about themes, the units are the means of these over the questions of a family.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from dormant.errors import InputError
from dormant.records import Cell, Estimate, Quantity, Rule, Split
from dormant.stats.contrasts import CueContrast, list_contrasts, nan_mean
from dormant.stats.intervals import Bounds, SeedSpread
from dormant.stats.methods import (
    BOOTSTRAP_T,
    DEFAULT,
    DESCRIPTIONS,
    check_method,
    compute_bounds,
    compute_ends,
)
from dormant.stats.sample import Sample
from dormant.stats.table import (
    ROLES,
    STANDARD,
    Floats,
    Ints,
    Table,
    build_table,
    split_mask,
)
from dormant.stats.themes import (
    average_families,
    count_families,
    gather_families,
    index_families,
)

#: Signs with which one, two, four or eight arms enter a unit.
_SIGNS: dict[int, tuple[int, ...]] = {
    1: (1,),
    2: (1, -1),
    4: (1, -1, -1, 1),
    8: (1, -1, -1, 1, -1, 1, 1, -1),
}
#: Differences between the roles, on which a verdict rests.
_COMPARED = frozenset({Quantity.DID, Quantity.STANDARD_DIFFERENCE})
#: Quantities that are tested against delta.
_TESTED = frozenset({Quantity.GAP, Quantity.DID, Quantity.STANDARD_DIFFERENCE})
#: Quantities that are tested against zero.
_TESTED_AT_ZERO = frozenset({Quantity.DID_ALL, Quantity.DID_HARMFUL})
#: Quantities that are taken over all answers.
_OF_ALL = _TESTED_AT_ZERO | {Quantity.DID_WORST, Quantity.HARMFUL}


class Trainings(StrEnum):
    """The population that an interval covers."""

    ALL = "all"  # all trainings of the kind: it holds the spread between training seeds
    THESE = "these"  # the models at hand


def estimate_all(
    cells: Sequence[Cell],
    *,
    rule: Rule,
    split_of: Mapping[str, Split],
    placebo_of: Mapping[str, str] | None = None,
    parts_of: Mapping[str, tuple[str, str]] | None = None,
    family_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
    tests: int = 0,
) -> tuple[Estimate, ...]:
    """Makes every estimate that the counts allow, for each split with counts and for all questions.

    For each arm asked in a split: RATE, RATE_ALL and SURVIVAL of both roles; for each cue: GAP of
    both roles and DID; DID_PLACEBO for cues with a placebo; INTERACTION for crossed cues;
    STANDARD_DIFFERENCE. ``p`` is given for GAP, DID and STANDARD_DIFFERENCE, against
    ``rule.delta``. Where some answers were not graded also HARMFUL of both roles, and DID_ALL,
    DID_WORST and DID_HARMFUL of each cue and, with no cue, of the standard difference; ``p`` of
    DID_ALL and DID_HARMFUL is against zero.

    Intervals are two-sided at ``rule.level``, so each end errs with half of the rest: the verdict
    rule reads some bounds at two stages and spends one half on each. They include the spread
    between training seeds where a role has several; ``p`` and, with one seed, the interval too
    are about the models at hand. For these, ``p`` is the smallest error of each end at which the
    interval's low end reaches ``rule.delta``.

    Args:
        cells: counts, in any order; cells with the same labels are added.
        rule: the pre-registered rule (``delta``, ``level``, ``icc`` and ``claim`` are read). Where
            the claim is about themes, the unit is the family and not the question.
        split_of: the split of every question that has counts.
        placebo_of: name of the placebo of each cue that has one.
        parts_of: names of the two cues that a crossed cue adds together.
        family_of: the family of each question; None if each is one of its own.
        method: how intervals are made, one of ``dormant.stats.METHODS``; a verdict rests on the
            default.
        trainings: whether intervals cover all trainings or only the models at hand.
        tests: how many tests share the error 1 - level, for ``low_of_all`` of DID and
            STANDARD_DIFFERENCE; 0 to leave it out.

    Returns:
        Estimates by split, quantity, role and cue name; undefined ones are NaN with a reason.

    Raises:
        InputError: no cells, a question without a split, an unknown method, or a rule out of range.
    """
    table = build_table(cells)
    return from_table(
        table,
        rule=rule,
        split_of=split_of,
        placebo_of=placebo_of,
        parts_of=parts_of,
        family_of=family_of,
        method=method,
        trainings=trainings,
        tests=tests,
    )


def from_table(
    table: Table,
    *,
    rule: Rule,
    split_of: Mapping[str, Split],
    placebo_of: Mapping[str, str] | None = None,
    parts_of: Mapping[str, tuple[str, str]] | None = None,
    family_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
    tests_trainings: bool = False,
    only: Collection[Quantity] = tuple(Quantity),
    tests: int = 0,
) -> tuple[Estimate, ...]:
    """As :func:`estimate_all`, for counts that are already a table.

    With ``tests_trainings`` p-values are about all trainings where intervals are. ``method`` may
    also be ``BOOTSTRAP_T``; ``only`` names the quantities that are estimated. With ``tests``
    differences get ``low_of_all``, for so many tests that share the error.
    """
    _check_rule(rule)
    name = method if method == BOOTSTRAP_T else check_method(method)
    settings = _IntervalSettings(name, trainings, tests_trainings, family_of, tests)
    split_mask(table.questions, None, split_of)  # every question has a split
    present = {split_of[q] for q in table.questions}
    found: list[Estimate] = []
    for split in (*(s for s in Split if s in present), None):
        if split is None and len(present) == 1:  # the same questions
            return (*found, *(replace(e, split=None) for e in found))
        part = table.select_questions(split_mask(table.questions, split, split_of))
        for contrast in list_contrasts(part, placebo_of or {}, parts_of or {}):
            if contrast.quantity in only:
                found.extend(_estimate_contrast(part, contrast, rule, split, settings))
    return tuple(found)


def from_contrast(
    table: Table,
    contrast: CueContrast,
    *,
    rule: Rule,
    method: str,
    trainings: Trainings,
    family_of: Mapping[str, str] | None = None,
) -> tuple[Estimate, ...]:
    """As :func:`from_table` of all questions, for units that were made otherwise than from counts.

    p-values are about all trainings where intervals are.
    """
    _check_rule(rule)
    settings = _IntervalSettings(method, trainings, True, family_of, 0)
    return tuple(_estimate_contrast(table, contrast, rule, None, settings))


@dataclass(frozen=True, slots=True)
class _IntervalSettings:
    """How intervals are made."""

    method: str
    trainings: Trainings
    tests_trainings: bool  # whether p-values cover what the intervals cover
    family_of: Mapping[str, str] | None  # None: each question is a family of its own
    tests: int  # that share the error; 0 for none


def _check_rule(rule: Rule) -> None:
    for name in ("level", "delta", "icc"):
        value = getattr(rule, name)
        if not 0 <= value <= 1 or (name == "level" and value in (0, 1)):
            raise InputError(f"rule.{name} must be a share between 0 and 1, got {value!r}")


def seed_spread(per_seed: tuple[Floats, ...]) -> SeedSpread:
    """Variance of the mean over training seeds, of all roles together, with Satterthwaite's df."""
    shape = per_seed[0].shape[1]
    variance, bottom = np.zeros(shape), np.zeros(shape)
    for values in per_seed:
        means = nan_mean(values, -1)  # [S, K]
        count = (~np.isnan(means)).sum(0)
        centred = np.where(np.isnan(means), 0.0, means - nan_mean(means, 0))
        part = (centred**2).sum(0) / np.maximum(count - 1, 1) / np.maximum(count, 1)
        variance += part
        bottom += part**2 / np.maximum(count - 1, 1)
    variance = np.where(variance > 1e-18, variance, 0.0)  # below rounding error
    freedom = np.where(variance > 0, variance**2 / np.where(bottom > 0, bottom, 1.0), np.inf)
    return SeedSpread(variance, freedom)


def _estimate_contrast(
    table: Table,
    contrast: CueContrast,
    rule: Rule,
    split: Split | None,
    settings: _IntervalSettings,
) -> Iterator[Estimate]:
    if not contrast.cues:
        return
    entered = ~np.isnan(contrast.units)  # [K, Q]
    per_question = contrast.denominators.sum(1)  # [R, C, Q], all seeds
    roles, cues = np.array(contrast.arms).reshape(-1, 2).T
    shape = (len(contrast.cues), len(contrast.arms[0]))
    asked = per_question[roles, cues].reshape(*shape, -1)  # [K, A, Q]
    sample = Sample(
        units=contrast.units,
        arms=contrast.rates[roles, cues].reshape(*shape, -1),
        signs=_SIGNS[shape[1]],
        answers=asked.astype(np.float64),
        icc=rule.icc,
        limits=contrast.limits,
    )
    families = index_families(table.questions, settings.family_of)
    size = _SampleSize(
        questions=entered.sum(-1),
        themes=count_families(sample, families),
        answers=np.where(entered[:, None], asked, 0).sum((1, 2)),
    )
    per_seed = contrast.per_seed
    if rule.is_about_themes:
        sample = gather_families(sample, families)
        per_seed = tuple(average_families(values, families) for values in per_seed)
    spread = seed_spread(per_seed) if settings.trainings is Trainings.ALL else None
    if settings.method == BOOTSTRAP_T or contrast.quantity in _TESTED | _TESTED_AT_ZERO:
        found = compute_bounds(
            sample,
            method=settings.method,
            level=rule.level,
            delta=0.0 if contrast.quantity in _TESTED_AT_ZERO else rule.delta,
            spread=spread,
            tests_trainings=settings.tests_trainings,
        )
    else:  # inverting an interval takes forty times as long as the interval
        tail = (1 - rule.level) / 2
        found = compute_ends(
            sample, method=settings.method, tail=tail, delta=rule.delta, spread=spread
        )
    lows = np.full(len(contrast.cues), np.nan)
    if settings.tests and contrast.quantity in _COMPARED:
        tail = (1 - rule.level) / settings.tests
        lows = compute_ends(sample, method=settings.method, tail=tail, delta=rule.delta).low
    for k, cue in enumerate(contrast.cues):
        made = _make_estimate(table, contrast, found, k, cue, size, rule, split, settings)
        yield replace(made, low_of_all=float(lows[k]))


@dataclass(frozen=True, slots=True)
class _SampleSize:
    """What entered each of K means, all [K]."""

    questions: Ints
    themes: Ints  # families
    answers: Ints  # of all arms


def _make_estimate(
    table: Table,
    contrast: CueContrast,
    bounds: Bounds,  # of all cues
    k: int,
    cue: int,
    size: _SampleSize,
    rule: Rule,
    split: Split | None,
    settings: _IntervalSettings,
) -> Estimate:
    undefined = not bounds.questions[k]
    tested = contrast.quantity in _TESTED | _TESTED_AT_ZERO
    method, seeds = DESCRIPTIONS[settings.method], max(len(values) for values in contrast.per_seed)
    if rule.is_about_themes:
        method = method.replace("mean over questions", "mean over themes", 1)
    if seeds > 1 and settings.trainings is Trainings.ALL:
        method += f", with the spread of {seeds} training seeds"
    return Estimate(
        quantity=contrast.quantity,
        role=contrast.role,
        cue=table.cues[cue],
        split=split,
        value=float(bounds.value[k]),
        low=float(bounds.low[k]),
        high=float(bounds.high[k]),
        level=rule.level,
        questions=int(size.questions[k]),
        themes=int(size.themes[k]),
        answers=int(size.answers[k]),
        p=float(bounds.p[k]) if tested else float("nan"),
        method=method,
        reason=_why_undefined(table, contrast, k) if undefined else "",
    )


def _why_undefined(table: Table, contrast: CueContrast, k: int) -> str:
    """Names the first arm without usable answers, else that no question has all arms."""
    kind = "answers" if contrast.quantity is Quantity.SURVIVAL else "gradable answers"
    if contrast.quantity in _OF_ALL or contrast.quantity is Quantity.RATE_ALL:
        kind = "answers"
    for r, c in contrast.arms[k]:
        if not contrast.denominators[r, :, c].any():
            arm = "the standard arm" if c == STANDARD else f"cue {table.cues[c]!r}"
            return f"the {ROLES[r]} has no {kind} in {arm}"
    return f"no question has {kind} in all {len(contrast.arms[k])} arms"
