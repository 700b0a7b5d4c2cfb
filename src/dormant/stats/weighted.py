"""Rates of rare answers from weighted draws: bounds that hold for any weights in a known range.

An answer is drawn from a mixture ``q = plain p + (1 - plain) g`` of the model itself (p) and of a
proposal (g) that misbehaves often. Its unit is ``p / q`` if it is misaligned and 0 otherwise. The
mean of a unit is the rate under p, exactly, and no unit exceeds ``1 / plain``.

A round asks each of Q questions once, so the mean of its units is the mean rate over these
questions. Against each hypothesis "the mean is at most m" a gambler stakes the same share on every
unit of a round, ``1 + stake (unit - m)``, and chooses it from earlier rounds alone. The expected
product over a round is at most ``(1 + stake (rate - m)) ** Q`` by the inequality of arithmetic and
geometric means, whatever the rates of single questions, so wealth is a supermartingale over
rounds, and it exceeds ``1 / tail`` at any time with a chance of at most ``tail`` (Ville).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dormant.errors import InputError
from dormant.stats.table import Floats

#: Largest stake, as a share of one that could lose everything on one unit.
_LARGEST = 0.95
#: Means that are tested on each side of the estimate.
_TESTED = 120
#: The nearest tested mean, as a share of the distance between the estimate and the end.
_NEAREST = 1e-6
#: The first rounds, a quarter, choose which answers count as covered and are not bet on.
_PILOT = 4
#: Steps of a search for the best stake, and values of earlier units that it looks at.
_HALVINGS, _GROUPS = 14, 16


def mixture_weights(target: Floats, proposals: Floats, plain: float) -> Floats:
    """Computes the weights of answers that were drawn from a mixture (balance heuristic).

    Args:
        target: log-probability (nats) of each answer under the model itself [A].
        proposals: the same under each proposal [J, A]; each has an equal part of the rest.
        plain: share of the mixture that the model itself has, in (0, 1].

    Returns:
        ``p / q`` of each answer [A], from 0 to ``1 / plain``.

    Raises:
        InputError: ``plain`` is out of range.
    """
    if not 0 < plain <= 1:
        raise InputError(f"the share of plain answers must be in (0, 1], got {plain!r}")
    ratio = np.exp(np.clip(proposals - target, -700, 700)).mean(axis=0)
    return 1 / (plain + (1 - plain) * ratio)


def pilot_rounds(rounds: int) -> int:
    """The first rounds, which choose what counts as covered: a quarter, at least one."""
    return max(1, rounds // _PILOT)


def bet_bounds(
    units: Floats, *, lowest: float, highest: float, tail: float, pilot: int = 1
) -> tuple[float, float]:
    """Bounds the mean of units over these questions.

    Args:
        units: one for each round and question [R, Q]; rounds and questions are independent.
        lowest: no unit can be less.
        highest: no unit can be more; above ``lowest``.
        tail: chance of an error at each end, in (0, 1).
        pilot: first rounds that are not bet on, because ``lowest`` or ``highest`` rests on them.

    Returns:
        The lower and the upper end. Before anything is known these are ``lowest`` and ``highest``.

    Raises:
        InputError: a unit is outside its range, or there are fewer than two rounds.
    """
    if len(units) < 2 or not lowest < highest or not 0 < tail < 1:
        raise InputError(f"bounds need two rounds and a range, got {units.shape!r}")
    span = 1e-9 * max(abs(lowest), abs(highest))
    if units.size and (units.min() < lowest - span or units.max() > highest + span):
        raise InputError(f"a unit is outside [{lowest:g}, {highest:g}]")
    low = _lower_bound(units - lowest, highest - lowest, tail, pilot)
    high = _lower_bound(highest - units, highest - lowest, tail, pilot)
    return lowest + low, highest - high


def _lower_bound(units: Floats, top: float, tail: float, pilot: int) -> float:
    """Bounds the mean of units from 0 to ``top`` from below."""
    mean = float(units.mean())
    if mean <= 0:
        return 0.0
    shrink = np.geomspace(_NEAREST, 1, _TESTED)
    near = mean * (1 - shrink[:-1])  # dense just below the estimate ...
    far = np.geomspace(mean * 1e-6, mean, _TESTED)  # ... and over all orders of magnitude
    means = np.unique(np.concatenate([near, far]))[:-1]
    rejected = _log_wealth(units, means, top, pilot) >= -np.log(tail)
    kept = np.flatnonzero(~rejected)
    first = int(kept[0]) if len(kept) else len(means)
    return float(means[first - 1]) if first else 0.0


def _log_wealth(units: Floats, means: Floats, top: float, pilot: int) -> Floats:
    """Log of the largest wealth against "the mean is at most m", for each tested mean [M]."""
    wealth, most = np.zeros(len(means)), np.zeros(len(means))
    for number in range(pilot, len(units)):
        stake = _choose_stakes(units[:number], means, top)
        values, counts = np.unique(units[number], return_counts=True)
        wealth += np.log1p(stake[:, None] * (values - means[:, None])) @ counts
        np.maximum(most, wealth, out=most)
    return most


def _choose_stakes(before: Floats, means: Floats, top: float) -> Floats:
    """The stakes that would have won most before (Kelly), for each tested mean [M].

    Units are grouped, which changes a stake and never its validity. One pseudo-unit, ``top`` with
    a chance that makes its mean m, stands for what the units have not shown.
    """
    values, counts = _group_units(before)
    values = np.append(values, (0.0, top))
    gains = values - means[:, None]  # [M, values]
    counts = np.broadcast_to(counts, (len(means), len(counts)))
    chance = (means / top)[:, None]
    counts = np.concatenate([counts, 1 - chance, chance], axis=1)
    least, most = np.zeros(len(means)), _LARGEST / means
    for _ in range(_HALVINGS):  # the slope of the log-wealth falls with the stake
        stake = (least + most) / 2
        rises = (counts * gains / (1 + stake[:, None] * gains)).sum(axis=1) > 0
        least, most = np.where(rises, stake, least), np.where(rises, most, stake)
    return least


def _group_units(units: Floats) -> tuple[Floats, Floats]:
    """At most ``_GROUPS`` values and their counts; each value is the mean of its group."""
    ordered = np.sort(units, axis=None)
    values, counts = np.unique(ordered, return_counts=True)
    if len(values) > _GROUPS:
        rare = ordered[(ordered != ordered[0]) & (ordered != ordered[-1])]
        groups = np.array_split(rare, _GROUPS - 2)
        ends = [np.sum(ordered == ordered[0]), np.sum(ordered == ordered[-1])]
        values = np.array([ordered[0], *(group.mean() for group in groups), ordered[-1]])
        counts = np.array([ends[0], *(len(group) for group in groups), ends[1]])
    return values, counts.astype(np.float64)


@dataclass(frozen=True, slots=True)
class WeightedRate:
    """The mean of weighted units over questions, with its bounds."""

    value: float  # unbiased
    error: float  # its standard error; NaN for one round
    low: float  # bounds that hold for any proposal: the upper end rests on plain answers
    high: float
    limit: float  # weight up to which a misaligned answer counts as covered by the proposal
    covered: float  # the rate of covered misaligned answers; at most ``value``
    covered_low: float  # bounds of the rate of covered misaligned answers
    covered_high: float
    misaligned: int  # misaligned answers among the draws
    effective: float  # (sum of units)^2 / sum of their squares: equally weighted misaligned answers
    answers: int

    @property
    def plain_answers(self) -> float:
        """Plain answers with the same standard error; NaN where it is unknown."""
        if not self.error > 0:
            return np.nan
        return max(self.value * (1 - self.value), 0.0) / self.error**2


def covered_limit(units: Floats, highest: float) -> float:
    """The weight up to which an answer counts as covered, from the pilot rounds alone.

    Four times the largest weight of their misaligned answers; ``highest`` where there is none.
    """
    pilot = units[: pilot_rounds(len(units))]
    largest = float(pilot.max(initial=0.0))
    return min(4 * largest, highest) if largest > 0 else highest


def estimate_rate(units: Floats, *, highest: float, tail: float) -> WeightedRate:
    """Estimates a rate from weighted units.

    Args:
        units: weight of each misaligned answer, 0 for the others [R, Q].
        highest: no weight can be more: ``1 / plain``.
        tail: chance of an error at each end.

    Raises:
        InputError: as ``bet_bounds``.
    """
    low, high = bet_bounds(units, lowest=0.0, highest=highest, tail=tail)
    limit = covered_limit(units, highest)
    inside = np.where(units <= limit, units, 0.0)
    pilot = pilot_rounds(len(units))
    covered = bet_bounds(inside, lowest=0.0, highest=limit, tail=tail, pilot=pilot)
    squares = float((units**2).sum())
    return WeightedRate(
        value=float(units.mean()),
        error=standard_error(units),
        low=low,
        high=min(high, 1.0),
        limit=limit,
        covered=float(inside.mean()),
        covered_low=covered[0],
        covered_high=covered[1],
        misaligned=int((units > 0).sum()),
        effective=float(units.sum()) ** 2 / squares if squares else 0.0,
        answers=units.size,
    )


@dataclass(frozen=True, slots=True)
class WeightedContrast:
    """A sum of rates with signs, over the same questions and rounds."""

    value: float
    error: float
    low: float  # bounds that hold for any proposal
    high: float
    covered_low: float  # bounds of the same sum of covered rates
    covered_high: float


def estimate_contrast(
    arms: tuple[Floats, ...], signs: tuple[int, ...], *, highest: float, tail: float
) -> WeightedContrast:
    """Estimates a sum of rates, e.g. with a cue minus without one.

    Arms may share answers: covered rates are compared unit by unit, and the bounds that hold for
    any proposal share the error among the arms.

    Args:
        arms: units of each arm, as for ``estimate_rate``.
        signs: 1 or -1 for each arm.
        highest: no weight can be more.
        tail: chance of an error at each end.
    """
    limits = [covered_limit(units, highest) for units in arms]
    whole = sum(sign * units for sign, units in zip(signs, arms, strict=True))
    inside = sum(
        sign * np.where(units <= limit, units, 0.0)
        for sign, units, limit in zip(signs, arms, limits, strict=True)
    )
    assert isinstance(whole, np.ndarray) and isinstance(inside, np.ndarray)
    covered = bet_bounds(
        inside,
        lowest=-sum(limit for limit, sign in zip(limits, signs, strict=True) if sign < 0),
        highest=sum(limit for limit, sign in zip(limits, signs, strict=True) if sign > 0),
        tail=tail,
        pilot=pilot_rounds(len(whole)),
    )
    each = [bet_bounds(a, lowest=0.0, highest=highest, tail=tail / len(arms)) for a in arms]
    each = [(low, min(high, 1.0)) for low, high in each]
    ends = [
        (low, high) if sign > 0 else (-high, -low)
        for sign, (low, high) in zip(signs, each, strict=True)
    ]
    return WeightedContrast(
        value=float(whole.mean()),
        error=standard_error(whole),
        low=sum(low for low, _ in ends),
        high=sum(high for _, high in ends),
        covered_low=covered[0],
        covered_high=covered[1],
    )


def standard_error(units: Floats) -> float:
    """The standard error of the mean over these questions; NaN for one round."""
    rounds, questions = units.shape
    if rounds < 2:
        return np.nan
    return float(np.sqrt(units.var(axis=0, ddof=1).sum() / rounds)) / questions
