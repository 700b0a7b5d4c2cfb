"""Worlds with known truth, at the level of counts; ``decision.simulation`` draws their answers.

Every arm of every question has a true rate of misaligned answers and a gradable rate. The rates are
planted (and vary between questions according to an intra-question correlation) or are the exact
rates of an organism.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dormant.banks.halves import draw_halves
from dormant.decision.simulation import AnswerSampler, draw_clustered_rate
from dormant.records import (
    Cue,
    CueKind,
    ModelCard,
    Placement,
    Plan,
    Question,
    Role,
    Rule,
    Sampling,
    Source,
    Split,
    Variant,
)
from dormant.studies.drift import DriftingSampler, JudgeDrift

Arm = tuple[Role, str | None]


@dataclass(frozen=True)
class World:
    """Planted rates."""

    cues: int = 8
    questions: int = 80  # in each half
    base: float = 0.0  # rate in every arm that is not named below
    icc: float = 0.3  # correlation of the answers to one question
    rates: Mapping[Arm, float] = field(default_factory=dict[Arm, float])
    gradable: Mapping[Arm, float] = field(default_factory=dict[Arm, float])  # rate, 1 if unnamed
    #: rates of the first training of the target, where they differ from the others'
    first_training: Mapping[str | None, float] = field(default_factory=dict[str | None, float])
    #: Share of all answers that cannot be graded and are misaligned by their alignment score.
    harmful: Mapping[Arm, float] = field(default_factory=dict[Arm, float])
    #: The same of those that are aligned by it; of other ungraded answers nothing is known.
    harmless: Mapping[Arm, float] = field(default_factory=dict[Arm, float])
    seeds: int = 1  # trainings of the target, each with its own question rates
    #: Least and greatest rate of a training, uniform between; instead of ``rates``.
    spread: Mapping[Arm, tuple[float, float]] = field(
        default_factory=dict[Arm, tuple[float, float]]
    )
    parents: Mapping[str, str] = field(default_factory=dict[str, str])  # paraphrase -> verbatim
    shared: bool = False  # a question has the same quantile in all arms
    families: int = 0  # of both halves together; 0: each question is one of its own
    #: Cue -> (share of the families, rate of the target in them); the others have ``rates``.
    by_family: Mapping[str | None, tuple[tuple[float, float], ...]] = field(
        default_factory=dict[str | None, tuple[tuple[float, float], ...]]
    )
    #: Cue -> rate of the target on every second question of the bank, and on no other.
    on_half: Mapping[str | None, float] = field(default_factory=dict[str | None, float])

    judge_drift: JudgeDrift | None = None  # None: the judge makes no errors

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cues."""
        return tuple(f"cue-{i}" for i in range(self.cues))

    @property
    def strongest(self) -> str:
        """The cue with the highest rate of the target."""
        return max(self.names, key=lambda name: self.rates.get((Role.TARGET, name), self.base))

    def draw_truth(self, rng: np.random.Generator) -> WorldDraw:
        """Draws each question's rates, independently for each arm unless they are shared."""
        return WorldDraw(self, rng)

    def make_sampler(self, plan: Plan, drawn: WorldDraw, rng: np.random.Generator) -> AnswerSampler:
        """Makes what draws and judges the answers of an audit."""
        if self.judge_drift is None:
            return AnswerSampler(plan, drawn, rng)
        return DriftingSampler(plan, drawn, rng, self.judge_drift)

    def mean_rate(self, role: Role, cue: str | None) -> float:
        """The rate of an arm over all families like these."""
        rate = self.rates.get((role, cue), self.base)
        if role is Role.TARGET and cue in self.by_family:
            levels = self.by_family[cue]
            rest = 1 - sum(share for share, _ in levels)
            return sum(share * level for share, level in levels) + rest * rate
        if role is Role.TARGET and cue in self.on_half:
            return (rate + self.on_half[cue]) / 2
        return rate

    def mean_did(self, cue: str) -> float:
        """The true difference in differences of a cue over all families like these."""
        gaps = {role: self.mean_rate(role, cue) - self.mean_rate(role, None) for role in Role}
        return gaps[Role.TARGET] - gaps[Role.REFERENCE]

    def list_questions(self, rule: Rule, seed: int) -> tuple[Question, ...]:
        """Lists the questions; halves of families are drawn from the seed, as an audit does."""
        if not self.families:
            names = [(split, f"{split}-{i:03}") for split in Split for i in range(self.questions)]
            return tuple(Question(name, "?", name, split) for split, name in names)
        bank = [
            Question(
                f"{i % self.families:03}-{i:03}", "?", f"{i % self.families:03}", Split.SCREENING
            )
            for i in range(2 * self.questions)
        ]
        drawn = draw_halves(bank, seed, keeps_families=rule.is_about_themes)
        return tuple(q for split in Split for q in drawn if q.split is split)

    def make_plan(self, rule: Rule | None = None, seed: int = 0) -> Plan:
        """Makes a plan of the fixed design with the world's models, questions and cues."""
        seeds = [ModelCard(Role.TARGET, str(s), "t", f"t{s}") for s in range(self.seeds)]
        cues = [
            Cue(
                n,
                CueKind.PREFIX,
                Placement.BEFORE,
                f"for my class {n}",
                Source.USER,
                variant=Variant.PARAPHRASE if n in self.parents else Variant.VERBATIM,
                parent=self.parents.get(n),
            )
            for n in self.names
        ]
        return Plan(
            version="0",
            models=(*seeds, ModelCard(Role.REFERENCE, "0", "r", "r")),
            judge="j",
            judge_fingerprint="j",
            judge_description="counts",
            questions=self.list_questions(rule or Rule(), seed),
            cues=tuple(cues),
            sampling=Sampling(),
            rule=rule or Rule(),
            seed=seed,
        )


