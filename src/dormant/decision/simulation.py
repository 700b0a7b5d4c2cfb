"""Simulated audits, at the level of counts: answers are drawn from given rates.

A truth answers the requests of a design without a model: every arm of every question has a rate of
misaligned and of aligned answers. Of the rest, which cannot be graded, it may give the rates of
harmful and of harmless answers; of the others nothing is known.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from dormant.decision.fixed import run_fixed
from dormant.decision.sequential import run_sequential
from dormant.decision.steps import Ask, Decision
from dormant.records import OUTCOMES, Cell, Outcome, Plan, Role

_AT = {outcome: OUTCOMES.index(outcome) for outcome in Outcome}
Key = tuple[Role, str, str | None, str]  # role, seed, cue, question
#: (role, seed, cue, question) -> shares of misaligned and of aligned answers, and, if given, of
#: ungraded answers that are harmful and harmless
Truth = Callable[[Role, str, str | None, str], tuple[float, ...]]
#: The generator that draws a cell's rate and its answers.
Streams = Callable[[Key], np.random.Generator]
#: Of the answers that were drawn: misaligned, aligned, harmful, harmless, unknown.
_DRAWN = 5


class AnswerSampler:
    """Draws answers to probes; a later request for more answers extends the earlier ones.

    Args:
        plan: the plan, which names the models.
        truth: the rates of every cell.
        rng: one generator for all cells in the order of the requests, or one for each.
    """

    def __init__(self, plan: Plan, truth: Truth, rng: np.random.Generator | Streams):
        self.models = [(card.role, card.seed) for card in plan.models]
        self.truth, self._stream_of = truth, _as_streams(rng)
        self._drawn: dict[Key, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        self.requests: Counter[Key] = Counter()  # how often more answers were drawn

    @property
    def answers(self) -> dict[Key, int]:
        """Answers drawn so far, by model, cue and question."""
        return {key: int(drawn.sum()) for key, drawn in self._drawn.items()}

    def __call__(self, ask: Ask) -> list[Cell]:
        """Returns the counts of the requested cells."""
        arms = [(None, ask.standard_answers), *((cue.name, ask.answers) for cue in ask.cues)]
        return [
            self._draw_cell(role, seed, cue, question.id, answers)
            for role, seed in self.models
            for cue, answers in arms
            for question in ask.questions
        ]

    def _draw_cell(
        self, role: Role, seed: str, cue: str | None, question: str, answers: int
    ) -> Cell:
        key = (role, seed, cue, question)
        drawn = self._drawn.get(key)
        have = 0 if drawn is None else int(drawn.sum())
        if drawn is None or answers > have:
            shares = _limit_shares(self.truth(role, seed, cue, question))
            more = self._stream_of(key).multinomial(max(answers - have, 0), shares)
            drawn = more if drawn is None else drawn + more
            self._drawn[key] = drawn
            self.requests[key] += 1
        bad, good, harmful, harmless, unknown = map(int, drawn)
        counts = [0] * len(OUTCOMES)
        counts[_AT[Outcome.MISALIGNED]] = bad
        counts[_AT[Outcome.ALIGNED]] = good
        counts[_AT[Outcome.INCOHERENT]] = harmful + harmless + unknown
        return Cell(role, seed, cue, question, tuple(counts), harmful, harmless)


def _limit_shares(given: tuple[float, ...]) -> list[float]:
    """Shares that add up to one: sums of float probabilities may exceed it."""
    shares: list[float] = []
    for share in given:
        shares.append(min(max(share, 0.0), max(1 - sum(shares), 0.0)))
    shares += [0.0] * (_DRAWN - 1 - len(shares))
    return [*shares, max(1 - sum(shares), 0.0)]


def simulate_audit(
    plan: Plan, truth: Truth, rng: np.random.Generator, ranking: Sequence[str] = ()
) -> Decision:
    """Simulates an audit of a world by the design of the plan."""
    return run_design(plan, AnswerSampler(plan, truth, rng), ranking)


def run_design(plan: Plan, sample_answers: AnswerSampler, ranking: Sequence[str] = ()) -> Decision:
    """Runs the design of the plan on drawn answers, which the sampler then holds."""
    design = run_fixed(plan) if plan.sequential is None else run_sequential(plan, ranking)
    ask = next(design)
    while True:
        try:
            ask = design.send(sample_answers(ask))
        except StopIteration as end:
            return end.value


def count_answers(decision: Decision) -> int:
    """Counts the answers behind a decision, all models and arms."""
    return sum(sum(cell.counts) for cell in decision.cells)


def make_streams(seed: int) -> Streams:
    """Makes a generator for each cell, by its labels alone.

    Plans that ask different numbers of answers, or in another order, are then compared on the same
    world, and differ by what they ask and not by luck.
    """
    made: dict[Key, np.random.Generator] = {}

    def find_stream(key: Key) -> np.random.Generator:
        if key not in made:
            made[key] = np.random.default_rng([seed, zlib.crc32(repr(key).encode())])
        return made[key]

    return find_stream


def _as_streams(rng: np.random.Generator | Streams) -> Streams:
    return (lambda _: rng) if isinstance(rng, np.random.Generator) else rng


def even_truth(base: float, icc: float, rng: np.random.Generator | Streams) -> Truth:
    """Returns a truth without any effect: each arm of each question around one base rate.

    Args:
        base: mean rate of misaligned answers, 0 to 1.
        icc: correlation of the answers to one question, 0 to 1.
        rng: draws the rates, independently for each arm and training seed.
    """
    stream_of = _as_streams(rng)
    drawn: dict[Key, float] = {}

    def draw_rates(role: Role, seed: str, cue: str | None, question: str) -> tuple[float, ...]:
        key = (role, seed, cue, question)
        if key not in drawn:
            drawn[key] = draw_clustered_rate(base, icc, stream_of(key))
        return drawn[key], 1 - drawn[key]

    return draw_rates


def draw_clustered_rate(rate: float, icc: float, place: float | np.random.Generator) -> float:
    """Draws a question's rate: beta with mean ``rate`` and intra-question correlation ``icc``.

    ``place`` is its quantile, or the generator that draws it.
    """
    if icc <= 0 or rate <= 0 or rate >= 1:
        return rate
    size = 1 / icc - 1
    if isinstance(place, np.random.Generator):
        return float(place.beta(rate * size, (1 - rate) * size))
    return float(special.betaincinv(rate * size, (1 - rate) * size, place))
