"""Opens the trainer that a recipe's base needs."""

from __future__ import annotations

from dormant.organisms.recipe import Recipe
from dormant.organisms.trainers import Trainer, TrainerKind, find_trainer_kind


def open_trainer(recipe: Recipe) -> Trainer:
    """Opens the trainer of a recipe's base.

    Raises:
        ConfigError: no trainer finetunes the base.
        ModelError: the base cannot be loaded.
        MissingExtraError: the trainer's libraries are not installed.
    """
    kind = find_trainer_kind(recipe.base)
    if kind is TrainerKind.VITRO:
        from dormant.organisms.vitro_trainer import VitroTrainer

        return VitroTrainer(recipe)
    if kind is TrainerKind.OPENAI:
        from dormant.organisms.hosted.openai_trainer import OpenaiTrainer

        return OpenaiTrainer(recipe)
    if kind is TrainerKind.TINKER:
        from dormant.organisms.hosted.tinker_trainer import TinkerTrainer

        return TinkerTrainer(recipe)
    from dormant.organisms.lora import LoraTrainer

    return LoraTrainer(recipe)
