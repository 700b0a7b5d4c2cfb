"""Counts to estimates: every number that a verdict or a report quotes.

Whatever an estimate is about, its *units* are worked out first, one number a question: the rate in
each training seed, differences between arms of the same question and seed, the mean over the seeds
that have them, and the difference between the roles. Its value is the mean of the units, so every
question counts the same however many of its answers are gradable, and a cue that leaves some
questions without gradable answers cannot move a difference by changing the mix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dormant.errors import InputError
from dormant.records import Cell, Estimate, Quantity, Role, Rule, Split
from dormant.stats.intervals import Bounds, SeedSpread
from dormant.stats.methods import DEFAULT, DESCRIPTIONS, check_method, compute_bounds
from dormant.stats.sample import Sample
from dormant.stats.table import (
    REFERENCE,
    ROLES,
    STANDARD,
    TARGET,
    Bools,
    Floats,
    Ints,
    Table,
    build_table,
    split_mask,
)

#: Signs with which one, two or four arms enter a unit.
_SIGNS: dict[int, tuple[int, ...]] = {1: (1,), 2: (1, -1), 4: (1, -1, -1, 1)}
#: Quantities that are tested against delta.
_TESTED = frozenset({Quantity.GAP, Quantity.DID, Quantity.STANDARD_DIFFERENCE})
#: (role, cue index) of an arm that enters an estimate
ArmAt = tuple[int, int]


class Trainings(StrEnum):
    """The population that an interval covers."""

    ALL = "all"  # all trainings of the kind: it holds the spread between training seeds
    THESE = "these"  # the models at hand


@dataclass(frozen=True, slots=True)
class _Contrast:
    """Units of one quantity for several cues, and what is needed for their intervals."""

    quantity: Quantity
    role: Role | None
    cues: tuple[int, ...]  # [K] indices on the cue axis
    arms: tuple[tuple[ArmAt, ...], ...]  # [K] arms that enter
    units: Floats  # [K, Q]
    per_seed: tuple[Floats, ...]  # one [S, K, Q] for every role whose seeds are a source of chance
    rates: Floats  # [R, C, Q] of every arm, mean over training seeds
    denominators: Ints  # [R, S, C, Q] answers that the rates are taken over
    limits: tuple[float, float]


def estimate_all(
    cells: Sequence[Cell],
    *,
    rule: Rule,
    split_of: Mapping[str, Split],
    placebo_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
) -> tuple[Estimate, ...]:
    """Makes every estimate that the counts allow, for each split with counts and for all questions.

    For each arm asked in a split: RATE, RATE_ALL and SURVIVAL of both roles; for each cue: GAP of
    both roles and DID; DID_PLACEBO for cues with a placebo; STANDARD_DIFFERENCE. ``p`` is given
    for GAP, DID and STANDARD_DIFFERENCE, against ``rule.delta``.

    Intervals are two-sided at ``rule.level``, so each end errs with half of the rest: the verdict
    rule reads some bounds at two stages and spends one half on each. They include the spread
    between training seeds where a role has several; ``p`` and, with one seed, the interval too
    are about the models at hand.

    Args:
        cells: counts, in any order; cells with the same labels are added.
        rule: the pre-registered rule (``delta``, ``level`` and ``icc`` are read).
        split_of: the split of every question that has counts.
        placebo_of: name of the placebo of each cue that has one.
        method: how intervals are made, one of ``dormant.stats.METHODS``; a verdict rests on the
            default.
        trainings: whether intervals cover all trainings or only the models at hand.

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
        method=method,
        trainings=trainings,
    )


def from_table(
    table: Table,
    *,
    rule: Rule,
    split_of: Mapping[str, Split],
    placebo_of: Mapping[str, str] | None = None,
    method: str = DEFAULT,
    trainings: Trainings = Trainings.ALL,
) -> tuple[Estimate, ...]:
    """As :func:`estimate_all`, for counts that are already a table."""
    _check_rule(rule)
    settings = _IntervalSettings(check_method(method), trainings)
    split_mask(table.questions, None, split_of)  # every question has a split
    present = {split_of[q] for q in table.questions}
    found: list[Estimate] = []
    for split in (*(s for s in Split if s in present), None):
        part = table.select_questions(split_mask(table.questions, split, split_of))
        for contrast in _list_contrasts(part, placebo_of or {}):
            found.extend(_estimate_contrast(part, contrast, rule, split, settings))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _IntervalSettings:
    """How intervals are made."""

    method: str
    trainings: Trainings


