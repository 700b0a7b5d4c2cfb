"""Measure rates that are too rare to sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dormant.config import check_values
from dormant.config.rare import RareConfig
from dormant.pipeline.rare import run_rare
from dormant.pipeline.rare_inputs import RareForecast, forecast_rare, read_rare_inputs
from dormant.pipeline.rare_result import RareResult
from dormant.progress import Progress, auto_progress
from dormant.verbs.audits import paths_as_text


def measure_rare_rates(
    run: str | Path | None = None, *, progress: Progress = auto_progress, **settings: Any
) -> RareResult:
    """Measures rates far below 1% with weighted answers of a proposal; resumes.

    Args:
        run: a finished run, whose models, questions, judge and cues are used.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.
        settings: the keys of ``config.rare.RareConfig``, e.g. ``cue=["school"]``,
            ``under=["fish"]``, ``answers=16``, ``out``; without ``run`` also ``target`` and
            ``judge``.

    Raises:
        dormant.errors.InputError: a setting or a model cannot be used.
        dormant.errors.StoreError: the run or the directory cannot be used.
        dormant.errors.EngineError: a model stopped answering; the same call continues.
        dormant.errors.BudgetError: the budget is reached; a larger one continues.
    """
    return run_rare(_rare_config(run, settings), progress=progress)


def plan_rare_rates(run: str | Path | None = None, **settings: Any) -> RareForecast:
    """Forecasts ``measure_rare_rates`` with the same arguments; asks no model."""
    return forecast_rare(read_rare_inputs(_rare_config(run, settings)))


def _rare_config(run: str | Path | None, settings: dict[str, Any]) -> RareConfig:
    given = settings if run is None else {"run": run, **settings}
    return check_values(paths_as_text(given), RareConfig)
