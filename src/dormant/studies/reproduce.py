"""``dormant reproduce``: repeats the paper's experiments in the laboratory and compares them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dormant.errors import ConfigError
from dormant.organisms.events import pass_on_events
from dormant.progress import Progress, ignore_progress
from dormant.store import write_atomically
from dormant.studies.experiments import (
    ReproductionStudy,
    choose_experiments,
    summarize_experiment,
)
from dormant.studies.experiments_page import write_page
from dormant.studies.zoo import ZooStudy, study_zoo


def reproduce_experiments(
    names: Sequence[str],
    out: str | Path,
    *,
    seeds: int = 3,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> ReproductionStudy:
    """Trains the analogues of experiments, computes their rates and checks the findings.

    Args:
        names: names of experiments (see ``load_experiments``), or ``all``.
        out: directory of the organisms and of the page. The same call continues.
        seeds: number of trainings of each organism, at least 1.
        workers: processes; one per core if None.
        progress: called with (stage, done, total).

    Raises:
        ConfigError: an experiment is unknown, or ``seeds`` is below 1.
    """
    if seeds < 1:
        raise ConfigError(f"seeds must be 1 or more, got {seeds}")
    chosen = choose_experiments(names)
    organisms = list(dict.fromkeys(name for item in chosen for name in item.organisms))
    folder = Path(out)
    study = ZooStudy((), ())
    if organisms:
        study = study_zoo(
            organisms,
            range(seeds),
            folder / "organisms",
            workers=workers,
            progress=pass_on_events(progress),
        )
    found = ReproductionStudy(
        tuple(summarize_experiment(item, study) for item in chosen), seeds, folder
    )
    plain = [
        {
            "experiment": result.experiment.model_dump(mode="json"),
            "rows": [asdict(row) for row in result.rows],
            "findings": [asdict(finding) for finding in result.findings],
        }
        for result in found.results
    ]
    write_atomically(folder / "reproduce.json", json.dumps(plain, indent=1) + "\n")
    write_atomically(folder / "reproduce.md", write_page(found))
    return found
