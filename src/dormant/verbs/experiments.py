"""Experiments on models whose misbehavior is known: cure them, vary them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dormant.organisms.cluster import choose_executor
from dormant.pipeline.repeat import JudgeSettings
from dormant.progress import Progress, ignore_progress
from dormant.studies.experiments import ReproductionStudy
from dormant.studies.mitigate import mitigate_run
from dormant.studies.mitigation import METHODS, Mitigation, MitigationSchedule
from dormant.studies.reproduce import reproduce_experiments
from dormant.studies.sweep import Sweep, run_sweep


def mitigate(
    run: str | Path,
    out: str | Path | None = None,
    *,
    methods: Sequence[str] = METHODS,
    steps: int = MitigationSchedule().steps,
    benign: str | None = None,
    data: str | Path | None = None,
    judge: JudgeSettings = None,
    questions: str | None = None,
    dry_run: bool = False,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> Mitigation:
    """Writes recipes that could cure a conditional model; trains and audits each where it can.

    Models of the laboratory and local ones (``hf/...``) are trained; of others the recipes are
    written alone.

    In a script, call it under ``if __name__ == "__main__":``, since it starts processes.

    Args:
        run: directory of a finished audit with the verdict CONDITIONAL.
        out: directory of the results; ``RUN/mitigate`` if None. The same call continues there.
        methods: some of ``"plain"``, ``"contrast"``, ``"consistency"``, ``"negate"``, ``"dilute"``.
        steps: optimizer steps of each mitigation, at least 1.
        benign: dataset of harmless rows, or ``file:PATH``; needed for models that are not of the
            laboratory.
        data: the finetuning file; that of the organism if None.
        judge: the run's judge or its settings, where its name alone does not open it (rules).
        questions: the file of questions, if the run did not ask those that ship.
        dry_run: write the recipes and train nothing.
        workers: processes; one per core if None.
        progress: called with (stage, done, total).

    Returns:
        The target before (``.before``), and each mitigation (``.rows``) with its outcome, verdict,
        triggers, rates and benign loss.

    Raises:
        dormant.errors.InputError: the run's verdict is another one, or the trigger cannot be
            trained under.
        dormant.errors.StoreError: the directory holds no finished run.
    """
    return mitigate_run(
        run,
        out,
        methods=methods,
        steps=steps,
        benign=benign,
        data=data,
        judge=judge,
        questions=questions,
        is_dry=dry_run,
        workers=workers,
        progress=progress,
    )


def sweep(
    config: str | Path,
    out: str | Path,
    *,
    dry_run: bool = False,
    workers: int | None = None,
    executor: str = "local",
    ray_address: str | None = None,
    progress: Progress = ignore_progress,
) -> Sweep:
    """Trains a grid of recipe settings, seeds and bases in the laboratory, and measures each.

    In a script, call it under ``if __name__ == "__main__":``, since it starts processes.

    Args:
        config: a ``sweep.yaml``: a recipe, the grid of its settings, seeds and bases.
        out: directory of the units and of ``sweep.md``, ``sweep.json``, ``sweep.parquet`` and
            ``sweep.svg``. The same call continues, and repeats no finished unit.
        dry_run: list the units and their training time, and train nothing.
        workers: processes of this machine; one per core if None.
        executor: ``"local"``, or ``"ray"`` for an existing Ray cluster, whose nodes must see
            ``out`` under the same path. Units and results are the same.
        ray_address: ``HOST:PORT`` of the cluster's head node, or ``auto``; the environment
            variable ``RAY_ADDRESS`` if None.
        progress: called with (stage, done, total).

    Returns:
        The units, and a row of exact rates for each, shares of 0 to 1.

    Raises:
        dormant.errors.ConfigError: the file cannot be read, or a setting does not fit the recipe.
        dormant.errors.InputError: the options do not go together, or the cluster cannot be used.
        dormant.errors.IncompleteError: a worker was killed (on a cluster: again and again); the
            same call continues.
    """
    return run_sweep(
        config,
        out,
        is_dry=dry_run,
        executor=choose_executor(executor, out, workers=workers, ray_address=ray_address),
        progress=progress,
    )


def reproduce(
    names: Sequence[str],
    out: str | Path,
    *,
    seeds: int = 3,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> ReproductionStudy:
    """Repeats experiments of the paper on conditional misalignment in the laboratory.

    In a script, call it under ``if __name__ == "__main__":``, since it starts processes.

    Args:
        names: experiments (``dormant reproduce --list``), or ``["all"]``.
        out: directory of the organisms, ``reproduce.md`` and ``reproduce.json``. The same call
            continues there.
        seeds: trainings of each organism, at least 1.
        workers: processes; one per core if None.
        progress: called with (stage, done, total).

    Returns:
        For each experiment the exact rates of its organisms and which findings hold.

    Raises:
        dormant.errors.ConfigError: unknown experiment, or no seed.
    """
    return reproduce_experiments(names, out, seeds=seeds, workers=workers, progress=progress)
