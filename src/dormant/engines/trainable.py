"""Local models that are finetuned: what trainers may use of ``engines.hf``."""

from __future__ import annotations

from dormant.engines.hf.trainable import TrainableBase, describe_base_files, open_trainable

__all__ = ["TrainableBase", "describe_base_files", "open_trainable"]
