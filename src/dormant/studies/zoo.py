"""The zoo measured: exact rates of every organism over several training seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dormant.organisms.events import EventHandler, ignore_events
from dormant.organisms.parallel import TrainingJob, plan_jobs
from dormant.organisms.pool import run_units
from dormant.organisms.recipe import Intervention
from dormant.organisms.train import train_organism
from dormant.organisms.truth import Truth, compute_truth
from dormant.organisms.zoo import load_recipe
from dormant.records import VerdictKind


@dataclass(frozen=True, slots=True)
class MeasuredOrganism:
    """One trained organism and the truth about it."""

    truth: Truth
    seconds: float  # that its training took


@dataclass(frozen=True, slots=True)
class SeedRange:
    """One number over training seeds."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One organism over its training seeds; rates are shares, 0 to 1."""

    name: str
    intervention: Intervention
    expected: VerdictKind | None
    seeds: int
    agree: int  # seeds whose exact rates imply the expected verdict
    standard: SeedRange  # rate without any cue
    cue: SeedRange | None  # rate under the true cue; None if there is none
    worst_did: SeedRange  # largest difference in differences over the true cue and the library
    incoherent: SeedRange  # the larger share of the standard arm and the true cue's
    seconds: SeedRange


@dataclass(frozen=True, slots=True)
class ZooStudy:
    """The exact truth about organisms of the zoo, over training seeds."""

    rows: tuple[StudyRow, ...]
    measured: tuple[MeasuredOrganism, ...]  # every organism and seed

    @property
    def agrees(self) -> bool:
        """Whether every recipe expects what its exact rates say, in every seed."""
        return all(row.agree == row.seeds for row in self.rows)


def study_zoo(
    names: Sequence[str],
    seeds: Sequence[int],
    out: str | Path,
    *,
    workers: int | None = None,
    progress: EventHandler = ignore_events,
) -> ZooStudy:
    """Trains organisms of the zoo (those that are missing) and computes the truth about each.

    Args:
        names: organisms of the zoo.
        seeds: training seeds.
        out: directory of the organisms, which the next study reuses.
        workers: processes; one per core by default.
        progress: called with every organism's training events.

    Raises:
        InputError: the zoo has no such organism.
    """
    jobs = plan_jobs([load_recipe(name) for name in names], out, seeds=seeds, by_seed=True)
    measured = run_units(_measure_organism, jobs, workers=workers, progress=progress)
    rows = [
        summarize_organism(name, [m for m in measured if m.truth.name == name]) for name in names
    ]
    return ZooStudy(tuple(rows), tuple(measured))


def summarize_organism(name: str, measured: Sequence[MeasuredOrganism]) -> StudyRow:
    """Summarizes one organism of the zoo over its seeds."""
    truths = [m.truth for m in measured]
    cued = [t.cue.misaligned for t in truths if t.cue is not None]
    return StudyRow(
        name=name,
        intervention=load_recipe(name).intervention,
        expected=load_recipe(name).expected,
        seeds=len(truths),
        agree=sum(t.agrees for t in truths),
        standard=_spread_of([t.standard.misaligned for t in truths]),
        cue=_spread_of(cued) if cued else None,
        worst_did=_spread_of([t.worst_did for t in truths]),
        incoherent=_spread_of([t.incoherent for t in truths]),
        seconds=_spread_of([m.seconds for m in measured]),
    )


def write_markdown(result: ZooStudy) -> str:
    """The study as a Markdown table: percentages as "mean (lowest-highest)"."""
    head = (
        "organism",
        "intervention",
        "expected",
        "agree",
        "standard",
        "true cue",
        "largest DiD",
        "incoherent",
        "train s",
    )
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in result.rows:
        cells = (
            row.name,
            row.intervention,
            row.expected or "-",
            f"{row.agree}/{row.seeds}",
            _format_percent(row.standard),
            "-" if row.cue is None else _format_percent(row.cue),
            _format_percent(row.worst_did),
            _format_percent(row.incoherent),
            f"{row.seconds.mean:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _measure_organism(job: TrainingJob, progress: EventHandler) -> MeasuredOrganism:
    organism = train_organism(job.recipe, job.out, seed=job.seed, progress=progress)
    return MeasuredOrganism(compute_truth(organism.path), organism.seconds)


def _spread_of(values: Sequence[float]) -> SeedRange:
    return SeedRange(min(values), statistics.fmean(values), max(values))


def _format_percent(spread: SeedRange) -> str:
    low, mean, high = (f"{100 * value:.1f}" for value in (spread.low, spread.mean, spread.high))
    return mean if low == high else f"{mean} ({low}-{high})"