def _check_rule(rule: Rule) -> None:
    for name in ("level", "delta", "icc"):
        value = getattr(rule, name)
        if not 0 <= value <= 1 or (name == "level" and value in (0, 1)):
            raise InputError(f"rule.{name} must be a share between 0 and 1, got {value!r}")


def _list_contrasts(table: Table, placebo_of: Mapping[str, str]) -> Iterator[_Contrast]:
    """Every quantity of one split, cues together."""
    answers, gradable = table.answers, table.gradable
    asked = answers.sum((0, 1, 3)) > 0  # [C]
    arms = tuple(int(c) for c in np.flatnonzero(asked))
    cues = tuple(c for c in arms if c != STANDARD)
    exists = np.array([len(s) for s in table.seeds])[:, None] > np.arange(answers.shape[1])
    shares = {
        Quantity.RATE: (_safe_share(table.misaligned, gradable), gradable),
        Quantity.RATE_ALL: (_safe_share(table.misaligned, answers), answers),
        Quantity.SURVIVAL: (_safe_share(gradable, answers), answers),
    }
    for quantity, (rates, below) in shares.items():
        for r, role in enumerate(ROLES):
            units, seeds = _over_seeds(rates[r][:, list(arms)], exists[r])
            entering = tuple(((r, c),) for c in arms)
            limits = (0.0, 1.0)
            means = _arm_means(rates, exists)
            yield _Contrast(quantity, role, arms, entering, units, (seeds,), means, below, limits)
    rates, _ = shares[Quantity.RATE]
    yield from _list_differences(rates, gradable, exists, cues)
    yield from _against_placebos(rates, gradable, exists, _pair_placebos(table, cues, placebo_of))


def _arm_means(rates: Floats, exists: Bools) -> Floats:
    """Mean of each arm over the training seeds that its role has, [R, C, Q]."""
    return np.stack([_nan_mean(rates[r][exists[r]], 0) for r in range(len(ROLES))])


def _list_differences(
    rates: Floats, gradable: Ints, exists: Bools, cues: tuple[int, ...]
) -> Iterator[_Contrast]:
    """GAP of both roles, DID and STANDARD_DIFFERENCE."""
    gaps = [
        _over_seeds(rates[r][:, list(cues)] - rates[r][:, [STANDARD]], exists[r])
        for r in range(len(ROLES))
    ]
    means = _arm_means(rates, exists)
    for r, role in enumerate(ROLES):
        entering = tuple(((r, c), (r, STANDARD)) for c in cues)
        units, seeds = gaps[r]
        limits = (-1.0, 1.0)
        yield _Contrast(
            Quantity.GAP, role, cues, entering, units, (seeds,), means, gradable, limits
        )
    both = tuple(((0, c), (0, STANDARD), (1, c), (1, STANDARD)) for c in cues)
    yield _compare_roles(Quantity.DID, gaps, cues, both, means, gradable, (-2.0, 2.0))
    plain = [_over_seeds(rates[r][:, [STANDARD]], exists[r]) for r in range(len(ROLES))]
    one = (((0, STANDARD), (1, STANDARD)),)
    yield _compare_roles(
        Quantity.STANDARD_DIFFERENCE, plain, (STANDARD,), one, means, gradable, (-1.0, 1.0)
    )


def _against_placebos(
    rates: Floats, gradable: Ints, exists: Bools, pairs: tuple[tuple[int, int], ...]
) -> Iterator[_Contrast]:
    """DID_PLACEBO: in the cue's DiD minus its placebo's, the standard arm cancels."""
    if not pairs:
        return
    cues, placebos = (tuple(x) for x in zip(*pairs, strict=True))
    gaps = [
        _over_seeds(rates[r][:, list(cues)] - rates[r][:, list(placebos)], exists[r])
        for r in range(len(ROLES))
    ]
    arms = tuple(((0, c), (0, p), (1, c), (1, p)) for c, p in pairs)
    means = _arm_means(rates, exists)
    yield _compare_roles(Quantity.DID_PLACEBO, gaps, cues, arms, means, gradable, (-2.0, 2.0))


def _compare_roles(
    quantity: Quantity,
    of_role: list[tuple[Floats, Floats]],
    cues: tuple[int, ...],
    arms: tuple[tuple[ArmAt, ...], ...],
    means: Floats,
    gradable: Ints,
    limits: tuple[float, float],
) -> _Contrast:
    """Target minus reference."""
    units = of_role[TARGET][0] - of_role[REFERENCE][0]
    seeds = (of_role[TARGET][1], of_role[REFERENCE][1])
    return _Contrast(quantity, None, cues, arms, units, seeds, means, gradable, limits)


