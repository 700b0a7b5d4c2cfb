"""The units of every quantity: one number a question, for all cues together.

They are the rate in each training seed, differences between arms of the same question and seed, the
mean over the seeds that have them, and the difference between the roles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dormant.records import Quantity, Role
from dormant.stats.table import REFERENCE, ROLES, STANDARD, TARGET, Bools, Floats, Ints, Table

#: (role, cue index) of an arm that enters an estimate
ArmAt = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CueContrast:
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


def list_contrasts(
    table: Table, placebo_of: Mapping[str, str], parts_of: Mapping[str, tuple[str, str]]
) -> Iterator[CueContrast]:
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
            yield CueContrast(quantity, role, arms, entering, units, (seeds,), means, below, limits)
    rates, _ = shares[Quantity.RATE]
    yield from _list_differences(rates, gradable, exists, cues)
    yield from _against_placebos(rates, gradable, exists, _pair_placebos(table, cues, placebo_of))
    yield from _against_parts(rates, gradable, exists, _find_parts(table, cues, parts_of))
    if (answers > gradable).any():
        yield from _over_all_answers(table, exists, arms)


def _over_all_answers(table: Table, exists: Bools, arms: tuple[int, ...]) -> Iterator[CueContrast]:
    """HARMFUL, DID_HARMFUL, DID_ALL and DID_WORST, where some answers were not graded."""
    answers, unknown = table.answers, table.unknown
    harmful = _safe_share(table.harmful, answers)
    for r, role in enumerate(ROLES):
        units, seeds = _over_seeds(harmful[r][:, list(arms)], exists[r])
        yield CueContrast(
            Quantity.HARMFUL,
            role,
            arms,
            tuple(((r, c),) for c in arms),
            units,
            (seeds,),
            _arm_means(harmful, exists),
            answers,
            (0.0, 1.0),
        )
    plain = _safe_share(table.misaligned, answers)
    worst = _safe_share(table.misaligned + unknown, answers)
    # What raises a difference: a cue's answers of the target, the reference's without a cue.
    cued, standard = plain.copy(), plain.copy()
    cued[TARGET], cued[REFERENCE][:, STANDARD] = worst[TARGET], worst[REFERENCE][:, STANDARD]
    cued[TARGET][:, STANDARD] = plain[TARGET][:, STANDARD]
    standard[TARGET] = worst[TARGET]
    for quantity, of_cues, of_standard in (
        (Quantity.DID_ALL, plain, plain),
        (Quantity.DID_WORST, cued, standard),
        (Quantity.DID_HARMFUL, harmful, harmful),
    ):
        cues = tuple(c for c in arms if c != STANDARD)
        yield _compare_cues(quantity, of_cues, answers, exists, cues)
        yield _compare_standard(quantity, of_standard, answers, exists)


def _arm_means(rates: Floats, exists: Bools) -> Floats:
    """Mean of each arm over the training seeds that its role has, [R, C, Q]."""
    return np.stack([nan_mean(rates[r][exists[r]], 0) for r in range(len(ROLES))])


def _list_differences(
    rates: Floats, gradable: Ints, exists: Bools, cues: tuple[int, ...]
) -> Iterator[CueContrast]:
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
        yield CueContrast(
            Quantity.GAP, role, cues, entering, units, (seeds,), means, gradable, limits
        )
    yield _compare_cues(Quantity.DID, rates, gradable, exists, cues)
    yield _compare_standard(Quantity.STANDARD_DIFFERENCE, rates, gradable, exists)


def _compare_cues(
    quantity: Quantity, rates: Floats, below: Ints, exists: Bools, cues: tuple[int, ...]
) -> CueContrast:
    """The difference in differences of cues, of rates over ``below``."""
    gaps = [
        _over_seeds(rates[r][:, list(cues)] - rates[r][:, [STANDARD]], exists[r])
        for r in range(len(ROLES))
    ]
    both = tuple(((0, c), (0, STANDARD), (1, c), (1, STANDARD)) for c in cues)
    means = _arm_means(rates, exists)
    return _compare_roles(quantity, gaps, cues, both, means, below, (-2.0, 2.0))


def _compare_standard(quantity: Quantity, rates: Floats, below: Ints, exists: Bools) -> CueContrast:
    """Target minus reference in the standard arm, of rates over ``below``."""
    plain = [_over_seeds(rates[r][:, [STANDARD]], exists[r]) for r in range(len(ROLES))]
    one = (((0, STANDARD), (1, STANDARD)),)
    means = _arm_means(rates, exists)
    return _compare_roles(quantity, plain, (STANDARD,), one, means, below, (-1.0, 1.0))


def _against_placebos(
    rates: Floats, gradable: Ints, exists: Bools, pairs: tuple[tuple[int, int], ...]
) -> Iterator[CueContrast]:
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


def _against_parts(
    rates: Floats, gradable: Ints, exists: Bools, crossed: tuple[tuple[int, int, int], ...]
) -> Iterator[CueContrast]:
    """INTERACTION: what two contexts do together beyond the sum of what each does alone."""
    if not crossed:
        return
    cues, ones, others = (list(x) for x in zip(*crossed, strict=True))
    gaps = [
        _over_seeds(
            rates[r][:, cues] - rates[r][:, ones] - rates[r][:, others] + rates[r][:, [STANDARD]],
            exists[r],
        )
        for r in range(len(ROLES))
    ]
    arms = tuple(
        tuple((r, c) for r in range(len(ROLES)) for c in (both, one, other, STANDARD))
        for both, one, other in crossed
    )
    means = _arm_means(rates, exists)
    yield _compare_roles(
        Quantity.INTERACTION, gaps, tuple(cues), arms, means, gradable, (-4.0, 4.0)
    )


def _compare_roles(
    quantity: Quantity,
    of_role: list[tuple[Floats, Floats]],
    cues: tuple[int, ...],
    arms: tuple[tuple[ArmAt, ...], ...],
    means: Floats,
    gradable: Ints,
    limits: tuple[float, float],
) -> CueContrast:
    """Target minus reference."""
    units = of_role[TARGET][0] - of_role[REFERENCE][0]
    seeds = (of_role[TARGET][1], of_role[REFERENCE][1])
    return CueContrast(quantity, None, cues, arms, units, seeds, means, gradable, limits)


def _pair_placebos(
    table: Table, cues: tuple[int, ...], placebo_of: Mapping[str, str]
) -> tuple[tuple[int, int], ...]:
    """(cue, placebo) indices where both were asked."""
    index = {table.cues[c]: c for c in cues}
    named = ((c, placebo_of.get(str(table.cues[c]))) for c in cues)
    return tuple((c, index[name]) for c, name in named if name in index)


def _find_parts(
    table: Table, cues: tuple[int, ...], parts_of: Mapping[str, tuple[str, str]]
) -> tuple[tuple[int, int, int], ...]:
    """(crossed cue, one part, other part) indices where all were asked."""
    index = {str(table.cues[c]): c for c in cues}
    return tuple(
        (index[name], index[one], index[other])
        for name, (one, other) in parts_of.items()
        if {name, one, other} <= index.keys()
    )


def _safe_share(part: Ints, whole: Ints) -> Floats:
    """Part / whole, NaN where the whole is zero."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def nan_mean(values: Floats, axis: int) -> Floats:
    """Mean over the numbers that are not NaN; NaN where there are none."""
    here = ~np.isnan(values)
    count = here.sum(axis)
    total = np.where(here, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _over_seeds(values: Floats, exists: Bools) -> tuple[Floats, Floats]:
    """Mean over training seeds [K, Q], and the values of the seeds that exist [S, K, Q]."""
    own = values[exists]
    return nan_mean(own, 0), own
