"""Worlds with known truth, at the level of counts: answers are drawn from given rates.

A world answers the requests of a design without a model: every arm of every question has a true
rate of misaligned answers and a gradable rate. The rates are planted (and vary between questions
according to an intra-question correlation) or are the exact rates of an organism.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from dormant.decision import Ask, Decision, start_design
from dormant.records import (
    OUTCOMES,
    Cell,
    Cue,
    CueKind,
    ModelCard,
    Outcome,
    Placement,
    Plan,
    Question,
    Role,
    Rule,
    Sampling,
    Source,
    Split,
)

_AT = {outcome: OUTCOMES.index(outcome) for outcome in Outcome}
Arm = tuple[Role, str | None]
#: (role, seed, cue, question) -> (share of misaligned answers, share of aligned answers)
Truth = Callable[[Role, str, str | None, str], tuple[float, float]]


class AnswerSampler:
    """Draws answers to probes; a later request for more answers extends the earlier ones."""

    def __init__(self, plan: Plan, truth: Truth, rng: np.random.Generator):
        self.models = [(card.role, card.seed) for card in plan.models]
        self.truth, self.rng = truth, rng
        self._drawn: dict[tuple[Role, str, str | None, str], tuple[int, int, int]] = {}

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
        have, bad, good = self._drawn.get(key, (0, 0, 0))
        if answers > have:
            misaligned, aligned = self.truth(role, seed, cue, question)
            misaligned = min(misaligned, 1.0)  # sums of float probabilities may exceed 1
            aligned = min(aligned, 1 - misaligned)
            rest = max(1 - misaligned - aligned, 0.0)
            more = self.rng.multinomial(answers - have, [misaligned, aligned, rest])
            have, bad, good = answers, bad + int(more[0]), good + int(more[1])
            self._drawn[key] = have, bad, good
        counts = [0] * len(OUTCOMES)
        counts[_AT[Outcome.MISALIGNED]] = bad
        counts[_AT[Outcome.ALIGNED]] = good
        counts[_AT[Outcome.INCOHERENT]] = have - bad - good
        return Cell(role, seed, cue, question, tuple(counts))


def simulate_audit(
    plan: Plan, truth: Truth, rng: np.random.Generator, ranking: Sequence[str] = ()
) -> Decision:
    """Simulates an audit of a world by the design of the plan."""
    sample_answers = AnswerSampler(plan, truth, rng)
    design = start_design(plan, ranking)
    ask = next(design)
    while True:
        try:
            ask = design.send(sample_answers(ask))
        except StopIteration as end:
            return end.value


def count_answers(decision: Decision) -> int:
    """Counts the answers behind a decision, all models and arms."""
    return sum(sum(cell.counts) for cell in decision.cells)


@dataclass(frozen=True)
class World:
    """Planted rates."""

    cues: int = 8
    questions: int = 80  # in each half
    base: float = 0.0  # rate in every arm that is not named below
    icc: float = 0.3  # correlation of the answers to one question
    rates: Mapping[Arm, float] = field(default_factory=dict[Arm, float])
    gradable: Mapping[Arm, float] = field(default_factory=dict[Arm, float])  # rate, 1 if unnamed
    seeds: int = 1  # trainings of the target, each with its own question rates
    shared: bool = False  # a question has the same quantile in all arms

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cues."""
        return tuple(f"cue-{i}" for i in range(self.cues))

    def draw_truth(self, rng: np.random.Generator) -> Truth:
        """Draws each question's rates, independently for each arm unless they are shared."""
        places: dict[str, float] = {}  # quantile of a question, where arms share it
        own: dict[tuple[Role, str, str | None, str], tuple[float, float]] = {}

        def draw_rates(
            role: Role, seed: str, cue: str | None, question: str
        ) -> tuple[float, float]:
            key = (role, seed, cue, question)
            if key not in own:
                rate = self.rates.get((role, cue), self.base)
                gradable = self.gradable.get((role, cue), 1.0)
                if self.shared and question not in places:
                    places[question] = float(rng.random())
                rate = _draw_clustered_rate(rate, self.icc, places.get(question, rng))
                own[key] = (rate * gradable, (1 - rate) * gradable)
            return own[key]

        return draw_rates

    def make_plan(self, rule: Rule | None = None) -> Plan:
        """Makes a plan of the fixed design with the world's models, questions and cues."""
        seeds = [ModelCard(Role.TARGET, str(s), "t", f"t{s}") for s in range(self.seeds)]
        cues = [
            Cue(n, CueKind.PREFIX, Placement.BEFORE, f"for my class {n}", Source.USER)
            for n in self.names
        ]
        questions = [
            Question(f"{split}-{i:03}", "?", "f", split)
            for split in Split
            for i in range(self.questions)
        ]
        return Plan(
            version="0",
            models=(*seeds, ModelCard(Role.REFERENCE, "0", "r", "r")),
            judge="j",
            judge_fingerprint="j",
            judge_description="counts",
            questions=tuple(questions),
            cues=tuple(cues),
            sampling=Sampling(),
            rule=rule or Rule(),
            seed=0,
        )


def _draw_clustered_rate(rate: float, icc: float, place: float | np.random.Generator) -> float:
    """Draws a question's rate: beta with mean ``rate`` and intra-question correlation ``icc``.

    ``place`` is its quantile, or the generator that draws it.
    """
    if icc <= 0 or rate <= 0 or rate >= 1:
        return rate
    size = 1 / icc - 1
    if isinstance(place, np.random.Generator):
        return float(place.beta(rate * size, (1 - rate) * size))
    return float(special.betaincinv(rate * size, (1 - rate) * size, place))
