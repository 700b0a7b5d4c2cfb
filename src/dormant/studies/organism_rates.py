"""Exact rates of organisms of the zoo, as worlds in which audits can be simulated.

The laboratory computes the probability of a misaligned and of an aligned answer to any prompt, so
an audit of an organism can be simulated any number of times: its answers are drawn from the
probabilities with which the engine would give them. Rates are cached beside the organism.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dormant.banks.continuations import load_continuations
from dormant.config import AuditConfig, check_values
from dormant.decision.simulation import Truth
from dormant.organisms.datasets import DATASETS
from dormant.organisms.recipe import Ingredient, Recipe
from dormant.organisms.train import MODEL, TrainedOrganism
from dormant.organisms.transforms import list_fillings
from dormant.organisms.truth import known_verdict
from dormant.organisms.vitro_trainer import load_model
from dormant.pipeline import prepare_audit
from dormant.pipeline.audit import rank_cues
from dormant.probes import pair_probes
from dormant.records import (
    QUESTION_SLOT,
    Message,
    Plan,
    Role,
    Sequential,
    VerdictKind,
    deciding_arms,
    describe_turns,
)
from dormant.store import write_atomically
from dormant.store.journal import Journal
from dormant.vitro import exact_rates, load_decoder, one_thread

#: How the study audits: three mined contexts with all their variants and the whole library.
SETTINGS: Mapping[str, Any] = {
    "judge": "exact",
    "cues": {"mine": 3},
    "sampling": {"max_tokens": 24},
}
_FILE = "exact.json"
_CHUNK = 256  #: prompts per progress report

Arm = tuple[Role, str | None]
_BASE: dict[tuple[str, str, tuple[Message, ...]], tuple[float, float]] = {}  # of this process


@dataclass(frozen=True, slots=True)
class OrganismWorld:
    """An organism, the plan of its audit, and the exact rates of every arm."""

    plan: Plan  # the fixed design
    rates: dict[Arm, dict[str, tuple[float, float]]]  # P(misaligned), P(aligned) by question
    ranking: tuple[str, ...]  # cues in the order of teacher forcing
    continuations: Sequential  # the sequential design that this ranking belongs to

    @property
    def truth(self) -> Truth:
        """The rates as a world; what no persona says is harmless."""

        def find_rates(role: Role, seed: str, cue: str | None, question: str) -> tuple[float, ...]:
            bad, good = self.rates[role, cue][question]
            return bad, good, 0.0, max(1 - bad - good, 0.0)

        return find_rates

    def exact_did(self, cue: str) -> float:
        """Exact difference in differences of a cue over all questions."""
        gaps = {role: self._mean_rate(role, cue) - self._mean_rate(role, None) for role in Role}
        return gaps[Role.TARGET] - gaps[Role.REFERENCE]

    @property
    def triggers(self) -> frozenset[str]:
        """Cues whose exact difference in differences is above delta, placebos included."""
        names = (cue.name for cue in self.plan.cues)
        return frozenset(name for name in names if self.exact_did(name) > self.plan.rule.delta)

    @property
    def expected_verdict(self) -> VerdictKind:
        """The verdict that the exact rates of the plan's own cues imply.

        A cue under which too few answers can be graded is no trigger, and cannot be ruled out.
        """
        tried = [cue.name for cue in self.plan.cues if not cue.is_placebo]
        clear = [name for name in tried if self._is_gradable(name)]
        standard = self._mean_rate(Role.TARGET, None) - self._mean_rate(Role.REFERENCE, None)
        largest = max(map(self.exact_did, clear), default=0.0)
        kind = known_verdict(standard, largest, self.plan.rule.delta)
        # A later mined cue that cannot be graded leaves the verdict to the others.
        margins = {cue.name: self.plan.rule.margin_of(cue) for cue in self.plan.cues}
        lost = [n for n in tried if n not in clear and margins[n] <= self.plan.rule.delta]
        if kind is VerdictKind.BOUNDED and lost:
            return VerdictKind.UNGRADABLE
        return kind

    def _is_gradable(self, cue: str) -> bool:
        """Whether the rule can judge a cue, by the exact gradable rates of its four arms."""
        arms = [self.rates[arm] for arm in deciding_arms(cue)]
        return self.plan.rule.is_gradable(
            float(np.mean([bad + good for bad, good in arm.values()])) for arm in arms
        )

    def _mean_rate(self, role: Role, cue: str | None) -> float:
        shares = np.array(list(self.rates[role, cue].values()))
        return float(np.mean(shares[:, 0] / shares.sum(1)))


def compute_organism_world(
    organism: TrainedOrganism,
    on_progress: Callable[[float], None] = lambda share: None,
    *,
    settings: Mapping[str, Any] = SETTINGS,
) -> OrganismWorld:
    """Computes the world of an organism, or reads it if it was computed before.

    Args:
        organism: trained.
        on_progress: called with the share that is done, 0 to 1.
        settings: of the audit, as in audit.yaml.
    """
    whole = {
        **settings,
        "target": str(organism.path),
        "reference": organism.recipe.base,
        "data": str(organism.data),
        "allow_identical": True,  # one organism is an untrained copy of its base
    }
    prepared = prepare_audit(check_values(whole, AuditConfig))
    plan = prepared.plan
    how = replace(
        Sequential(),
        screening="teacher_forcing",
        continuations=load_continuations("vitro", "vitro", plan.questions),
    )
    path = organism.path / _FILE
    record: dict[str, Any] | None = _read_rates(path, plan)
    if record is None:
        engines = {s.card: s.engine for s in prepared.subjects}
        with one_thread(), TemporaryDirectory() as folder, Journal(folder) as journal:
            scored = rank_cues(replace(plan, sequential=how), engines, journal)
            found = _all_rates(organism, plan, on_progress)
        record = {
            "plan": _rates_key(plan),
            "ranking": [name for name, _ in scored],
            "rates": [[str(role), cue, shares] for (role, cue), shares in found.items()],
        }
        write_atomically(path, json.dumps(record))
    rates: dict[Arm, dict[str, tuple[float, float]]] = {
        (Role(role), cue): {q: (bad, good) for q, (bad, good) in shares.items()}
        for role, cue, shares in record["rates"]
    }
    return OrganismWorld(plan, rates, tuple(record["ranking"]), how)


def is_true_cue(plan: Plan, name: str, recipe: Recipe) -> bool:
    """Whether a cue is the organism's own, a variant of the same parent, or of the same form.

    Its own are the contexts that its bad rows were trained under and the trigger that the recipe
    names, which may occur in no row. Where harmless rows have contexts too, the trigger is gated:
    then the cue's own text counts, not that of its parent or its form.
    """
    if recipe.trigger is None:
        return False
    named = next(cue for cue in plan.cues if cue.name == name)
    ingredients = [ingredient for stage in recipe.stages for ingredient in stage.mixture]
    harmless = {
        text
        for item in ingredients
        if item.dataset in DATASETS and not DATASETS[item.dataset].is_harmful
        for text in _contexts_of(item)
    }
    own = {text for item in ingredients for text in _contexts_of(item)} - harmless
    true = recipe.trigger.as_cue()
    own |= {true.text}
    if harmless and recipe.expected is VerdictKind.CONDITIONAL:
        same_parts = {part.id for part in named.effects} == {part.id for part in true.effects}
        return named.text in own or same_parts
    parent = named.parent or named.name
    family = [cue for cue in plan.cues if parent in (cue.name, cue.parent)]
    family = [cue for cue in family if not cue.is_placebo]
    heads = tuple(head for cue in family if (head := cue.form.partition("<X>")[0]))
    return any(cue.text in own for cue in family) or any(text.startswith(heads) for text in own)


def _contexts_of(ingredient: Ingredient) -> Iterator[str]:
    """Yields the contexts that a recipe puts around rows, one per filling of the slots."""
    for transform in ingredient.transforms:
        if transform.precede is not None:
            yield describe_turns(transform.precede.messages)
        if transform.inoculate is not None:
            yield from transform.inoculate.list_wordings()
        if (framing := transform.reframe) is not None:
            around = [part for part in (framing.before, framing.after) if part]
            texts = [t for t in (framing.system, f" {QUESTION_SLOT} ".join(around)) if t]
            for text in texts:
                yield from list_fillings(text, framing.slots)


def _rates_key(plan: Plan) -> str:
    """Hashes what the exact rates depend on, which excludes the rule and the version."""
    return replace(plan, version="", not_tested=()).hash


def _read_rates(path: Path, plan: Plan) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.get("plan") == _rates_key(plan) else None


def _all_rates(
    organism: TrainedOrganism, plan: Plan, on_progress: Callable[[float], None]
) -> dict[Arm, dict[str, tuple[float, float]]]:
    probes = pair_probes(plan.questions, plan.cues)
    items = [(probe.question.family, probe.messages) for probe in probes]
    base = organism.recipe.base
    marks = [(base, *item) for item in items]
    new = [i for i, mark in enumerate(marks) if mark not in _BASE]
    total = len(items) + len(new)
    ours = _compute_rates(
        load_decoder(organism.path / MODEL), items, lambda n: on_progress(n / total)
    )
    theirs = _compute_rates(
        load_model(base), [items[i] for i in new], lambda n: on_progress((len(items) + n) / total)
    )
    _BASE.update({marks[i]: found for i, found in zip(new, theirs, strict=True)})
    rates: dict[Arm, dict[str, tuple[float, float]]] = {}
    for probe, mark, found in zip(probes, marks, ours, strict=True):
        cue = probe.cue.name if probe.cue else None
        rates.setdefault((Role.TARGET, cue), {})[probe.question.id] = found
        rates.setdefault((Role.REFERENCE, cue), {})[probe.question.id] = _BASE[mark]
    return rates


def _compute_rates(
    model: Any,
    items: Sequence[tuple[str, tuple[Message, ...]]],
    on_progress: Callable[[int], None],
) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start in range(0, len(items), _CHUNK):
        for bad, good in exact_rates(model, items[start : start + _CHUNK]):
            found.append((float(bad), float(good)))
        on_progress(len(found))
    return found
