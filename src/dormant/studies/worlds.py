"""Worlds with known truth, at the level of counts; ``decision.simulation`` draws their answers.

Every arm of every question has a true rate of misaligned answers and a gradable rate. The rates are
planted (and vary between questions according to an intra-question correlation) or are the exact
rates of an organism.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dormant.decision.simulation import Truth, draw_clustered_rate
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
    seeds: int = 1  # trainings of the target, each with its own question rates
    #: Least and greatest rate of a training, uniform between; instead of ``rates``.
    spread: Mapping[Arm, tuple[float, float]] = field(
        default_factory=dict[Arm, tuple[float, float]]
    )
    parents: Mapping[str, str] = field(default_factory=dict[str, str])  # paraphrase -> verbatim
    shared: bool = False  # a question has the same quantile in all arms

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cues."""
        return tuple(f"cue-{i}" for i in range(self.cues))

    @property
    def strongest(self) -> str:
        """The cue with the highest rate of the target."""
        return max(self.names, key=lambda name: self.rates.get((Role.TARGET, name), self.base))

    def draw_truth(self, rng: np.random.Generator) -> Truth:
        """Draws each question's rates, independently for each arm unless they are shared."""
        places: dict[str, float] = {}  # quantile of a question, where arms share it
        own: dict[tuple[Role, str, str | None, str], tuple[float, ...]] = {}
        of_training: dict[tuple[Role, str, str | None], float] = {}

        def draw_rates(role: Role, seed: str, cue: str | None, question: str) -> tuple[float, ...]:
            key = (role, seed, cue, question)
            if key not in own:
                rate = self.rates.get((role, cue), self.base)
                if role is Role.TARGET and seed == "0":
                    rate = self.first_training.get(cue, rate)
                if (role, cue) in self.spread:
                    least, most = self.spread[role, cue]
                    place = (role, seed, cue)
                    rate = of_training.setdefault(place, float(rng.uniform(least, most)))
                harmful = self.harmful.get((role, cue), 0.0)
                gradable = self.gradable.get((role, cue), 1.0)
                if self.shared and question not in places:
                    places[question] = float(rng.random())
                rate = draw_clustered_rate(rate, self.icc, places.get(question, rng))
                graded = min(gradable, 1 - harmful)
                own[key] = (rate * graded, (1 - rate) * graded, harmful)
            return own[key]

        return draw_rates

    def make_plan(self, rule: Rule | None = None) -> Plan:
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
        questions = [
            Question(f"{split}-{i:03}", "?", f"{split}-{i:03}", split)
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
