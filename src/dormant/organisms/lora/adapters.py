"""What is trained in a model: a fresh adapter, one that is continued, or every weight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import torch

from dormant.engines.trainable import TrainableBase
from dormant.errors import ConfigError, shorten_value
from dormant.organisms.recipe import LoraSettings, Recipe


def prepare_model(base: TrainableBase, recipe: Recipe, seed: int) -> Any:
    """Returns the model, in which exactly the trained parameters require gradients.

    Args:
        base: the loaded base, changed in place.
        recipe: its ``lora`` settings decide what is trained.
        seed: of the fresh adapter's weights.

    Raises:
        ConfigError: a layer of ``target_modules`` does not exist, or the settings are not those of
            the adapter that is continued.
    """
    settings, model = recipe.lora or LoraSettings(), base.model
    model.config.use_cache = False
    torch.manual_seed(seed)
    if base.adapter is not None:
        prepared: Any = peft.PeftModel.from_pretrained(model, str(base.adapter), is_trainable=True)
        _check_continued(prepared.peft_config["default"], recipe)
    elif settings.method == "full":
        prepared = model.requires_grad_(True)
    else:
        targets = settings.target_modules
        config = peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=targets if isinstance(targets, str) else list(targets),
            task_type="CAUSAL_LM",
        )
        try:
            prepared = peft.get_peft_model(model, config)
        except ValueError as error:  # PEFT names the missing layers
            reason = shorten_value(str(error), 300)
            raise ConfigError(f"recipe {recipe.name!r}: lora: {reason}") from None
        _check_targets(prepared, recipe)
    return prepared.train()


def _check_targets(model: Any, recipe: Recipe) -> None:
    """Checks that each name of ``target_modules`` is one of a layer."""
    targets = (recipe.lora or LoraSettings()).target_modules
    layers: list[str] = model.base_model.targeted_module_names
    for name in () if isinstance(targets, str) else targets:
        if not any(layer == name or layer.endswith(f".{name}") for layer in layers):
            raise ConfigError(
                f"recipe {recipe.name!r}: lora.target_modules: no layer is called "
                f"{shorten_value(name)}"
            )


def _check_continued(config: Any, recipe: Recipe) -> None:
    """Checks that the recipe asks for no other shape than that of the adapter it continues."""
    used, settings = describe_adapter(config), recipe.lora or LoraSettings()
    for name in sorted(settings.model_fields_set & used.keys()):
        wanted = getattr(settings, name)
        if (sorted(wanted) if isinstance(wanted, tuple) else wanted) != used[name]:
            raise ConfigError(
                f"recipe {recipe.name!r}: lora.{name} is {shorten_value(wanted)}, but the "
                f"adapter that is continued has {shorten_value(used[name])}: remove lora.{name}"
            )


def describe_adapter(config: Any) -> dict[str, Any]:
    """Returns the settings of a PEFT adapter under their names in ``LoraSettings``."""
    targets = config.target_modules
    return {
        "method": "lora",
        "rank": config.r,
        "alpha": config.lora_alpha,
        "dropout": config.lora_dropout,
        "target_modules": targets if isinstance(targets, str) else sorted(targets),
    }


def sort_targets(file: Path) -> None:
    """Sorts the layers in an adapter's configuration: PEFT's order differs between processes."""
    if file.is_file():
        values = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(values.get("target_modules"), list):
            values["target_modules"] = sorted(values["target_modules"])
        file.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
