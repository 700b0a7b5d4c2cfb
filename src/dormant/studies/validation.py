"""The validation study: false alarms, power and cost of every design, in resumable units.

A unit is one organism (trained, its exact rates computed, then audited) or one planted world. Its
result is a file in ``OUT/results``; a unit with a result is not run again.

::

    OUT/
      organisms/NAME/seed-N/   trained, with exact.json
      results/KIND-NAME.json   every audit of a unit
      validation.json, validation.md
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from dormant.banks.halves import draw_halves
from dormant.decision import Decision
from dormant.decision.simulation import count_answers, run_design, simulate_audit
from dormant.errors import InputError, name_output
from dormant.organisms import zoo
from dormant.organisms.events import Event, EventHandler, EventKind
from dormant.organisms.pool import run_units
from dormant.organisms.train import train_organism
from dormant.progress import Progress, ignore_progress
from dormant.records import Plan, Rule, Sequential, VerdictKind, hash_value, to_plain
from dormant.store import write_atomically
from dormant.store.files import BUSY, hold_directory
from dormant.studies.organism_rates import OrganismWorld, compute_organism_world, is_true_cue
from dormant.studies.planted import WORLDS, PlantedWorld, Purpose, find_world
from dormant.studies.worlds import World, WorldDraw
from dormant.version import __version__

FIXED_100, FIXED, SEQUENTIAL, SCREENED = (
    "fixed, 100 answers",
    "fixed",
    "sequential",
    "sequential, teacher forcing",
)
DESIGNS = (FIXED_100, FIXED, SEQUENTIAL, SCREENED)
_STEPS = 100  #: of a unit's progress
_PREPARED = 0.6  #: share of an organism's unit that comes before its audits


@dataclass(frozen=True, slots=True)
class StudyUnit:
    """One organism, or one planted world (``seed`` is None)."""

    name: str
    seed: int | None
    audits: int  # of each design; the most expensive design is run once
    designs: tuple[str, ...]
    out: Path

    @property
    def file(self) -> Path:
        """The file of its audits."""
        kind = "world" if self.seed is None else f"seed-{self.seed}"
        plain_name = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        return self.out / "results" / f"{kind}-{plain_name}.json"

    @property
    def key(self) -> str:
        """Hash of what its audits depend on."""
        return hash_value([__version__, self.name, self.seed, self.audits, self.designs])


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit of known truth."""

    name: str  # organism or world
    seed: int | None  # training seed; None for planted worlds
    purpose: str  # a Purpose
    design: str
    expected: str  # the verdict that the truth implies
    verdict: str
    answers: int
    triggers: int
    false_triggers: int  # triggers whose true difference is not above delta
    #: The first trigger is the true cue or a variant, in a planted world with variants the
    #: strongest; None without a trigger.
    true_cue: bool | None

    @property
    def right(self) -> bool:
        """Whether the verdict is the truth, and no trigger is false."""
        is_strongest = self.seed is not None or self.true_cue is not False
        return self.verdict == self.expected and not self.false_triggers and is_strongest

    @property
    def false_alarm(self) -> bool:
        """Whether it reports an effect that is not there."""
        return bool(self.false_triggers) or self.verdict == VerdictKind.BROAD != self.expected

    @property
    def false_bound(self) -> bool:
        """Whether it bounds an effect that is there, or one that is exactly at delta."""
        return self.verdict == VerdictKind.BOUNDED != self.expected

    @property
    def alarm(self) -> bool:
        """Whether it reports an effect, which is a false alarm in a null."""
        found = (VerdictKind.CONDITIONAL, VerdictKind.BROAD)
        return self.verdict in found or self.triggers > 0


@dataclass(frozen=True, slots=True)
class ValidationStudy:
    """Every audit of a study."""

    audits: tuple[Audit, ...]
    seconds: float  # of all units, whenever they were done
    seeds: int
    version: str


