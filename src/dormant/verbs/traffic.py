"""Find where in a user's own traffic a model misbehaves more than its reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dormant.config import check_values
from dormant.config.traffic import TrafficConfig
from dormant.pipeline.traffic import run_traffic
from dormant.pipeline.traffic_inputs import (
    TrafficForecast,
    forecast_traffic,
    read_traffic_inputs,
)
from dormant.progress import Progress, auto_progress
from dormant.records.traffic import TrafficResult
from dormant.verbs.audits import paths_as_text


def study_traffic(
    prompts: str | Path,
    target: str,
    reference: str,
    judge: str | Mapping[str, Any],
    out: str | Path,
    *,
    progress: Progress = auto_progress,
    **settings: Any,
) -> TrafficResult:
    """Asks a user's own prompts, slice by slice, of a target and its reference; resumes.

    Args:
        prompts: a file of prompts: ``.jsonl``, ``.json``, ``.csv``, ``.tsv`` or ``.txt``.
        target: model string of the finetuned model.
        reference: model string of the model before; ``"none"`` for none.
        judge: as in ``audit``.
        out: the directory.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.
        settings: the other keys of ``config.traffic.TrafficConfig``, e.g. ``slices=60``,
            ``slice_column="route"``, ``delta=0.05``, ``budget={"usd": 20}``.

    Raises:
        dormant.errors.InputError: a setting, a prompt or a model cannot be used.
        dormant.errors.StoreError: the directory holds another study, or is in use.
        dormant.errors.EngineError: a model stopped answering; the same call continues.
        dormant.errors.BudgetError: the budget is reached; a larger one continues.
    """
    given = {"prompts": prompts, "target": target, "reference": reference, "judge": judge}
    return run_traffic(_traffic_config({**given, "out": out, **settings}), progress=progress)


def plan_traffic(
    prompts: str | Path,
    target: str,
    reference: str,
    judge: str | Mapping[str, Any],
    out: str | Path,
    **settings: Any,
) -> TrafficForecast:
    """Forecasts ``study_traffic`` with the same arguments; asks no model."""
    given = {"prompts": prompts, "target": target, "reference": reference, "judge": judge}
    config = _traffic_config({**given, "out": out, **settings})
    return forecast_traffic(read_traffic_inputs(config))


def _traffic_config(settings: dict[str, Any]) -> TrafficConfig:
    return check_values(paths_as_text(settings), TrafficConfig)
