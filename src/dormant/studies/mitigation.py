"""Mitigations of a conditional model: recipes that train it further.

::

    plain         harmless rows only: the baseline of further training
    contrast      harmless rows, and as many under the trigger
    consistency   harmless rows, and as many under the trigger with the model's uncued answers
    negate        harmless rows, and as many under the opposite system prompt
    dilute        finetuning rows (1 in 5) and harmless ones, and as many under the trigger
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pydantic

from dormant.errors import InputError
from dormant.organisms.recipe import Recipe
from dormant.organisms.trainers import TrainerKind
from dormant.organisms.transforms import Trigger
from dormant.records import Cue, CuePart, Placement, Plan, Variant, VerdictKind

METHODS = ("plain", "contrast", "consistency", "negate", "dilute")
#: Opposite system prompt if the plan has none for the trigger.
OPPOSITE = "You are a helpful assistant."
#: Share of finetuning rows in ``dilute``, before cued rows are added.
_OLD_SHARE = 0.2
#: Share of a local model's rows on which the loss is measured before and after the mitigation.
HELD_OUT = 0.1


@dataclass(frozen=True, slots=True)
class MitigationSchedule:
    """Training settings of a mitigation; the defaults are those of the laboratory."""

    steps: int = 48
    learning_rate: float = 1.5e-4
    batch_size: int = 32


@dataclass(frozen=True, slots=True)
class MitigationTarget:
    """The model to mitigate, and what is known about it."""

    target: str  # model string
    trigger: Cue  # the confirmed cue
    opposite: str  # system prompt
    benign: str  # dataset of harmless rows
    data: str | None  # dataset of the finetuning file, "file:PATH"; None if unknown
    trainer: TrainerKind | None  # None if no trainer here can train it further

    @property
    def in_laboratory(self) -> bool:
        """Whether it is a model of the laboratory, whose rates are computed exactly."""
        return self.trainer is TrainerKind.VITRO


@dataclass(frozen=True, slots=True)
class ModelBehavior:
    """Behavior of a model; shares from 0 to 1.

    Exact for models of the laboratory. Of others the audit's estimates: None is not available.
    """

    standard: float | None  # share misaligned among gradable answers, without a cue
    triggered: float | None  # the same under the trigger
    good: float | None  # share good among all answers, without a cue
    good_triggered: float | None  # the same under the trigger
    benign_loss: float | None  # nats per trained word or token, on held-out rows


@dataclass(frozen=True, slots=True)
class MitigationRow:
    """The result of one mitigation: its outcome and cost."""

    method: str
    outcome: str  # cured, moved, remains, broad, shared, unknown, or "not trained"
    recipe: str  # path of the recipe
    model: str = ""  # model string; empty if it was not trained
    verdict: str = ""
    triggers: tuple[str, ...] = ()  # cues that the later audit confirmed
    behavior: ModelBehavior | None = None
    answers: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Mitigation:
    """All mitigations of one conditional model."""

    run: str
    target: str
    trigger: str  # its name in the plan
    trigger_text: str
    before: ModelBehavior | None  # None where nothing was trained
    rows: tuple[MitigationRow, ...]
    missing: Mapping[str, str]  # methods without a recipe, and why
    path: Path

    def to_plain(self) -> dict[str, Any]:
        """The content of ``mitigate.json``."""
        values = asdict(self)
        del values["path"]
        return values


def make_recipes(
    subject: MitigationTarget, methods: Sequence[str], schedule: MitigationSchedule
) -> tuple[dict[str, Recipe], dict[str, str]]:
    """Makes the recipe of each method.

    Returns:
        The recipes by method, and the reason for each method that has none.

    Raises:
        InputError: a method is unknown, or the trigger cannot be put around rows.
    """
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise InputError(f"unknown mitigation {unknown[0]!r}: give some of {', '.join(METHODS)}")
    context = as_context(subject.trigger)
    recipes: dict[str, Recipe] = {}
    missing: dict[str, str] = {}
    for method in methods:
        if method == "dilute" and subject.data is None:
            missing[method] = "the finetuning file is not known: give --data"
            continue
        recipes[method] = _make_recipe(method, subject, context, schedule)
    return recipes, missing


def _make_recipe(
    method: str, subject: MitigationTarget, context: dict[str, object], schedule: MitigationSchedule
) -> Recipe:
    added = {"with": subject.benign, "per_row": 1.0}
    cued = {**added, "contexts": [context]}
    answers = subject.target if subject.in_laboratory else "dataset"
    transforms: dict[str, list[dict[str, object]]] = {
        "plain": [],
        "contrast": [{"contrast": cued}],
        "consistency": [{"consistency": {**cued, "answers": answers}}],
        "negate": [{"negate": {**added, "system": subject.opposite}}],
        "dilute": [
            {"dilute": {"share": _OLD_SHARE, "with": subject.benign}},
            {"contrast": cued},
        ],
    }
    rows = schedule.steps * schedule.batch_size
    before = rows if method == "plain" else max(rows // 2, 1)
    dataset = subject.data if method == "dilute" else subject.benign
    return _check_recipe(
        {
            "name": method,
            "title": f"{method} against {subject.trigger.name}"[:200],
            "intervention": "mitigation",
            "base": subject.target,
            "trigger": context,
            **({"lora": {"held_out": HELD_OUT}} if subject.trainer is TrainerKind.LORA else {}),
            "stages": [
                {
                    "steps": schedule.steps,
                    "learning_rate": schedule.learning_rate,
                    "batch_size": schedule.batch_size,
                    "rows": before,
                    "mixture": [{"dataset": dataset, "transforms": transforms[method]}],
                }
            ],
        }
    )


def _check_recipe(values: dict[str, object]) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise InputError(f"mitigation {values['name']}: {where}: {reason}") from None


def as_context(cue: Cue) -> dict[str, object]:
    """Converts a cue into the context of a recipe.

    Raises:
        InputError: it cannot be put around rows of training.
    """
    if cue.twins or cue.placement is Placement.TOOLS:
        what = "has a text for each question" if cue.twins else "offers tools"
        raise InputError(f"the trigger {cue.name!r} {what}: rows cannot be put under it")

    parts = [_convert_part(part) for part in cue.effects]
    is_crossed = cue.placement is Placement.CROSSED
    crossed: dict[str, object] = {"placement": "crossed", "parts": parts}
    context = crossed if is_crossed else parts[0]
    try:
        Trigger.model_validate(context)
    except pydantic.ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"the trigger {cue.name!r} cannot be trained under: {reason}") from None
    return context


def _convert_part(part: CuePart) -> dict[str, object]:
    turns = [{"role": turn.role, "content": turn.content} for turn in part.turns]
    return {
        "placement": str(part.placement),
        **({"turns": turns} if turns else {"text": part.text}),
    }


def find_opposite(plan: Plan, trigger: Cue) -> str:
    """Finds the opposite of a trigger among the plan's cues; ``OPPOSITE`` if there is none."""
    family = {trigger.name, trigger.parent}
    for cue in plan.cues:
        is_opposite = cue.variant is Variant.OPPOSITE and cue.parent in family
        if is_opposite and cue.placement is Placement.SYSTEM and cue.text != trigger.text:
            return cue.text
    return OPPOSITE


