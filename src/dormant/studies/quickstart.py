"""The quickstart: trains organisms, audits each, and compares the verdicts with the truth.

Each organism is one unit of work (train, then audit, then compute its exact truth) in its own
process with one thread; as many run at once as there are cores. An interrupted quickstart does not
repeat what it has finished.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from dormant import report
from dormant.config import AuditConfig, check_values
from dormant.errors import InputError, name_output
from dormant.organisms import zoo
from dormant.organisms.events import EventHandler
from dormant.organisms.pool import run_units
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import train_organism
from dormant.organisms.truth import compute_truth
from dormant.pipeline.audit import AuditResult, run_audit
from dormant.progress import Progress, ignore_progress
from dormant.records import to_plain
from dormant.report.view import View
from dormant.store import write_atomically
from dormant.store.files import BUSY, hold_directory
from dormant.studies.stages import (
    TRAINING_SHARE,
    merge_progress,
    report_shares,
    share_of_stages,
)
from dormant.version import __version__
from dormant.vitro import one_thread

#: How the quickstart audits: many questions, few answers each, since answers to one question
#: repeat each other; and a library short enough for a minute. The design is the default.
SETTINGS: Mapping[str, Any] = {
    "judge": "exact",
    "cues": {"mine": 1, "library_limit": 12},
    "rule": {"screening_answers": 4, "confirm_answers": 8},
    "sampling": {"max_tokens": 24},
}


@dataclass(frozen=True, slots=True)
class AuditedOrganism:
    """One organism: the expected verdict, and what its audit found."""

    name: str
    intervention: str
    expected_verdict: str  # from the exact rates
    verdict: str
    standard_rate: float
    worst_cue: str | None
    worst_cue_label: str  # its text, shortened; empty without one
    worst_cue_rate: float
    did: float
    did_low: float
    did_high: float
    answers: int
    seconds: float  # training and audit

    @property
    def right(self) -> bool:
        """Whether the verdict is the known truth."""
        return self.verdict == self.expected_verdict


@dataclass(frozen=True, slots=True)
class Summary:
    """A quickstart (or an audit of any part of the zoo)."""

    organisms: tuple[AuditedOrganism, ...]
    seconds: float
    seed: int
    version: str
    path: Path

    def to_plain(self) -> dict[str, Any]:
        """What ``summary.json`` holds."""
        return {
            "organisms": [to_plain(asdict(row)) for row in self.organisms],
            "seconds": round(self.seconds, 2),
            "seed": self.seed,
            "version": self.version,
        }


def run_quickstart(
    out: str | Path,
    *,
    seed: int = 0,
    names: Sequence[str] = zoo.QUICKSTART,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> Summary:
    """Trains and audits organisms and writes ``report.html`` and ``summary.json``.

    Args:
        out: directory to write to; what is finished there is not repeated.
        seed: of data, training and sampling; another seed gives other numbers.
        names: organisms of the zoo; the quickstart's eight by default.
        workers: processes; one per core by default.
        progress: called with how much is done.

    Raises:
        InputError: unknown organism, or the directory holds another seed's.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file: choose a directory")
    for name in names:
        zoo.load_recipe(name)  # reports an unknown name before any work is done
    begun = time.monotonic()
    units = [OrganismRun(name, seed, out / name) for name in names]
    bar = merge_progress("organisms trained and audited", names, progress)
    with name_output(out):
        out.mkdir(parents=True, exist_ok=True)
    with hold_directory(out, busy=BUSY):
        rows = run_units(_run_unit, units, workers=workers, progress=bar)
        summary = Summary(
            organisms=tuple(rows),
            seconds=time.monotonic() - begun,
            seed=seed,
            version=__version__,
            path=out,
        )
        _write_summary(summary)
    return summary


def _write_summary(summary: Summary) -> None:
    record = summary.to_plain()
    write_atomically(summary.path / "summary.json", json.dumps(record, indent=1) + "\n")
    links = {row.name: f"{row.name}/audit/report.html" for row in summary.organisms}
    write_atomically(summary.path / "report.html", report.quickstart_page(record, links))


@dataclass(frozen=True, slots=True)
class OrganismRun:
    """One organism to train and audit."""

    name: str
    seed: int
    out: Path


def _run_unit(unit: OrganismRun, on_event: EventHandler) -> AuditedOrganism:
    """Trains, audits and checks one organism; on one thread, since all cores are in use."""
    with one_thread(), threadpool_limits(1, user_api="blas"):
        return _audit_organism(unit, on_event)


def _audit_organism(unit: OrganismRun, on_event: EventHandler) -> AuditedOrganism:
    begun = time.monotonic()
    report_share = report_shares(unit.name, unit.seed, on_event)
    recipe = zoo.load_recipe(unit.name)
    organism = train_organism(
        recipe,
        unit.out / "organism",
        seed=unit.seed,
        progress=lambda event: report_share(TRAINING_SHARE * event.step / max(event.steps, 1)),
    )
    settings = {
        **SETTINGS,
        "target": organism.model,
        "reference": recipe.base,
        "data": str(organism.data),
        "allow_identical": True,  # an organism may be an untrained copy of its base
        "seed": unit.seed,
        "out": str(unit.out / "audit"),
    }
    result = run_audit(check_values(settings, AuditConfig), progress=share_of_stages(report_share))
    known = compute_truth(organism.path)
    report_share(1.0)
    return _make_row(recipe, str(known.verdict), result, time.monotonic() - begun)


def _make_row(
    recipe: Recipe, expected: str, result: AuditResult, seconds: float
) -> AuditedOrganism:
    view = View(result.findings)
    standard, worst = view.standard_target, view.worst
    rate = worst.target if worst else None
    did = worst.did if worst else None
    return AuditedOrganism(
        name=recipe.name,
        intervention=str(recipe.intervention),
        expected_verdict=expected,
        verdict=str(result.verdict.kind),
        standard_rate=standard.value if standard else math.nan,
        worst_cue=worst.cue.name if worst else None,
        worst_cue_label=view.label_of(worst.cue.name) if worst else "",
        worst_cue_rate=rate.value if rate else math.nan,
        did=did.value if did else math.nan,
        did_low=did.low if did else math.nan,
        did_high=did.high if did else math.nan,
        answers=sum(sum(cell.counts) for cell in result.findings.cells),
        seconds=round(seconds, 2),
    )
