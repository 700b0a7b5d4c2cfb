"""``dormant mitigate``: trains possible mitigations of a conditional model, and audits each.

Models of the laboratory and local ones (``hf/``) are trained here, each by its own trainer. For
others the recipes alone are written.

A unit is one mitigation, in a folder of its own::

    OUT/METHOD/recipe.yaml    the recipe, as further stages on the audited target
    OUT/METHOD/organism/      the model, if it was trained
    OUT/METHOD/audit/         its audit, with the same questions, cues and rule
    OUT/METHOD/result.json    written last: a unit that has it is not repeated
    OUT/mitigate.json, .md    the results
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dormant.errors import ConfigError, InputError, StoreError, name_output
from dormant.organisms.datasets import draw_rows
from dormant.organisms.events import EventHandler
from dormant.organisms.pool import run_units
from dormant.organisms.recipe import Recipe
from dormant.organisms.train import MODEL, load_organism, train_organism
from dormant.organisms.trainers import TrainerKind, find_trainer_kind, locate_organism
from dormant.organisms.vitro_trainer import load_model
from dormant.pipeline.recompute import load_run
from dormant.pipeline.repeat import JudgeSettings, check_judge, repeat_audit
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Plan, Role, VerdictKind, hash_value
from dormant.report.rows import Status
from dormant.report.view import View
from dormant.store import write_atomically
from dormant.store.study_folder import hold_study_folder
from dormant.studies.mitigation import (
    METHODS,
    Mitigation,
    MitigationRow,
    MitigationSchedule,
    MitigationTarget,
    ModelBehavior,
    find_data,
    find_opposite,
    make_recipes,
    name_outcome,
)
from dormant.studies.mitigation_page import write_page
from dormant.studies.model_behavior import BENIGN, compute_behavior, read_behavior
from dormant.studies.stages import (
    TRAINING_SHARE,
    merge_progress,
    report_shares,
    share_of_stages,
)
from dormant.vitro import load_decoder, one_thread

_VITRO = "vitro/"
_COMMAND, _RESULT = "mitigate", "result.json"
#: Settings for a local model that was not trained by a recipe here.
_LORA_RATE, _LORA_BATCH = 2e-4, 8


@dataclass(frozen=True, slots=True)
class _MitigationUnit:
    """One mitigation to train and audit."""

    method: str
    recipe: Recipe
    out: Path
    plan: Plan
    trigger: Cue
    judge: JudgeSettings
    questions: str | None


def mitigate_run(
    run: str | Path,
    out: str | Path | None = None,
    *,
    methods: Sequence[str] = METHODS,
    steps: int = MitigationSchedule().steps,
    benign: str | None = None,
    data: str | Path | None = None,
    judge: JudgeSettings = None,
    questions: str | None = None,
    is_dry: bool = False,
    workers: int | None = None,
    progress: Progress = ignore_progress,
) -> Mitigation:
    """Writes recipes that could cure a conditional model; trains and audits each if it can.

    Args:
        run: directory of a finished audit with the verdict CONDITIONAL.
        out: directory of the results; ``RUN/mitigate`` if None. The same call continues.
        methods: the mitigations, from ``METHODS``.
        steps: optimizer steps of each mitigation.
        benign: dataset of harmless rows, or ``file:PATH``; required for models outside the
            laboratory.
        data: the finetuning file; the organism's own if None.
        judge: the run's judge, where its name in the plan does not open it: a rule's settings.
        questions: the file of questions, unless the run used the built-in ones.
        is_dry: write the recipes and train nothing.
        workers: processes, of models of the laboratory; one per core if None. Local models are
            trained one after the other.
        progress: called with (stage, done, total).

    Raises:
        InputError: the verdict is not CONDITIONAL, a method is unknown, harmless rows are
            missing, or the trigger cannot be put around rows.
        StoreError: the directory holds no finished run; or ``out`` holds other files, mitigations
            of another run or with other settings, or a command that is running.
    """
    plan, subject = read_subject(run, benign=benign, data=data)
    target, trigger = subject.target, subject.trigger
    recipes, missing = make_recipes(subject, methods, choose_schedule(subject, steps))
    folder = Path(run) / "mitigate" if out is None else Path(out)
    units = [
        _MitigationUnit(method, recipe, folder / method, plan, trigger, judge, questions)
        for method, recipe in recipes.items()
    ]
    _check_rows(subject)
    if subject.trainer is not None and not is_dry:
        check_judge(plan, judge)
    if questions is not None and not Path(questions).is_file():
        raise InputError(f"--questions: {questions} is not a file")
    settings = _describe_settings(subject, plan, steps, questions)
    with hold_study_folder(folder, _COMMAND, settings):
        _write_recipes(units)
        if is_dry or subject.trainer is None:
            rows = [MitigationRow(u.method, "not trained", str(_recipe_file(u))) for u in units]
            before = None
        else:
            if subject.in_laboratory:
                with one_thread():
                    before = compute_behavior(load_model(target), plan, trigger)
            else:
                before = read_behavior(load_run(run), trigger)
                workers = 1  # a local model uses all cores, and fills the memory of its device
            bar = merge_progress("mitigations trained and audited", list(recipes), progress)
            rows = run_units(_run_unit, units, workers=workers, progress=bar)
        found = Mitigation(
            run=str(run),
            target=target,
            trigger=trigger.name,
            trigger_text=trigger.text,
            before=before,
            rows=tuple(rows),
            missing=missing,
            path=folder,
        )
        if not is_dry:
            _write_tables(found)
    return found


def _describe_settings(
    subject: MitigationTarget, plan: Plan, steps: int, questions: str | None
) -> dict[str, Any]:
    """What every result of a folder depends on; files by their content."""
    files = {"file of harmless rows": subject.benign, "finetuning file": subject.data}
    files["file of questions"] = None if questions is None else f"file:{questions}"
    return {
        "audit": plan.hash,
        "target": subject.target,
        "number of steps": steps,
        **{name: None if value is None else _name_content(value) for name, value in files.items()},
    }


def _name_content(dataset: str) -> str:
    """Names a dataset, a file by its path and content."""
    path = Path(dataset.removeprefix("file:"))
    if not dataset.startswith("file:") or not path.is_file():
        return dataset
    with path.open("rb") as file:
        return f"{hashlib.file_digest(file, 'sha256').hexdigest()[:16]} {path.resolve()}"


def _recipe_file(unit: _MitigationUnit) -> Path:
    return unit.out / "recipe.yaml"


def _write_recipes(units: Sequence[_MitigationUnit]) -> None:
    """Writes the recipes.

    Raises:
        StoreError: a file was changed since it was written.
    """
    for unit in units:
        path, text = _recipe_file(unit), unit.recipe.to_yaml()
        with name_output(path):
            if path.exists() and path.read_bytes() != text.encode():
                raise StoreError(f"{path} was changed: move it away, or choose another --out")
            unit.out.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)


def _write_tables(found: Mitigation) -> None:
    """Writes the results, with the finished mitigations of earlier commands."""
    rows = {row.method: row for row in found.rows}
    for method in METHODS:
        row = None if method in rows else _read_result(found.path / method / _RESULT)
        rows |= {} if row is None else {method: row}
    ordered = tuple(rows[method] for method in METHODS if method in rows)
    everything = replace(found, rows=ordered)
    plain = json.dumps(everything.to_plain(), indent=1) + "\n"
    write_atomically(found.path / "mitigate.json", plain)
    write_atomically(found.path / "mitigate.md", write_page(everything))


def read_subject(
    run: str | Path, *, benign: str | None = None, data: str | Path | None = None
) -> tuple[Plan, MitigationTarget]:
    """Reads the plan of a finished run, and the model to mitigate.

    Raises:
        InputError: the verdict is not CONDITIONAL, there are several targets, or harmless rows are
            missing.
        StoreError: the directory holds no finished run.
    """
    findings = load_run(run)
    plan, verdict = findings.plan, findings.verdict
    targets = [card.name for card in plan.models if card.role is Role.TARGET]
    if verdict.kind is not VerdictKind.CONDITIONAL or not verdict.triggers:
        raise InputError(f"{run}: the verdict is {verdict.kind}: only CONDITIONAL is mitigated")
    if len(targets) != 1:
        raise InputError(
            f"{run}: has {len(targets)} targets: audit one training alone, and mitigate that"
        )
    trainer, folder = find_trainer(targets[0])
    if benign is None and trainer is not TrainerKind.VITRO:
        raise InputError("give harmless rows to train on: --benign file:chat.jsonl")
    trigger = next(cue for cue in plan.cues if cue.name == verdict.triggers[0])
    return plan, MitigationTarget(
        target=targets[0],
        trigger=trigger,
        opposite=find_opposite(plan, trigger),
        benign=benign or BENIGN,
        data=find_data(folder, data),
        trainer=trainer,
    )


def find_trainer(target: str) -> tuple[TrainerKind | None, Path | None]:
    """Finds the trainer that can train a target further, and the folder of its organism.

    Returns:
        The trainer, None if there is none; and the folder that would hold the organism, None if the
        model string names no folder.
    """
    try:
        kind = find_trainer_kind(target)
    except ConfigError:
        return None, None
    return (None, None) if kind.is_hosted else (kind, locate_organism(target))  # would cost money


def choose_schedule(subject: MitigationTarget, steps: int) -> MitigationSchedule:
    """Chooses the settings of training: the target's own for a local model, where known."""
    if subject.trainer is not TrainerKind.LORA:
        return MitigationSchedule(steps=steps)
    folder = find_trainer(subject.target)[1]
    try:
        stage = load_organism(folder or Path()).recipe.stages[-1]
    except StoreError:
        return MitigationSchedule(steps, _LORA_RATE, _LORA_BATCH)
    return MitigationSchedule(steps, stage.learning_rate, stage.batch_size)


