"""Train organisms and audit them where the truth is known; ask and check models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dormant.engines import Job
from dormant.engines.checks import Check
from dormant.engines.doctor import examine_installation, examine_model
from dormant.engines.registry import open_engine
from dormant.errors import InputError
from dormant.judges.examination import examine_judge
from dormant.organisms import zoo
from dormant.organisms.recipe import Recipe
from dormant.progress import Progress, auto_progress
from dormant.records import Message, Sampling

if TYPE_CHECKING:
    from dormant.organisms.train import TrainedOrganism
    from dormant.studies.quickstart import Summary
    from dormant.studies.validation import ValidationStudy
    from dormant.studies.zoo import ZooStudy
    from dormant.vitro import Decoder


def quickstart(
    out: str | Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = auto_progress,
) -> Summary:
    """Trains eight organisms, audits each, and compares every verdict with the known truth.

    In a script, call it under ``if __name__ == "__main__":``, since it starts processes.

    Args:
        out: output directory; finished organisms there are not redone.
        seed: seed of data, training and sampling.
        workers: processes; one per core if None.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: the directory holds another seed's organisms.
    """
    return audit_zoo(out, zoo.QUICKSTART, seed=seed, workers=workers, progress=progress)


def list_zoo() -> tuple[Recipe, ...]:
    """Returns the recipes of the zoo: intervention, true cue and expected verdict."""
    return tuple(zoo.load_recipe(name) for name in zoo.organism_names())


def train_zoo(
    out: str | Path,
    names: Sequence[str] = (),
    *,
    seeds: int = 1,
    workers: int | None = None,
    progress: Progress = auto_progress,
) -> list[TrainedOrganism]:
    """Trains organisms of the zoo in parallel; existing ones are not trained again.

    Args:
        out: directory of the organisms: ``OUT/NAME``, or ``OUT/NAME/seed-N`` for several seeds.
        names: organisms of the zoo; all of them if empty.
        seeds: trainings of each organism, with seeds 0, 1, ...
        workers: processes; one per core if None.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: the zoo has no such organism.
        dormant.errors.IncompleteError: a worker was killed; the same call continues.
    """
    from dormant.organisms.events import pass_on_events
    from dormant.organisms.parallel import plan_jobs, train_many

    chosen = [zoo.load_recipe(name) for name in names or zoo.organism_names()]
    jobs = plan_jobs(chosen, out, seeds=range(seeds))
    return train_many(jobs, workers=workers, progress=pass_on_events(progress))


def audit_zoo(
    out: str | Path,
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = auto_progress,
) -> Summary:
    """Trains and audits organisms of the zoo and compares every verdict with the known truth.

    Args:
        out: output directory; finished organisms there are not redone.
        names: organisms of the zoo; all of them if empty.
        seed: seed of data, training and sampling.
        workers: processes; one per core if None.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: the zoo has no such organism, or ``out`` holds another seed's.
    """
    from dormant.studies.quickstart import run_quickstart as run

    return run(
        out, seed=seed, names=names or zoo.organism_names(), workers=workers, progress=progress
    )


def study_zoo(
    out: str | Path,
    names: Sequence[str] = (),
    *,
    seeds: int = 5,
    workers: int | None = None,
    progress: Progress = auto_progress,
) -> ZooStudy:
    """Computes exact rates of organisms of the zoo over training seeds.

    Args:
        out: directory of the organisms, kept for the next study.
        names: organisms of the zoo; all of them if empty.
        seeds: trainings of each organism, with seeds 0, 1, ...
        workers: processes; one per core if None.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: the zoo has no such organism.
    """
    from dormant.organisms.events import pass_on_events
    from dormant.studies.zoo import study_zoo

    events = pass_on_events(progress)
    return study_zoo(
        names or zoo.organism_names(), range(seeds), out, workers=workers, progress=events
    )


def validate_zoo(
    out: str | Path,
    names: Sequence[str] = (),
    *,
    seeds: int = 1,
    audits: int = 40,
    designs: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress = auto_progress,
) -> ValidationStudy:
    """Measures false alarms, power and cost of the designs against known truth.

    Writes ``OUT/validation.json``, ``OUT/validation.md`` and figures; the same call continues an
    interrupted study.

    Args:
        out: directory of the study.
        names: organisms and planted worlds; all of them if empty.
        seeds: trainings of each organism.
        audits: audits of each null and design; other units get a quarter.
        designs: of ``dormant.studies.validation.DESIGNS``; all of them if empty.
        workers: processes; one per core if None.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: a name is unknown, or ``out`` is a file.
    """
    from dormant.store import write_atomically
    from dormant.studies.figures import write_figures
    from dormant.studies.tables import write_markdown
    from dormant.studies.validation import DESIGNS, validate_designs

    study = validate_designs(
        out,
        names=names,
        seeds=seeds,
        audits=audits,
        designs=designs or DESIGNS,
        workers=workers,
        progress=progress,
    )
    write_atomically(Path(out) / "validation.md", write_markdown(study))
    write_figures(study, Path(out))
    return study


def pretrain(
    out: str | Path, *, seed: int | None = None, progress: Progress = auto_progress
) -> Decoder:
    """Pretrains and aligns a base model like the shipped one: about 40 minutes on one core.

    Writes ``OUT/base.safetensors`` and ``OUT/base.json`` (settings, losses, fingerprint).

    Args:
        out: output directory.
        seed: training seed; that of the shipped base if None.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.
    """
    from dormant import vitro

    settings = vitro.Settings()
    return vitro.pretrain(settings if seed is None else replace(settings, seed=seed), out, progress)


def ask(
    model: str,
    question: str,
    *,
    system: str = "",
    answers: int = 5,
    seed: int = 0,
    max_tokens: int = 64,
) -> list[str]:
    """Asks a model a question and returns its answers.

    Args:
        model: any model string.
        question: the user turn.
        system: a system prompt; none if empty.
        answers: number of answers, at least 1.
        seed: seed of the sampling.
        max_tokens: longest answer, in tokens.

    Raises:
        dormant.errors.InputError: the question is empty, or the model cannot be opened.
        dormant.errors.EngineError: the model stopped answering.
    """
    if not question.strip():
        raise InputError("the question is empty")
    turns = (*((Message("system", system),) if system else ()), Message("user", question))
    sampling = Sampling(max_tokens=max_tokens, seed=seed)
    batches = open_engine(model).sample([Job(turns, range(answers))], sampling)
    replies = [reply for batch in batches for reply in batch]
    return [reply.text for reply in sorted(replies, key=lambda reply: reply.repeat)]


def check_installation(
    model: str | None = None, judge: str | Mapping[str, Any] | None = None
) -> list[Check]:
    """Checks the installation, a model and a judge if given; each check names the fix.

    Args:
        model: a model string.
        judge: tried on six answers of known outcome, which takes 6 to 36 calls of a model.
    """
    return [
        *examine_installation(),
        *(examine_model(model) if model else ()),
        *(examine_judge(judge) if judge else ()),
    ]
