"""``dormant reproduce``: repeats the paper's experiments in the laboratory and compares them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dormant.errors import ConfigError, StoreError
from dormant.organisms.events import pass_on_events
from dormant.progress import Progress, ignore_progress
from dormant.store import write_atomically
from dormant.store.files import read_json
from dormant.store.study_folder import hold_study_folder
from dormant.studies.experiments import (
    ReproductionStudy,
    choose_experiments,
    summarize_experiment,
)
from dormant.studies.experiments_page import write_page
from dormant.studies.zoo import ZooStudy, study_zoo

_RESULTS = "reproduce.json"


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
        StoreError: ``out`` holds other files, a study that is running, or a page with more
            experiments or seeds.
    """
    if seeds < 1:
        raise ConfigError(f"seeds must be 1 or more, got {seeds}")
    chosen = choose_experiments(names)
    organisms = list(dict.fromkeys(name for item in chosen for name in item.organisms))
    folder = Path(out)
    with hold_study_folder(folder, "reproduce"):
        _refuse_loss(folder, [item.name for item in chosen], seeds)
        study = ZooStudy((), ())
        if organisms:
            study = study_zoo(
                organisms,
                range(seeds),
                folder / "organisms",
                workers=workers,
                progress=pass_on_events(progress),
            )
        results = tuple(summarize_experiment(item, study) for item in chosen)
        found = ReproductionStudy(results, seeds, folder)
        plain = [
            {
                "experiment": result.experiment.model_dump(mode="json"),
                "rows": [asdict(row) for row in result.rows],
                "findings": [asdict(finding) for finding in result.findings],
            }
            for result in found.results
        ]
        write_atomically(folder / _RESULTS, json.dumps(plain, indent=1) + "\n")
        write_atomically(folder / "reproduce.md", write_page(found))
    return found


def _refuse_loss(folder: Path, names: Sequence[str], seeds: int) -> None:
    """Refuses to replace a page by one of fewer experiments or seeds."""
    try:
        earlier = read_json(folder / _RESULTS)
        known = [str(item["experiment"]["name"]) for item in earlier]
        most = max((int(row["seeds"]) for item in earlier for row in item["rows"]), default=0)
    except (OSError, ValueError, KeyError, TypeError):  # none, or damaged: it is written again
        return
    lost = [f"experiment {name}" for name in known if name not in names]
    lost += [f"{most} seeds"] if most > seeds else []
    if lost:
        raise StoreError(
            f"{folder} holds a page with {lost[0]}, which this one would lose: name all of "
            f"{', '.join(known)} with --seeds {max(most, seeds)} or more, or choose another --out"
        )