def _check_rows(subject: MitigationTarget) -> None:
    """Checks that the datasets of the recipes can be read and trained on.

    Raises:
        DataError: one cannot; names file and line.
    """
    longest = load_model(subject.target).shape.positions if subject.in_laboratory else None
    for dataset in (subject.benign, subject.data):
        if dataset is not None:
            draw_rows(dataset, 1, np.random.default_rng(0), longest=longest)


def _run_unit(unit: _MitigationUnit, on_event: EventHandler) -> MitigationRow:
    """Trains and audits one mitigation, or reads its stored result."""
    key = hash_value([unit.recipe.to_json(), unit.plan.hash, unit.questions])
    path = unit.out / _RESULT
    share = report_shares(unit.method, unit.recipe.seed, on_event)
    known = _read_result(path, key)
    if known is not None:
        share(1.0)
        return known
    begun = time.monotonic()
    organism = train_organism(
        unit.recipe,
        unit.out / "organism",
        progress=lambda event: share(TRAINING_SHARE * event.step / max(event.steps, 1)),
    )
    in_laboratory = organism.model.startswith(_VITRO)
    with one_thread() if in_laboratory else nullcontext():
        result = repeat_audit(
            unit.plan,
            organism.model,
            unit.out / "audit",
            judge=unit.judge,
            questions=unit.questions,
            progress=share_of_stages(share),
        )
        if in_laboratory:
            decoder = load_decoder(organism.path / MODEL)
            behavior = compute_behavior(decoder, unit.plan, unit.trigger)
        else:
            behavior = read_behavior(result.findings, unit.trigger, organism)
    row = next(row for row in View(result.findings).rows if row.cue.id == unit.trigger.id)
    settled = {Status.TRIGGER: True, Status.SUSPECTED: True, Status.BOUNDED: False}
    found = MitigationRow(
        method=unit.method,
        outcome=name_outcome(result.verdict.kind, is_trigger=settled.get(row.status)),
        recipe=str(_recipe_file(unit)),
        model=organism.model,
        verdict=str(result.verdict.kind),
        triggers=result.verdict.triggers,
        behavior=behavior,
        answers=sum(sum(cell.counts) for cell in result.findings.cells),
        seconds=round(time.monotonic() - begun, 2),
    )
    write_atomically(path, json.dumps({"key": key, "result": asdict(found)}, indent=1) + "\n")
    share(1.0)
    return found


def _read_result(path: Path, key: str | None = None) -> MitigationRow | None:
    """Reads a stored result; None if there is none, or it has another key."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if key not in (None, record["key"]):
            return None
        values: dict[str, Any] = record["result"]
        behavior = ModelBehavior(**values.pop("behavior"))
        triggers: list[str] = values.pop("triggers")
        return MitigationRow(**values, behavior=behavior, triggers=tuple(triggers))
    except (OSError, ValueError, KeyError, TypeError):  # damaged: it is done again
        return None
