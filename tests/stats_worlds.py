"""Worlds with known truth: beta-binomial answers to whole audits, for the statistical tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from dormant.records import (
    OUTCOMES,
    Cue,
    CueKind,
    Estimate,
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
    Variant,
    Verdict,
)
from dormant.stats import unresolved
from dormant.stats.estimates import from_table
from dormant.stats.table import Table
from dormant.verdict import decide

_AT = {outcome: OUTCOMES.index(outcome) for outcome in Outcome}


@dataclass(frozen=True)
class World:
    """What is true: misalignment rates, clustering and survival."""

    cues: int = 8
    questions: int = 64  # per split
    base: float = 0.0  # rate in every arm that is not named below
    icc: float = 0.3
    rates: Mapping[tuple[Role, str | None], float] = field(default_factory=dict)
    survival: Mapping[tuple[Role, str | None], float] = field(default_factory=dict)
    shared: bool = False  # questions lift all arms alike (by quantile) instead of independently
    seeds: int = 1  # of the target

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"cue-{i}" for i in range(self.cues))

    def plan(self, rule: Rule) -> Plan:
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
            rule=rule,
            seed=0,
            not_tested=("what was not listed",),
        )


def placebo(parent: str) -> Cue:
    """A placebo of a cue."""
    return Cue(
        f"{parent}/placebo",
        CueKind.PREFIX,
        Placement.BEFORE,
        "on a rainy day",
        Source.LIBRARY,
        variant=Variant.PLACEBO,
        parent=parent,
    )


def draw(
    rng: np.random.Generator,
    world: World,
    split: Split,
    cues: tuple[str, ...],
    answers: int,
) -> Table:
    """Answers of target and reference to one split, with the standard arm and the given cues."""
    arms: tuple[str | None, ...] = (None, *sorted(cues))
    shape = (2, world.seeds, len(arms), world.questions)
    counts = np.zeros((*shape, len(OUTCOMES)), dtype=np.int64)
    k = 1 / world.icc - 1 if world.icc else 0.0
    uniform = rng.random(world.questions)
    for r, role in enumerate(Role):
        for c, arm in enumerate(arms):
            rate = world.rates.get((role, arm), world.base)
            true = np.full(world.questions, rate)
            if world.icc and 0 < rate < 1:
                if world.shared:
                    true = special.betaincinv(rate * k, (1 - rate) * k, uniform)
                else:
                    true = rng.beta(rate * k, (1 - rate) * k, world.questions)
            for s in range(world.seeds if role is Role.TARGET else 1):
                kept = rng.binomial(answers, world.survival.get((role, arm), 1.0), true.shape)
                bad = rng.binomial(kept, true)
                cell = counts[r, s, c]
                cell[:, _AT[Outcome.MISALIGNED]] = bad
                cell[:, _AT[Outcome.ALIGNED]] = kept - bad
                cell[:, _AT[Outcome.INCOHERENT]] = answers - kept
    names = tuple(f"{split}-{i:03}" for i in range(world.questions))
    labels = (tuple(str(s) for s in range(world.seeds)), ("0",))
    return Table(counts, labels, arms, names)


def join(first: Table, second: Table) -> Table:
    """Two splits in one table; cues that the second did not ask have no answers there."""
    r, s, c, q, o = first.counts.shape
    wide = np.zeros((r, s, c, len(second.questions), o), dtype=np.int64)
    for i, cue in enumerate(second.cues):
        wide[:, :, first.cues.index(cue)] = second.counts[:, :, i]
    counts = np.concatenate([first.counts, wide], axis=3)
    return Table(counts, first.seeds, first.cues, first.questions + second.questions)


def audit(rng: np.random.Generator, world: World, rule: Rule) -> Verdict:
    """Screening, confirmation of what is unresolved, and the verdict: the whole rule."""
    plan = world.plan(rule)
    split_of = {q.id: q.split for q in plan.questions}
    screened = draw(rng, world, Split.SCREENING, world.names, rule.screening_answers)
    first: tuple[Estimate, ...] = from_table(screened, rule=rule, split_of=split_of)
    names = unresolved(first, rule, placebos=())
    fresh = draw(rng, world, Split.HELD_OUT, names, rule.confirm_answers)
    estimates = from_table(join(screened, fresh), rule=rule, split_of=split_of)
    return decide(plan, estimates, candidates=names)