def _pair_placebos(
    table: Table, cues: tuple[int, ...], placebo_of: Mapping[str, str]
) -> tuple[tuple[int, int], ...]:
    """(cue, placebo) indices where both were asked."""
    index = {table.cues[c]: c for c in cues}
    named = ((c, placebo_of.get(str(table.cues[c]))) for c in cues)
    return tuple((c, index[name]) for c, name in named if name in index)


def _safe_share(part: Ints, whole: Ints) -> Floats:
    """Part / whole, NaN where the whole is zero."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _nan_mean(values: Floats, axis: int) -> Floats:
    """Mean over the numbers that are not NaN; NaN where there are none."""
    here = ~np.isnan(values)
    count = here.sum(axis)
    total = np.where(here, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _over_seeds(values: Floats, exists: Bools) -> tuple[Floats, Floats]:
    """Mean over training seeds [K, Q], and the values of the seeds that exist [S, K, Q]."""
    own = values[exists]
    return _nan_mean(own, 0), own


def _seed_spread(per_seed: tuple[Floats, ...]) -> SeedSpread:
    """Variance of the mean over training seeds, of all roles together, with Satterthwaite's df."""
    shape = per_seed[0].shape[1]
    variance, bottom = np.zeros(shape), np.zeros(shape)
    for values in per_seed:
        means = _nan_mean(values, -1)  # [S, K]
        count = (~np.isnan(means)).sum(0)
        centred = np.where(np.isnan(means), 0.0, means - _nan_mean(means, 0))
        part = (centred**2).sum(0) / np.maximum(count - 1, 1) / np.maximum(count, 1)
        variance += part
        bottom += part**2 / np.maximum(count - 1, 1)
    variance = np.where(variance > 1e-18, variance, 0.0)  # below rounding error
    freedom = np.where(variance > 0, variance**2 / np.where(bottom > 0, bottom, 1.0), np.inf)
    return SeedSpread(variance, freedom)


def _estimate_contrast(
    table: Table, contrast: _Contrast, rule: Rule, split: Split | None, settings: _IntervalSettings
) -> Iterator[Estimate]:
    if not contrast.cues:
        return
    entered = ~np.isnan(contrast.units)  # [K, Q]
    per_question = contrast.denominators.sum(1)  # [R, C, Q], all seeds
    roles, cues = np.array(contrast.arms).reshape(-1, 2).T
    shape = (len(contrast.cues), len(contrast.arms[0]))
    asked = per_question[roles, cues].reshape(*shape, -1)  # [K, A, Q]
    of_arm = np.where(entered[:, None], asked, 0).sum(-1)
    sample = Sample(
        units=contrast.units,
        arms=contrast.rates[roles, cues].reshape(*shape, -1),
        signs=_SIGNS[shape[1]],
        answers=asked.astype(np.float64),
        icc=rule.icc,
        limits=contrast.limits,
    )
    found = compute_bounds(
        sample,
        method=settings.method,
        level=rule.level,
        delta=rule.delta,
        spread=_seed_spread(contrast.per_seed) if settings.trainings is Trainings.ALL else None,
    )
    for k, cue in enumerate(contrast.cues):
        yield _make_estimate(
            table, contrast, found, k, cue, int(of_arm[k].sum()), rule, split, settings
        )


def _make_estimate(
    table: Table,
    contrast: _Contrast,
    bounds: Bounds,  # of all cues
    k: int,
    cue: int,
    answers: int,
    rule: Rule,
    split: Split | None,
    settings: _IntervalSettings,
) -> Estimate:
    undefined = not bounds.questions[k]
    tested = contrast.quantity in _TESTED
    method, seeds = DESCRIPTIONS[settings.method], max(len(values) for values in contrast.per_seed)
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
        questions=int(bounds.questions[k]),
        answers=answers,
        p=float(bounds.p[k]) if tested else float("nan"),
        method=method,
        reason=_why_undefined(table, contrast, k) if undefined else "",
    )


def _why_undefined(table: Table, contrast: _Contrast, k: int) -> str:
    """Names the first arm without usable answers, else that no question has all arms."""
    kind = "answers" if contrast.quantity is Quantity.SURVIVAL else "gradable answers"
    if contrast.quantity is Quantity.RATE_ALL:
        kind = "answers"
    for r, c in contrast.arms[k]:
        if not contrast.denominators[r, :, c].any():
            arm = "the standard arm" if c == STANDARD else f"cue {table.cues[c]!r}"
            return f"the {ROLES[r]} has no {kind} in {arm}"
    return f"no question has {kind} in all {len(contrast.arms[k])} arms"