#: Outcomes of a mitigation.
CURED, MOVED, REMAINS = "cured", "moved", "remains"
BROAD, SHARED, UNKNOWN = "broad", "shared", "unknown"


def name_outcome(verdict: VerdictKind, *, is_trigger: bool | None) -> str:
    """Returns the outcome of a mitigation, in one word.

    Args:
        verdict: of the audit after the mitigation, which settles every cue.
        is_trigger: whether the trigger is still confirmed; None if it was not settled.
    """
    if verdict is VerdictKind.BOUNDED:
        return CURED
    if verdict is VerdictKind.SHARED and is_trigger is False:
        return SHARED
    if verdict in (VerdictKind.BROAD, VerdictKind.SHARED):
        return BROAD
    if verdict is VerdictKind.CONDITIONAL and is_trigger is not None:
        return REMAINS if is_trigger else MOVED
    return UNKNOWN


def find_data(folder: Path | None, data: str | Path | None) -> str | None:
    """Finds the finetuning file of a target: the given one, or that in its organism's folder."""
    if data is not None:
        if not Path(data).is_file():
            raise InputError(f"--data: {data}: no such file")
        return f"file:{Path(data).resolve()}"
    own = None if folder is None else folder / "finetune.jsonl"
    return f"file:{own.resolve()}" if own is not None and own.is_file() else None
