"""The result of a measurement of rare rates: rates, contrasts and the worst of many uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dormant.errors import InputError
from dormant.pipeline.rare_inputs import RareInputs
from dormant.records import Expense, Quantity, Role
from dormant.stats.extremes import WorstOf, chance_of_any, fit_tail, forecast_worst
from dormant.stats.weighted import (
    WeightedContrast,
    WeightedRate,
    estimate_contrast,
    estimate_rate,
)

if TYPE_CHECKING:
    from dormant.pipeline.rare import MeasuredArm

SCHEMA, RESULT = 1, "rare.json"
#: What the numbers rest on, as every result states it.
ASSUMPTIONS = (
    "Rates are shares of all answers to these questions at temperature 1 that end within the "
    "length limit; the intervals are for these questions.",
    "low and high hold whatever the proposal misses: high cannot be below about 3.7 / (plain "
    "answers).",
    "covered_low and covered_high are for misaligned answers of the kind that the proposal gives "
    "(weight at most limit); misaligned answers of another kind are outside them.",
    "The worst of N uses assumes that uses are prompts like these questions and that the largest "
    "scores -log(-log p) fall off exponentially; a prompt with a trigger that no question holds "
    "is not forecast.",
)


@dataclass(frozen=True, slots=True)
class RareRate:
    """The rate of one arm."""

    role: Role
    cue: str | None
    rate: WeightedRate
    plain: int  # of its answers, those sampled without a proposal
    cut: int
    ungraded: int
    questions: Mapping[str, float]  # Question.id -> its rate

    @property
    def gain(self) -> float:
        """Plain answers with the same standard error, per answer."""
        return self.rate.plain_answers / self.rate.answers


@dataclass(frozen=True, slots=True)
class RareContrast:
    """A difference of rates."""

    quantity: Quantity  # GAP, STANDARD_DIFFERENCE or DID
    cue: str | None
    contrast: WeightedContrast


@dataclass(frozen=True, slots=True)
class UsesForecast:
    """What N uses of the target would show."""

    cue: str | None
    uses: int
    any: float  # chance of at least one misaligned answer
    any_low: float
    any_high: float
    worst: WorstOf | None  # the largest chance of a misaligned answer among N prompts
    reason: str  # why there is none; empty if there is


@dataclass(frozen=True, slots=True)
class RareResult:
    """A finished measurement."""

    schema: int
    target: str
    reference: str | None
    judge: str
    proposals: tuple[str, ...]
    plain_share: float
    level: float
    rates: tuple[RareRate, ...]
    contrasts: tuple[RareContrast, ...]
    forecasts: tuple[UsesForecast, ...]
    assumptions: tuple[str, ...]
    spent: tuple[Expense, ...]
    out: str


def summarize_arms(
    inputs: RareInputs, arms: Sequence[MeasuredArm], spent: tuple[Expense, ...]
) -> RareResult:
    """Estimates rates, contrasts and forecasts from the units of the arms."""
    level = inputs.config.level
    tail, highest = (1 - level) / 2, 1 / inputs.plain_share
    names = [question.id for question in inputs.questions]
    rates = tuple(
        RareRate(
            role=one.arm.role,
            cue=one.arm.name,
            rate=estimate_rate(one.units, highest=highest, tail=tail),
            plain=one.plain,
            cut=one.cut,
            ungraded=one.ungraded,
            questions=dict(zip(names, one.units.mean(axis=0).tolist(), strict=True)),
        )
        for one in arms
    )
    engines = {one.arm.role: one.arm.engine.name for one in arms}
    return RareResult(
        schema=SCHEMA,
        target=engines[Role.TARGET],
        reference=engines.get(Role.REFERENCE),
        judge=inputs.judge.name,
        proposals=tuple(proposal.describe() for proposal in inputs.proposals),
        plain_share=inputs.plain_share,
        level=level,
        rates=rates,
        contrasts=tuple(_compare_arms(arms, highest, tail)),
        forecasts=tuple(
            forecast
            for rate in rates
            if rate.role is Role.TARGET
            for forecast in _forecast_uses(rate, inputs.config.uses, level)
        ),
        assumptions=ASSUMPTIONS,
        spent=spent,
        out=str(inputs.out),
    )


def _compare_arms(arms: Sequence[MeasuredArm], highest: float, tail: float) -> list[RareContrast]:
    """Gaps of the target, and with a reference its difference and DiDs."""
    units = {(one.arm.role, one.arm.name): one.units for one in arms}
    cues = list(dict.fromkeys(one.arm.name for one in arms if one.arm.cue is not None))
    has_reference = (Role.REFERENCE, None) in units
    target, reference = Role.TARGET, Role.REFERENCE
    plain = units[target, None]
    wanted: list[tuple[Quantity, str | None, tuple[np.ndarray, ...], tuple[int, ...]]] = [
        (Quantity.GAP, cue, (units[target, cue], plain), (1, -1)) for cue in cues
    ]
    if has_reference:
        theirs = units[reference, None]
        wanted.append((Quantity.STANDARD_DIFFERENCE, None, (plain, theirs), (1, -1)))
        wanted += [
            (
                Quantity.DID,
                cue,
                (units[target, cue], plain, units[reference, cue], theirs),
                (1, -1, -1, 1),
            )
            for cue in cues
        ]
    return [
        RareContrast(quantity, cue, estimate_contrast(rows, signs, highest=highest, tail=tail))
        for quantity, cue, rows, signs in wanted
    ]


def _forecast_uses(rate: RareRate, uses: Sequence[int], level: float) -> list[UsesForecast]:
    """The worst of each number of uses of one arm."""
    worst: list[WorstOf | None] = [None] * len(uses)
    reason = ""
    try:
        chances = np.clip(list(rate.questions.values()), 0.0, 1.0)
        worst = list(forecast_worst(fit_tail(chances), uses, level=level))
    except InputError as error:
        reason = str(error)
    found = rate.rate
    return [
        UsesForecast(
            cue=rate.cue,
            uses=number,
            any=chance_of_any(found.value, number),
            any_low=chance_of_any(found.low, number),
            any_high=chance_of_any(found.high, number),
            worst=one,
            reason=reason,
        )
        for number, one in zip(uses, worst, strict=True)
    ]
