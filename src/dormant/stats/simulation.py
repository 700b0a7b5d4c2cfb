"""What a plan can find, by simulating it: both stages, the real bounds, Holm's first step.

Each world draws beta-binomial answers for the four arms of one cue, screening first. The cue is a
candidate unless the screening questions bound it below delta; it is found if its
p-value on the held-out questions passes Holm's first step. It is bounded if its upper bound is
below delta after screening, or after both halves together. Other cues are assumed not to take a
candidate's place. The four arms of a question are independent; where questions lift all arms alike,
pairing does better, so the chances of finding are conservative.

Searches use the same random numbers at every step, so that chances grow with what is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dormant.errors import InputError
from dormant.progress import Progress, ignore_progress
from dormant.records import Rule
from dormant.stats.existence import shows_rise
from dormant.stats.intervals import Bounds
from dormant.stats.methods import DEFAULT, compute_ends
from dormant.stats.sample import Sample
from dormant.stats.table import Bools, Floats

WORLDS = 1000
_MOST_QUESTIONS = 1024
_MOST_ANSWERS = 512
_MOST_STEPS = (
    40  #: plans that ``find_required`` simulates at most: doublings and halvings up to these
)
_SIGNS = (1, -1, -1, 1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The questions and answers of a plan, and the assumed truth."""

    screening_questions: int
    held_out_questions: int
    screening_answers: int = 8  # per question, arm and model
    confirm_answers: int = 16
    seeds: int = 1  # training seeds of the target
    candidates: int = 6  # cues asked held-out questions; Holm also counts the standard arm
    delta: float = 0.05
    level: float = 0.95
    analyses: int = 1  # that share the error of a test: 2 in a sequential design
    prior_icc: float = 0.3  # the rule's
    icc: float = 0.3  # of the answers: from data, or the prior
    base: float = 0.0  # misalignment rate of the other three arms

    def __post_init__(self):
        asked = (self.screening_questions, self.held_out_questions)
        if min(*asked, self.screening_answers, self.confirm_answers, self.seeds, self.analyses) < 1:
            raise InputError(
                f"questions, answers, seeds and analyses must be at least 1, got {self!r}"
            )
        for name in ("icc", "prior_icc", "base", "delta", "level"):
            value = getattr(self, name)
            fits = {"base": value != 1, "delta": value != 1, "level": value not in (0, 1)}
            if not (0 <= value <= 1 and fits.get(name, True)):
                open_ends = (
                    "" if fits.get(name, True) else ", without 1" if value else ", without 0"
                )
                raise InputError(f"{name} must be a share from 0 to 1{open_ends}, got {value!r}")

    @property
    def rule(self) -> Rule:
        """The rule of the schedule; fields that it does not use keep their defaults."""
        return Rule(delta=self.delta, level=self.level, candidates=self.candidates)


@dataclass(frozen=True, slots=True)
class Chances:
    """How often a cue is found or bounded, as shares of the simulated worlds."""

    found: float
    bounded: float
    screened: float  # bounded by the screening questions alone
    error: float  # standard error of ``found``


@dataclass(frozen=True, slots=True)
class RequiredDesign:
    """What it takes to find an effect."""

    effect: float
    power: float
    questions: int | None  # in each half, with the answers as planned; None if no number does
    answers: int | None  # on held-out questions, with the questions as planned; None if none does
    chances: Chances  # of the plan as it is


def simulate_chances(
    effect: float, schedule: Schedule, *, worlds: int = WORLDS, seed: int = 0
) -> Chances:
    """Simulates the chances of a cue that raises the target's rate by ``effect``.

    Args:
        effect: true difference in differences, a share from 0 to 1 - base.
        schedule: what is asked.
        worlds: number of worlds; a chance of .8 then has an error of .4 / sqrt(worlds).
        seed: of the draws.

    Raises:
        InputError: the effect does not fit the base rate.
    """
    results = _ask_worlds(effect, schedule, worlds, seed)
    pooled = _bound_dids(*results.both, schedule)
    questions = schedule.screening_questions + schedule.held_out_questions
    bounded = results.settled | (
        results.goes_on & ~results.found & _is_bounded(pooled.high, questions, schedule)
    )
    share = results.chance_to_find
    error = math.sqrt(share * (1 - share) / worlds)
    return Chances(share, float(bounded.mean()), float(results.settled.mean()), error)


