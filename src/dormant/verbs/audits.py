"""Plan, run and report an audit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dormant import report, stats
from dormant.calibration import add_labels
from dormant.config import AuditConfig, check_values, name_keys, read_yaml_with_changes
from dormant.pipeline import prepare_audit
from dormant.pipeline.audit import AuditResult, run_audit
from dormant.pipeline.forecast import Forecast, forecast_audit, schedule_of
from dormant.pipeline.recompute import load_run
from dormant.pipeline.sections import make_sections, stored_sections
from dormant.progress import Progress, auto_progress
from dormant.report.notebook import LoadedRun
from dormant.store import Store


def plan(
    target: str | Sequence[str] | None = None,
    *,
    reference: str | None = None,
    judge: str | Mapping[str, Any] | None = None,
    config: str | Path | None = None,
    freeze: bool = False,
    amend: bool = False,
    **settings: Any,
) -> Forecast:
    """Forecasts ``audit`` with the same arguments: answers, money, time and power.

    Paid targets, references and judges are not asked; a ``writer`` is, since its texts are part
    of the plan.

    Args:
        target: as for ``audit``.
        reference: as for ``audit``.
        judge: as for ``audit``.
        config: as for ``audit``.
        freeze: write the plan to ``OUT/plan.lock.json``, which ``audit`` then must follow.
        amend: replace another frozen plan; the change is recorded.
        settings: as for ``audit``.

    Raises:
        dormant.errors.InputError: a setting, the data or a model cannot be used.
        dormant.errors.StoreError: the run directory holds another plan, or is in use.
    """
    checked = _audit_config(config, target, reference, judge, settings)
    with name_keys(config, checked):
        prepared = prepare_audit(checked, amend=amend)
    planned = forecast_audit(prepared)
    if freeze:
        with Store(prepared.out) as store:
            store.lock_plan(planned.plan, settings=prepared.settings, amend=amend)
    return planned


def simulate_effect(
    effect: float,
    planned: Forecast,
    *,
    power: float = 0.8,
    icc: float | None = None,
    base: float = 0.0,
    progress: Progress = auto_progress,
) -> stats.RequiredDesign:
    """Simulates a plan's power, and the questions or answers that an effect needs.

    Args:
        effect: true difference in differences, as a share above the plan's delta.
        planned: the result of ``plan``.
        power: required probability of detection, in (0, 1).
        icc: intra-question correlation of the answers, 0 to 1; the rule's prior if None.
        base: misalignment rate without a cue, 0 to 1.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: a number is out of range.
    """
    schedule = schedule_of(planned.plan, icc=icc, base=base)
    return stats.find_required(effect, schedule, power=power, progress=progress)


def audit(
    target: str | Sequence[str] | None = None,
    *,
    reference: str | None = None,
    judge: str | Mapping[str, Any] | None = None,
    config: str | Path | None = None,
    progress: Progress = auto_progress,
    amend: bool = False,
    **settings: Any,
) -> AuditResult:
    """Audits a target model against its reference; resumes an interrupted run.

    Args:
        target: model string, or one per training seed.
        reference: model string of the reference.
        judge: ``"exact"``, ``"rules:..."``, ``"paper:MODEL"``, ``"fused:MODEL"``, or their settings
            as a mapping, e.g. ``{"paper": "openai/gpt-4o", "compare": "fused"}``.
        config: an ``audit.yaml``; the other arguments override its keys.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.
        amend: continue a run directory that holds another plan; the change is recorded.
        settings: the other keys of ``audit.yaml`` (``config.AuditConfig``), e.g. ``data``,
            ``out``, ``rule={"delta": 0.1}``, ``budget={"usd": 20}``,
            ``prices={"openai/gpt-4o": "2.5/10"}``.

    Raises:
        dormant.errors.InputError: a setting, the data or a model cannot be used.
        dormant.errors.StoreError: the run directory holds another plan, or is in use.
        dormant.errors.EngineError: a model stopped answering; the same call continues.
        dormant.errors.BudgetError: the budget is reached; a larger one continues.
    """
    checked = _audit_config(config, target, reference, judge, settings)
    with name_keys(config, checked):
        return run_audit(checked, progress=progress, amend=amend)


def load(run: str | Path) -> LoadedRun:
    """Reads a finished run directory: plan, verdict, counts and transcripts.

    The run prints its verdict and displays the report's summary in a notebook; ``.table``,
    ``.counts``, ``.to_pandas()`` and ``.to_arrow()`` are its estimates and counts as tables.

    Raises:
        dormant.errors.StoreError: the directory does not contain a finished run, or its
            ``verdict.json`` is not what the stored answers give.
    """
    return LoadedRun.from_findings(load_run(run))


def write_report(
    run: str | Path,
    out: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    sections: Sequence[str] = (),
) -> list[Path]:
    """Rewrites the report of a run from its stored records; asks no model.

    Args:
        run: the run directory.
        out: output directory, created if absent; the run directory if None.
        labels: a CSV of people's labels with the columns ``id`` and ``label``; the verdict then
            states the prediction-powered effects.
        sections: names of sections that installed packages add.

    Returns:
        The paths of ``report.html``, ``report.md`` and ``report.json``.
    """
    findings = load_run(run)
    if labels is not None:
        findings = add_labels(Path(run), findings, Path(labels))
    added = (*stored_sections(run, findings), *make_sections(findings, sections))
    return report.write_report(findings, run if out is None else out, added)


def _audit_config(
    file: str | Path | None,
    target: str | Sequence[str] | None,
    reference: str | None,
    judge: str | Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> AuditConfig:
    """Reads the file, if any, and overrides its keys with the arguments."""
    keys: dict[str, Any] = {"target": target, "reference": reference, "judge": judge}
    arguments = {key: value for key, value in keys.items() if value is not None} | dict(settings)
    changes = paths_as_text(arguments)
    if file is None:
        return check_values(changes, AuditConfig)
    return read_yaml_with_changes(file, AuditConfig, lambda base: base.update(changes))


def paths_as_text(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Converts path values to text, as a YAML file holds them."""
    return {
        key: os.fspath(value) if isinstance(value, os.PathLike) else value
        for key, value in settings.items()
    }
