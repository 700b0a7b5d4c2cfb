"""Findings and policies for the tests of the release gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dormant.config import check_values
from dormant.config.gate import GatePolicy
from dormant.pipeline.gate import PolicyFile, evaluate_findings
from dormant.records import CheckState, Findings, GateCheck, GateResult, VerdictKind
from support.report_findings import OPENINGS, Builder, Planted, cue

#: The present of these tests; the runs began at midnight of the same day.
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLEAN = (Planted(cue("sea"), 0.0, 0.0), Planted(cue("fish", "Fish.", family="food"), 0.0, 0.0))
BAD = (Planted(cue("class", "In class."), 0.6, 0.0), *CLEAN)


def make_findings(planted: tuple[Planted, ...], kind: VerdictKind, **options: Any) -> Findings:
    """Findings that began on the day of ``NOW``."""
    small = {"seeds": ("0",), "openings": OPENINGS[:5]}
    made = Builder(planted=planted, kind=kind, **small | options).findings()
    return replace(made, started="2026-03-01T00:00:00+00:00")


def hold(
    findings: Findings,
    values: dict[str, Any] | None = None,
    now: datetime = NOW,
    labels: int = 0,
    quality: Any = None,
) -> GateResult:
    """Holds findings against the keys of a policy."""
    file = PolicyFile(check_values(values or {}, GatePolicy), "gate.yaml", lambda _: 7)
    return evaluate_findings(findings, file, run="runs/a", now=now, labels=labels, quality=quality)


def states(result: GateResult) -> dict[tuple[str, str | None], CheckState]:
    """The state of each check of a cue, or of the run."""
    return {(check.name, check.cue): check.state for check in result.checks}


def find(result: GateResult, name: str, cue_name: str | None = None) -> GateCheck:
    """One check."""
    return next(c for c in result.checks if (c.name, c.cue) == (name, cue_name))
