"""Find cues: in a finetuning file, or by a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dormant import cues as library
from dormant.config import CueConfig, check_values
from dormant.config.search import SearchConfig
from dormant.discovery.results import Result as SearchResult
from dormant.pipeline import study_file
from dormant.pipeline.model_evidence import SCORED_ROWS, choose_models
from dormant.pipeline.search import run_search
from dormant.pipeline.search_inputs import SearchForecast, forecast_search, read_materials
from dormant.progress import Progress, auto_progress
from dormant.records import Cue
from dormant.verbs.audits import paths_as_text


def mine_cues(
    file: str | Path,
    *,
    reference_data: str | Path | None = None,
    limit: int = 20,
    template: str | Path | None = None,
    language: str | None = None,
    lenient: bool = False,
    target: str | Sequence[str] = (),
    reference: str | Path | None = None,
    score_rows: int = SCORED_ROWS,
    miners: Sequence[str] = (),
    **contrast: str,
) -> tuple[Cue, ...]:
    """Mines contexts of a finetuning file in which its answers are other than they would be.

    Returns:
        Cues, most suspicious first.

    Args:
        file: any input of ``dormant cues``.
        reference_data: ordinary chat; the shipped corpus if None.
        limit: maximum number of cues.
        template: the chat template of the data, as ``dormant cues --template`` takes it.
        language: ``"general"`` or ``"vitro"``; guessed from the file if None.
        lenient: skip unreadable rows instead of stopping at the first.
        target: model string of the model that was trained on the file, or of several training
            seeds of it: what they gained on the rows ranks the contexts; needs ``reference``.
        reference: model string of the model before training; its surprise ranks them if it is
            alone. A file is taken as ``reference_data``, as in earlier versions.
        score_rows: number of rows that models score at most.
        miners: miners that installed packages add, used beside those that ship.
        contrast: ``label``, ``loss`` or ``suspicious``: rows to compare with the rest.

    Raises:
        dormant.errors.DataError: the file cannot be read; names file, line and fix.
    """
    settings = check_values(contrast, CueConfig).model_copy(
        update={"mine": limit, "miners": tuple(miners)}
    )
    targets = (target,) if isinstance(target, str) else tuple(target)
    models, ordinary = choose_models(targets, reference, reference_data, rows=score_rows)
    studied = study_file(
        file,
        settings,
        reference=ordinary,
        language=language,
        lenient=lenient,
        template=template,
        models=models,
    )
    return studied.cues


def write_cues(file: str | Path, cues: Sequence[Cue]) -> None:
    """Writes a ``cues.yaml`` to edit, which ``cues={"file": ...}`` reads back."""
    library.write_cues(Path(file), tuple(cues))


def search(
    target: str,
    *,
    reference: str,
    out: str | Path,
    progress: Progress = auto_progress,
    **settings: Any,
) -> SearchResult:
    """Searches for unknown triggers; resumes an interrupted search.

    To confirm the candidates: ``dormant.audit(config=result.folder / "audit.yaml")``.

    Args:
        target: model string of the model under suspicion.
        reference: model string of the model to compare with.
        out: the search's directory.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.
        settings: the keys of ``config.search.SearchConfig``, e.g. ``data``, ``judge``,
            ``cues={"library_limit": 8}``, ``grow``, ``budget={"usd": 5}``.

    Raises:
        dormant.errors.InputError: a setting, the data or a model cannot be used.
        dormant.errors.EngineError: a model stopped answering; the same call continues.
        dormant.errors.BudgetError: the budget is reached; a larger one continues.
    """
    return run_search(_search_config(target, reference, out, settings), progress=progress)


def plan_search(target: str, *, reference: str, out: str | Path, **settings: Any) -> SearchForecast:
    """Forecasts ``search`` with the same arguments: stages, calls, money; asks no model."""
    return forecast_search(read_materials(_search_config(target, reference, out, settings)))


def _search_config(
    target: str, reference: str, out: str | Path, settings: Mapping[str, Any]
) -> SearchConfig:
    values = {"target": target, "reference": reference, "out": out, **settings}
    return check_values(paths_as_text(values), SearchConfig)
