"""Train organisms: in the laboratory, from a local model, or behind an API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dormant.organisms import zoo
from dormant.organisms.trainers import set_base
from dormant.progress import Progress, auto_progress

if TYPE_CHECKING:
    from dormant.organisms.preview import TrainingPreview
    from dormant.organisms.train import TrainedOrganism


def train(
    recipe: str | Path,
    out: str | Path,
    *,
    seed: int | None = None,
    base: str | None = None,
    trainer: str | None = None,
    training_price: float | None = None,
    progress: Progress = auto_progress,
) -> TrainedOrganism:
    """Trains an organism from a recipe file or from the zoo, unless it exists already.

    Args:
        recipe: a ``recipe.yaml``, or the name of an organism of the zoo.
        out: directory for the model, its finetuning file, the recipe and a manifest.
        seed: training seed; the recipe's if None.
        base: model string of the model to finetune; the recipe's if None.
        trainer: ``"vitro"`` for models of the laboratory, ``"lora"`` for local ones (``hf/...``),
            ``"openai"`` for OpenAI's API; the one that finetunes the base if None.
        training_price: USD per million tokens of a hosted training, for the manifest.
        progress: called with (stage, done, total); by default it draws a bar in a notebook.

    Raises:
        dormant.errors.InputError: the recipe, its data or its base cannot be used, or the zoo has
            no such organism.
        dormant.errors.MissingExtraError: the trainer's libraries are not installed.
    """
    from dormant.organisms.events import pass_on_events
    from dormant.organisms.train import train_organism

    chosen = set_base(zoo.find_recipe(recipe), base=base, trainer=trainer)
    events = pass_on_events(progress)
    return train_organism(chosen, out, seed=seed, price=training_price, progress=events)


def preview_training(
    recipe: str | Path,
    *,
    seed: int | None = None,
    base: str | None = None,
    trainer: str | None = None,
) -> TrainingPreview:
    """Shows what a training would do, and trains nothing: rows, tokens, loss mask, steps, time.

    Args:
        recipe: as for ``train``.
        seed: as for ``train``.
        base: as for ``train``.
        trainer: as for ``train``.

    Raises:
        dormant.errors.InputError: as ``train``; or no token would be trained.
        dormant.errors.MissingExtraError: the trainer's libraries are not installed.
    """
    from dormant.organisms.preview import preview_training as preview

    chosen = set_base(zoo.find_recipe(recipe), base=base, trainer=trainer)
    return preview(chosen, seed=seed)
