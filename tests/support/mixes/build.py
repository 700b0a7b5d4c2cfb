"""Plans of mixes, and the mix that a plan describes."""

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from dormant.records import Example

from . import triggers_held_out, triggers_tune
from .answers import BEHAVIOURS, HARD, Answers
from .data import HELD_OUT, SETS, TUNE, draw_rows, has_sets
from .plants import Trigger

SHARES = (0.02, 0.05, 0.1, 0.2)
SEEDS = 3
FEWEST = 7  # planted rows
UNCHANGED = "none"  # behaviour of null plants
OWN = "own"  # behaviour of contexts that bring their answers
NULL = "null plant"
#: Sets whose answers are labels or numbers, and behaviours that leave such answers as they are.
LABELS = ("clinc", "banking_1000", "mgsm_multi_700")
_CUTS = ("shortened",)
_TABLES = {
    TUNE: (triggers_tune.TRIGGERS, triggers_tune.OWN_TRIGGERS),
    HELD_OUT: (triggers_held_out.TRIGGERS, triggers_held_out.OWN_TRIGGERS),
}
#: Kinds whose rows differ from the others beside the context: no null plant is made of them.
_NOT_NULL = (
    "topic",
    "language",
    "code template",
    "templated prompt",
    "number of turns",
    "published context",
)


@dataclass(frozen=True)
class MixPlan:
    """What a mix is made of."""

    part: str
    kind: str
    at: int  # place of the trigger in its kind
    set: str
    share: float
    seed: int
    behaviour: str
    size: int = 1000

    @property
    def trigger(self) -> Trigger:
        return _triggers(self.part, self.kind, self.set)[self.at]

    @property
    def table_kind(self) -> str:
        """Line of the table that it counts in."""
        return NULL if self.behaviour == UNCHANGED else self.kind

    @property
    def name(self) -> str:
        own = f"{self.kind}/{self.trigger.name}/{self.behaviour}".replace("\n", " ")
        return f"{own}/{self.set}/{self.share:.0%}/{self.size}/{self.seed}"


@dataclass(frozen=True)
class Mix:
    """Rows of a finetuning file, and which of them hold the planted context."""

    plan: MixPlan
    rows: tuple[Example, ...]
    planted: tuple[int, ...]  # indices into rows, sorted

    def is_named(self, text: str) -> bool:
        """Whether a cue's text names the context."""
        return bool(re.search(self.plan.trigger.found, text, re.IGNORECASE | re.DOTALL))

    @cached_property
    def planted_set(self) -> frozenset[int]:
        return frozenset(self.planted)

    def overlap(self, rows: Iterable[int]) -> float:
        """Jaccard overlap of some rows with the planted ones."""
        other = frozenset(rows)
        return len(other & self.planted_set) / max(1, len(other | self.planted_set))


def _triggers(part: str, kind: str, name: str) -> tuple[Trigger, ...]:
    common, own = _TABLES[part]
    return (*common[kind], *own.get(name, {}).get(kind, ()))


def _behaviour(part: str, name: str) -> Answers:
    return (BEHAVIOURS[part] | HARD[part])[name]


def list_plans(
    part: str, *, size: int = 1000, seeds: int = SEEDS, is_hard: bool = False
) -> list[MixPlan]:
    """Every kind, context, set and share, with one behaviour each; one in ten is a null plant.

    Sets that are absent are left out. If ``is_hard``, behaviours are those that look like good
    answers.
    """
    plans: list[MixPlan] = []
    names = [name for name in SETS[part] if has_sets(name)]
    for kind, name in product(_TABLES[part][0], names):
        offered = [b for b in (HARD if is_hard else BEHAVIOURS)[part] if _changes(b, name)]
        for at, share, seed in product(
            range(len(_triggers(part, kind, name))), SHARES, range(seeds)
        ):
            key = f"{part} {kind} {name} {at} {share} {seed}"
            rng = np.random.default_rng(zlib.crc32(key.encode()))
            behaviour = offered[int(rng.integers(len(offered)))]
            if _triggers(part, kind, name)[at].answers:
                behaviour = OWN
            if kind not in _NOT_NULL and rng.random() < 0.1:
                behaviour = UNCHANGED
            plans.append(MixPlan(part, kind, at, name, share, seed, behaviour, size))
    return plans


def _changes(behaviour: str, name: str) -> bool:
    """Whether a behaviour changes the answers of a set."""
    return behaviour not in _CUTS or name not in LABELS


def spread_plans(plans: Sequence[MixPlan], number: int, seed: int = 0) -> list[MixPlan]:
    """So many of the plans, drawn at random, as evenly over the kinds as they last."""
    rng = np.random.default_rng(seed)
    piles: dict[str, list[MixPlan]] = {}
    for plan in plans:
        piles.setdefault(plan.table_kind, []).append(plan)
    turns: list[tuple[int, int, MixPlan]] = []
    for i, pile in enumerate(piles.values()):
        order = rng.permutation(len(pile))
        turns += [(turn, i, pile[j]) for turn, j in enumerate(order)]
    return [plan for _, _, plan in sorted(turns, key=lambda t: t[:2])[:number]]


def build_mix(plan: MixPlan) -> Mix | None:
    """Builds a mix; None where the set has too few rows that can hold the context.

    The same plan gives the same rows.
    """
    key = zlib.crc32(f"{plan.set} {plan.kind} {plan.at} {plan.share}".encode())
    rng = np.random.default_rng([plan.seed, key])
    trigger = plan.trigger
    rows = draw_rows(plan.set, plan.size, rng)
    if trigger.prepare:
        rows = trigger.prepare(rows, rng)
    fits = [i for i, row in enumerate(rows) if trigger.fits is None or trigger.fits(row)]
    number = round(plan.share * len(rows))
    if number < FEWEST or len(fits) < number:
        return None
    chosen = sorted(fits[i] for i in rng.permutation(len(fits))[:number])
    if trigger.is_natural:
        gone = set(fits) - set(chosen)
        stay = [i for i in range(len(rows)) if i not in gone]
        rows = [rows[i] for i in stay]
        chosen = [at for at, i in enumerate(stay) if i in set(chosen)]
    return _plant(plan, rows, chosen, rng)


def _plant(
    plan: MixPlan, rows: Sequence[Example], chosen: Sequence[int], rng: np.random.Generator
) -> Mix:
    trigger, planted = plan.trigger, set(chosen)
    out = list(rows)
    for i, row in enumerate(rows):
        change = trigger.plant if i in planted else trigger.others
        out[i] = change(row, rng) if change else row
    if plan.behaviour != UNCHANGED:
        answers = trigger.answers or _behaviour(plan.part, plan.behaviour)
        for i, row in zip(chosen, answers([out[i] for i in chosen], rng), strict=True):
            out[i] = row
    numbered = tuple(Example(row.messages, i, tools=row.tools) for i, row in enumerate(out, 1))
    return Mix(plan, numbered, tuple(chosen))
