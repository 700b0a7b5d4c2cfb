"""The parts of ``engines.hf`` that trainers may use."""

from __future__ import annotations

from dormant.engines.hf.served_format import ServedFormat, read_served_format
from dormant.engines.hf.trainable import TrainableBase, describe_base_files, open_trainable

__all__ = [
    "ServedFormat",
    "TrainableBase",
    "describe_base_files",
    "open_trainable",
    "read_served_format",
]