def smallest_effect(
    schedule: Schedule, *, power: float = 0.8, worlds: int = WORLDS, seed: int = 0
) -> float:
    """Finds the smallest effect that is found with ``power``, to a thousandth; NaN if none is."""
    _check_power(power)
    low, high = schedule.delta, 1 - schedule.base

    def is_enough(effect: float) -> bool:
        return _ask_worlds(effect, schedule, worlds, seed).chance_to_find >= power

    if not is_enough(high):
        return math.nan
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def smallest_rise(
    schedule: Schedule, *, power: float = 0.8, worlds: int = WORLDS, seed: int = 0
) -> float:
    """Finds the smallest effect that is shown to exist with ``power``, to a thousandth.

    Existence is tested on held-out questions, which only a cue is asked that screening has not
    bounded. NaN if no effect is shown so often.
    """
    _check_power(power)
    low, high = 0.0, 1 - schedule.base

    def is_enough(effect: float) -> bool:
        found = _ask_worlds(effect, schedule, worlds, seed)
        return float((found.goes_on & found.shown).mean()) >= power

    if not is_enough(high):
        return math.nan
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def find_required(
    effect: float,
    schedule: Schedule,
    *,
    power: float = 0.8,
    worlds: int = WORLDS,
    seed: int = 0,
    progress: Progress = ignore_progress,
) -> RequiredDesign:
    """Finds the questions, or else the answers to each, that an effect needs.

    Args:
        effect: true difference in differences, above delta.
        schedule: the plan.
        power: wanted chance of finding it.
        worlds: simulated at every step.
        seed: of the draws.
        progress: called with the stage, the plans simulated so far, and their maximum.

    Raises:
        InputError: the effect or the power is out of range.
    """
    _check_power(power)
    done = 0

    def report_step() -> None:
        nonlocal done
        progress("simulating plans", done, _MOST_STEPS)
        done += 1

    def is_enough(asked: Schedule) -> bool:
        report_step()
        return _ask_worlds(effect, asked, worlds, seed).chance_to_find >= power

    def with_questions(count: int) -> Schedule:
        return replace(schedule, screening_questions=count, held_out_questions=count)

    def with_answers(count: int) -> Schedule:
        few = max(math.ceil(count * schedule.screening_answers / schedule.confirm_answers), 1)
        return replace(schedule, confirm_answers=count, screening_answers=few)

    report_step()  # the plan as it is
    # Often no number of answers is enough: the last step is asked first.
    is_possible = is_enough(with_answers(_MOST_ANSWERS))
    found = RequiredDesign(
        effect=effect,
        power=power,
        questions=_find_fewest(lambda n: is_enough(with_questions(n)), 4, _MOST_QUESTIONS),
        answers=_find_fewest(lambda n: is_enough(with_answers(n)), 1, _MOST_ANSWERS)
        if is_possible
        else None,
        chances=simulate_chances(effect, schedule, worlds=worlds, seed=seed),
    )
    progress("simulating plans", _MOST_STEPS, _MOST_STEPS)
    return found


def _check_power(power: float) -> None:
    if not 0 < power < 1:
        raise InputError(f"power must be between 0 and 1, got {power!r}")


