"""Finetuning of local models (``hf/...``) with TRL and PEFT.

::

    loss_mask  converts rows to tokens and a loss mask
    adapters   what is trained in a model
    stage      one stage: TRL's trainer, checkpoints, progress
    trainer    LoraTrainer: all stages; saves and verifies the adapter
"""

from __future__ import annotations

from dormant.errors import MissingExtraError

try:
    import peft as _peft  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import trl as _trl  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as error:
    raise MissingExtraError(error.name or "trl", "train") from None

from dormant.organisms.lora.trainer import LoraTrainer

__all__ = ["LoraTrainer"]