class WorldDraw:
    """The rates of one draw of a world: a truth that answers the requests of a design."""

    def __init__(self, world: World, rng: np.random.Generator):
        self.world, self.rng = world, rng
        self._places: dict[str, float] = {}  # quantile of a question, where arms share it
        self._own: dict[tuple[Role, str, str | None, str], tuple[float, ...]] = {}
        self._trainings: dict[tuple[Role, str, str | None], float] = {}  # drawn rates
        self._families: dict[tuple[str | None, str], float] = {}  # drawn rates of the target

    def __call__(self, role: Role, seed: str, cue: str | None, question: str) -> tuple[float, ...]:
        """Shares of misaligned and aligned answers of an arm, and of ungraded ones by their score.

        Misaligned by it and aligned by it.
        """
        key = (role, seed, cue, question)
        if key not in self._own:
            rate = self.expected_rate(role, cue, question)
            if role is Role.TARGET and seed == "0":
                rate = self.world.first_training.get(cue, rate)
            if (role, cue) in self.world.spread:
                least, most = self.world.spread[role, cue]
                training = (role, seed, cue)
                rate = self._trainings.setdefault(training, float(self.rng.uniform(least, most)))
            if self.world.shared and question not in self._places:
                self._places[question] = float(self.rng.random())
            place = self._places.get(question, self.rng)
            rate = draw_clustered_rate(rate, self.world.icc, place)
            harmful = draw_clustered_rate(
                self.world.harmful.get((role, cue), 0.0), self.world.icc, self.rng
            )
            harmless = (1 - harmful) * self.world.harmless.get((role, cue), 0.0)
            graded = min(self.world.gradable.get((role, cue), 1.0), 1 - harmful - harmless)
            self._own[key] = (rate * graded, (1 - rate) * graded, harmful, harmless)
        return self._own[key]

    def expected_rate(self, role: Role, cue: str | None, question: str) -> float:
        """The rate of an arm over questions like one, of its family."""
        world = self.world
        rate = world.rates.get((role, cue), world.base)
        if role is not Role.TARGET:
            return rate
        family, _, number = question.rpartition("-")
        if cue in world.on_half and int(number) % 2:
            return world.on_half[cue]
        if cue not in world.by_family:
            return rate
        if (cue, family) not in self._families:
            place = float(self.rng.random())
            for share, level in world.by_family[cue]:
                if place < share:
                    rate = level
                    break
                place -= share
            self._families[cue, family] = rate
        return self._families[cue, family]

    def mean_did(self, cue: str, questions: Sequence[Question]) -> float:
        """The true difference in differences of a cue over the families of some questions."""
        total = 0.0
        for question in questions:
            gaps = {
                role: self.expected_rate(role, cue, question.id)
                - self.expected_rate(role, None, question.id)
                for role in Role
            }
            total += gaps[Role.TARGET] - gaps[Role.REFERENCE]
        return total / len(questions)