@dataclass(frozen=True, slots=True)
class _Results:
    """The result of both stages for a cue, [worlds]."""

    both: tuple[Floats, Floats]  # rates and answers of all questions, [worlds, 4, Q]
    settled: Bools  # bounded by the screening questions
    goes_on: Bools
    found: Bools
    held_out: Floats  # DiDs of the held-out questions, [worlds, Q]
    error: float  # of one test

    @property
    def shown(self) -> Bools:
        """Whether the held-out questions show that a rise exists."""
        return shows_rise(self.held_out, self.error)

    @property
    def chance_to_find(self) -> float:
        """Share of the worlds in which the cue is found."""
        return float(self.found.mean())


def _ask_worlds(effect: float, schedule: Schedule, worlds: int, seed: int) -> _Results:
    """Asks a cue of this effect in many worlds, on the screening and the held-out questions."""
    if not 0 <= effect <= 1 - schedule.base:
        most = f"{1 - schedule.base:g}"
        base = f" (with {schedule.base:g} misaligned without the cue)" if schedule.base else ""
        raise InputError(f"effect must be from 0 to {most}{base}, got {effect!r}")
    rng = np.random.default_rng(seed)
    first, few = _draw_rates(rng, effect, schedule, worlds, screening=True)
    second, many = _draw_rates(rng, effect, schedule, worlds, screening=False)
    screened = _bound_dids(first, few, schedule)
    settled = _is_bounded(screened.high, schedule.screening_questions, schedule)
    error = (1 - schedule.level) / (schedule.rule.hypotheses * schedule.analyses)
    return _Results(
        both=(np.concatenate([first, second], -1), np.concatenate([few, many], -1)),
        settled=settled,
        goes_on=~settled,
        # The low end at this error reaches delta exactly where p is not above it.
        found=~settled & (_bound_dids(second, many, schedule, error).low >= schedule.delta),
        held_out=(second * np.array(_SIGNS, dtype=np.float64)[:, None]).sum(1),
        error=error,
    )


def _draw_rates(
    rng: np.random.Generator, effect: float, schedule: Schedule, worlds: int, *, screening: bool
) -> tuple[Floats, Floats]:
    """Rates of the four arms and the answers behind them, both [worlds, 4, Q]."""
    questions = schedule.screening_questions if screening else schedule.held_out_questions
    each = schedule.screening_answers if screening else schedule.confirm_answers
    rates: list[Floats] = []
    answers = np.empty((worlds, 4, questions))
    for arm in range(4):
        rate = schedule.base + (effect if arm == 0 else 0.0)
        count = each * (schedule.seeds if arm < 2 else 1)
        true = np.full((worlds, questions), rate)
        if schedule.icc > 0 and 0 < rate < 1:
            k = max(1 / schedule.icc - 1, 1e-6)
            true = rng.beta(rate * k, (1 - rate) * k, (worlds, questions))
        rates.append(rng.binomial(count, true) / count)
        answers[:, arm] = count
    return np.stack(rates, 1), answers


def _bound_dids(
    arms: Floats, answers: Floats, schedule: Schedule, tail: float | None = None
) -> Bounds:
    """Intervals of DiDs, with ``tail`` as the error of each end; half of 1 - level if None."""
    signs = np.array(_SIGNS, dtype=np.float64)
    sample = Sample(
        units=(arms * signs[:, None]).sum(1),
        arms=arms,
        signs=_SIGNS,
        answers=answers,
        icc=schedule.prior_icc,
        limits=(-2.0, 2.0),
    )
    tail = (1 - schedule.level) / 2 if tail is None else tail
    return compute_ends(sample, method=DEFAULT, tail=tail, delta=schedule.delta)


def _is_bounded(high: Floats, questions: int, schedule: Schedule) -> Bools:
    """``Rule.is_bounded`` for the upper ends of many worlds, [worlds]."""
    return (high < schedule.delta) & (questions >= schedule.rule.questions_to_bound)


def _find_fewest(enough: Callable[[int], bool], start: int, most: int) -> int | None:
    """Smallest n from start with ``enough(n)``, taken to be monotone; None beyond the most."""
    high = start
    while not enough(high):
        if high >= most:
            return None
        high = min(2 * high, most)
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