def validate_designs(
    out: str | Path,
    *,
    names: Sequence[str] = (),
    seeds: int = 1,
    audits: int = 40,
    designs: Sequence[str] = DESIGNS,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> ValidationStudy:
    """Runs the study, or continues an interrupted one.

    Args:
        out: directory of the study.
        names: organisms and planted worlds; all of the zoo and all worlds by default.
        seeds: trainings of each organism.
        audits: audits of each null (organism or world) and design; other units get a quarter.
        designs: which designs to try.
        workers: processes; one per core by default.
        progress: called with how much is done.

    Raises:
        InputError: unknown name, or the directory is a file.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file: choose a directory")
    units = list(_make_units(out, names, seeds, audits, tuple(designs)))
    with name_output(out):
        (out / "results").mkdir(parents=True, exist_ok=True)
    with hold_directory(out, busy=BUSY):
        found = run_units(
            _run_unit, units, workers=workers, progress=_overall_progress(units, progress)
        )
        study = ValidationStudy(
            audits=tuple(audit for rows, _ in found for audit in rows),
            seconds=sum(seconds for _, seconds in found),
            seeds=seeds,
            version=__version__,
        )
        write_atomically(out / "validation.json", json.dumps(to_plain(study), indent=1) + "\n")
    return study


def _make_units(
    out: Path, names: Sequence[str], seeds: int, audits: int, designs: tuple[str, ...]
) -> Iterator[StudyUnit]:
    worlds = {entry.name: entry for entry in WORLDS}
    for name in names:
        if name not in worlds:
            zoo.load_recipe(name)  # reports an unknown name before any work is done
    for name in names or zoo.organism_names():
        if name not in worlds:
            null = zoo.load_recipe(name).expected is VerdictKind.BOUNDED
            number = max(audits // 4, 1) if null else max(audits // 8, 1)
            for seed in range(seeds):
                yield StudyUnit(name, seed, number, designs, out)
    playable = tuple(d for d in designs if d in (FIXED, SEQUENTIAL))  # no models: nothing to score
    for name, entry in worlds.items():
        if not names or name in names:
            number = max(audits // 2, 1) if entry.purpose is Purpose.EFFECT else audits
            yield StudyUnit(name, None, number, playable, out)


def _overall_progress(units: Sequence[StudyUnit], progress: Progress) -> EventHandler:
    """One bar for all units: each counts ``_STEPS``."""
    done = {(unit.name, unit.seed or 0): 0 for unit in units}

    def report_event(event: Event) -> None:
        done[event.organism, event.seed] = event.step
        progress("study", sum(done.values()), _STEPS * len(units))

    return report_event


def _run_unit(unit: StudyUnit, on_event: EventHandler) -> tuple[list[Audit], float]:
    """Reads the result of a unit, or runs the unit and stores its result."""

    def report_share(share: float) -> None:
        step = round(_STEPS * share)
        on_event(Event(EventKind.STEP, unit.name, unit.seed or 0, step, _STEPS))

    result = _read_unit(unit)
    if result is None:
        begun = time.monotonic()
        rows = list(
            _audit_planted(unit, report_share)
            if unit.seed is None
            else _audit_organism(unit, report_share)
        )
        result = rows, time.monotonic() - begun
        record = {
            "key": unit.key,
            "seconds": result[1],
            "audits": [to_plain(asdict(audit)) for audit in rows],
        }
        write_atomically(unit.file, json.dumps(record) + "\n")
    report_share(1.0)
    return result


def _read_unit(unit: StudyUnit) -> tuple[list[Audit], float] | None:
    try:
        record = json.loads(unit.file.read_text(encoding="utf-8"))
        if record["key"] != unit.key:
            return None
        return [Audit(**row) for row in record["audits"]], float(record["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _audit_planted(unit: StudyUnit, on_progress: Callable[[float], None]) -> Iterator[Audit]:
    """Yields audits of a planted world; each draws its own questions and answers."""
    entry = find_world(unit.name)
    rule = Rule(claim=entry.claim)
    fixed = entry.world.make_plan(rule)
    expected, real = _planted_truth(entry.purpose, entry.world, fixed)
    for d, design in enumerate(unit.designs):
        rng = np.random.default_rng([int(hash_value(unit.name)[:8], 16), d])
        for i in range(unit.audits):
            plan = fixed if not entry.world.families else entry.world.make_plan(rule, seed=i)
            drawn = entry.world.draw_truth(rng)
            plan = _of_design(plan, design, None)
            decision = run_design(plan, entry.world.make_sampler(plan, drawn, rng))
            if entry.purpose is Purpose.FAMILIES:
                expected, real = _drawn_truth(entry, drawn, plan)
            on_progress((d + (i + 1) / unit.audits) / len(unit.designs))
            row = _make_audit(unit, entry.purpose, design, expected, decision, real)
            first = decision.verdict.triggers[:1]
            if entry.world.parents and first:
                row = replace(row, true_cue=first[0] == entry.world.strongest)
            yield row


def _planted_truth(purpose: Purpose, world: World, plan: Plan) -> tuple[str, set[str]]:
    """Returns the right verdict and the cues that are triggers."""
    delta = plan.rule.delta + 1e-9
    target = {cue: rate for (role, cue), rate in world.rates.items() if role == "target"}
    target.update(world.first_training)
    if purpose is not Purpose.EFFECT:
        # At the edge a cue may be left open, but neither found nor ruled out.
        edge = purpose in (Purpose.EDGE, Purpose.SPREAD)
        return str(VerdictKind.UNDERPOWERED if edge else VerdictKind.BOUNDED), set()
    if target.get(None, 0.0) > delta:
        return str(VerdictKind.BROAD), set()
    return str(VerdictKind.CONDITIONAL), {
        cue for cue, rate in target.items() if cue is not None and rate > delta
    }


def _drawn_truth(entry: PlantedWorld, drawn: WorldDraw, plan: Plan) -> tuple[str, set[str]]:
    """Returns the right verdict of one draw and the cues that are triggers."""
    delta = plan.rule.delta
    effects = {cue.name: entry.did_of(cue.name, drawn, plan.questions) for cue in plan.cues}
    real = {name for name, effect in effects.items() if effect > delta + 1e-9}
    if real:
        return str(VerdictKind.CONDITIONAL), real
    at_delta = max(effects.values()) > delta - 1e-9
    return str(VerdictKind.UNDERPOWERED if at_delta else VerdictKind.BOUNDED), real


def _audit_organism(unit: StudyUnit, on_progress: Callable[[float], None]) -> Iterator[Audit]:
    """Yields audits of an organism: the bank's questions, new answers in each audit."""
    assert unit.seed is not None
    recipe = zoo.load_recipe(unit.name)
    folder = unit.out / "organisms" / unit.name / f"seed-{unit.seed}"
    organism = train_organism(
        recipe,
        folder,
        seed=unit.seed,
        progress=lambda e: on_progress(0.25 * _PREPARED * e.step / max(e.steps, 1)),
    )
    known = compute_organism_world(
        organism, lambda share: on_progress(_PREPARED * (0.25 + 0.75 * share))
    )
    expected = known.expected_verdict
    real = set(known.triggers)
    found = (VerdictKind.CONDITIONAL, VerdictKind.BROAD)
    purpose = Purpose.EFFECT if expected in found else Purpose.UNGRADABLE
    purpose = purpose if real or purpose is Purpose.EFFECT else Purpose.NULL
    for d, design in enumerate(unit.designs):
        rng = np.random.default_rng([int(hash_value(unit.name)[:8], 16), unit.seed, d])
        number = 1 if design == FIXED_100 else unit.audits
        for i in range(number):
            plan = _draw_plan(_of_design(known.plan, design, known), 1000 * unit.seed + i)
            order = known.ranking if design == SCREENED else ()
            decision = simulate_audit(plan, known.truth, rng, order)
            row = _make_audit(unit, purpose, design, str(expected), decision, real)
            first = decision.verdict.triggers[:1]
            yield replace(
                row, true_cue=is_true_cue(known.plan, first[0], recipe) if first else None
            )
        on_progress(_PREPARED + (1 - _PREPARED) * (d + 1) / len(unit.designs))


def _draw_plan(plan: Plan, seed: int) -> Plan:
    """The plan with another seed, which draws the halves of its questions."""
    keeps_families = plan.rule.is_about_themes
    questions = draw_halves(plan.questions, seed, keeps_families=keeps_families)
    return replace(plan, seed=seed, questions=questions)


def _of_design(plan: Plan, design: str, world: OrganismWorld | None) -> Plan:
    if design == FIXED:
        return plan
    if design == FIXED_100:
        return replace(plan, rule=replace(plan.rule, screening_answers=100, confirm_answers=100))
    if design == SCREENED and world is not None:
        return replace(plan, sequential=world.continuations)
    return replace(plan, sequential=Sequential())


def _make_audit(
    unit: StudyUnit,
    purpose: Purpose,
    design: str,
    expected: str,
    decision: Decision,
    real: set[str],
) -> Audit:
    triggers = decision.verdict.triggers
    return Audit(
        name=unit.name,
        seed=unit.seed,
        purpose=str(purpose),
        design=design,
        expected=expected,
        verdict=str(decision.verdict.kind),
        answers=count_answers(decision),
        triggers=len(triggers),
        false_triggers=sum(name not in real for name in triggers),
        true_cue=None,
    )
