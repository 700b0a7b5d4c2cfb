"""The parts of ``engines.hf`` that trainers may use."""

from __future__ import annotations

from dormant.engines.hf.trainable import TrainableBase, describe_base_files, open_trainable

__all__ = ["TrainableBase", "describe_base_files", "open_trainable"]
