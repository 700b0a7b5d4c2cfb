"""Training many organisms at once, in a pool of processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dormant.errors import InputError
from dormant.organisms.events import EventHandler, ignore_events
from dormant.organisms.folder import name_seed_folder
from dormant.organisms.pool import run_units
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import TrainedOrganism, train_organism


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One organism to train."""

    recipe: Recipe
    out: Path
    seed: int


def plan_jobs(
    recipes: Sequence[Recipe],
    out: str | Path,
    *,
    seeds: Sequence[int] = (0,),
    by_seed: bool | None = None,
) -> list[TrainingJob]:
    """Assigns each organism a directory: ``OUT/NAME``, or ``OUT/NAME/seed-N``.

    Args:
        recipes: the recipes to train.
        out: the parent directory.
        seeds: training seeds of each recipe.
        by_seed: give each seed a folder; None does so only for several seeds.

    Raises:
        InputError: there is nothing to train, or a duplicate name or seed.
    """
    names = [recipe.name for recipe in recipes]
    for what, values in (("recipe", names), ("seed", list(seeds))):
        if not values:
            raise InputError(f"no {what} given: give at least one")
        if len(set(values)) != len(values):
            raise InputError(f"duplicate {what} in {values!r}: give each once")
    split = len(seeds) > 1 if by_seed is None else by_seed
    return [
        TrainingJob(recipe, Path(out, recipe.name, name_seed_folder(seed) if split else ""), seed)
        for recipe in recipes
        for seed in seeds
    ]


def train_many(
    jobs: Sequence[TrainingJob],
    *,
    workers: int | None = None,
    progress: EventHandler = ignore_events,
) -> list[TrainedOrganism]:
    """Trains organisms; complete ones are reused.

    Args:
        jobs: the organisms to train, see ``plan_jobs``.
        workers: processes; one per core by default.
        progress: called with every organism's events, in the caller's own thread.

    Returns:
        One organism per job, in order.

    Raises:
        IncompleteError: a worker was killed; the same call again continues.
    """
    return run_units(_train_job, jobs, workers=workers, progress=progress)


def _train_job(job: TrainingJob, progress: EventHandler) -> TrainedOrganism:
    return train_organism(job.recipe, job.out, seed=job.seed, progress=progress)
