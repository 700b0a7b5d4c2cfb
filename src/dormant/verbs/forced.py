"""Compare the forced with the free view of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dormant.config import check_values
from dormant.config.forced import ForcedConfig
from dormant.pipeline.forced import run_forced
from dormant.pipeline.forced_inputs import ForcedForecast, forecast_forced, read_forced_inputs
from dormant.pipeline.recompute import load_run
from dormant.pipeline.sections import write_run_report
from dormant.progress import Progress, auto_progress
from dormant.records.forced import ForcedView
from dormant.verbs.audits import paths_as_text


def compare_forced(
    run: str | Path, *, progress: Progress = auto_progress, **settings: Any
) -> ForcedView:
    """Scores given answers under every cue of a run, beside its sampled rates; resumes.

    Writes ``RUN/forced.json`` and rewrites the report of the run, which then has both views.

    Args:
        run: a finished run whose models score (``vitro/``, ``hf/``).
        progress: called with (stage, done, total); by default it draws a bar in a notebook.
        settings: the keys of ``config.forced.ForcedConfig``, e.g. ``question_limit=50``,
            ``cue=["school"]``, ``tokens=(1, 4)``, ``continuations="answers.yaml"``.

    Raises:
        dormant.errors.InputError: a setting or a model cannot be used.
        dormant.errors.StoreError: the directory does not contain a finished run.
        dormant.errors.EngineError: a model stopped answering; the same call continues.
        dormant.errors.BudgetError: the budget is reached; a larger one continues.
    """
    view = run_forced(_forced_config(run, settings), progress=progress)
    write_run_report(load_run(run), run)
    return view


def plan_forced(run: str | Path, **settings: Any) -> ForcedForecast:
    """Forecasts ``compare_forced`` with the same arguments; asks no model."""
    return forecast_forced(read_forced_inputs(_forced_config(run, settings)))


def _forced_config(run: str | Path, settings: dict[str, Any]) -> ForcedConfig:
    return check_values(paths_as_text({"run": run, **settings}), ForcedConfig)
