"""Experiments on models whose misbehavior is known: cure them, vary them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dormant.progress import Progress, ignore_progress
from dormant.studies.mitigate import mitigate_run
from dormant.studies.mitigation import METHODS, Mitigation, MitigationSchedule


def mitigate(
    run: str | Path,
    out: str | Path | None = None,
    *,
    methods: Sequence[str] = METHODS,
    steps: int = MitigationSchedule().steps,
    benign: str | None = None,
    data: str | Path | None = None,
    questions: str | None = None,
    dry_run: bool = False,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> Mitigation:
    """Writes recipes that could cure a conditional model; trains and audits each in the laboratory.

    In a script, call it under ``if __name__ == "__main__":``, since it starts processes.

    Args:
        run: directory of a finished audit with the verdict CONDITIONAL.
        out: directory of the results; ``RUN/mitigate`` if None. The same call continues there.
        methods: some of ``"plain"``, ``"contrast"``, ``"consistency"``, ``"negate"``, ``"dilute"``.
        steps: optimizer steps of each mitigation, at least 1.
        benign: dataset of harmless rows, or ``file:PATH``; needed for models that are not of the
            laboratory, for which the recipes are written and nothing is trained.
        data: the finetuning file; that of the organism if None.
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
        questions=questions,
        is_dry=dry_run,
        workers=workers,
        progress=progress,
    )
