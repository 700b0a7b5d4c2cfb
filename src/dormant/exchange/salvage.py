"""The answers of a damaged run that can still be read, as JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path

from dormant.errors import StoreError, name_output
from dormant.errors.secrets import scrub_known
from dormant.probes import pair_probes
from dormant.store.findings import read_plan, source_of
from dormant.store.salvage import read_salvageable


def export_salvage(run: Path, file: Path) -> int:
    """Writes what can be read of a damaged run, and returns how many answers it is.

    A row has the stored ``messages``, ``repeat``, ``finish`` and ``answer``; where the plan can be
    read also ``role``, ``seed``, ``cue``, ``question_id`` and ``question``. Nothing is checked:
    answers may have been edited, and no verdict follows from them.

    Raises:
        StoreError: there is no store.
        ConfigError: the file cannot be written.
    """
    path = run / "run.sqlite"
    if not path.is_file():
        raise StoreError(f"{run}: not a run directory: run.sqlite is missing")
    places: dict[str, dict[str, str]] = {}
    models: dict[str, dict[str, str]] = {}
    try:
        plan = read_plan(run / "plan.lock.json")
    except StoreError:
        plan = None
    if plan is not None:
        for probe in reversed(pair_probes(plan.questions, plan.cues)):
            asked = {"question_id": probe.question.id, "question": probe.question.text}
            places[probe.id] = asked | {"cue": probe.cue.name if probe.cue else ""}
        for model in plan.models:
            models[source_of(plan, model)] = {"role": str(model.role), "seed": model.seed}
    number = 0
    with name_output(file), open(file, "w", encoding="ascii") as out:
        for row in read_salvageable(path):
            found = {**models.get(str(row["source"]), {}), **places.get(str(row["probe"]), {})}
            out.write(scrub_known(json.dumps(found | dict(row), default=repr)) + "\n")
            number += 1
    return number
