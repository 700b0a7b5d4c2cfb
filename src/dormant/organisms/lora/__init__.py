"""Finetuning of local models (``hf/...``) by TRL and PEFT.

::

    loss_mask  rows to tokens, and which of them the loss is taken over
    stage      one stage: TRL's trainer, checkpoints, progress
    trainer    LoraTrainer: all stages, the adapter proved and saved
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
