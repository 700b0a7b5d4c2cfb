"""What makes a local model answer as it does, as one hash.

Whole files are hashed. A sample of the weights would be faster, but an adapter or a finetune may
change any of them, and reading a file to load it costs more than hashing it (about 1 GB/s).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dormant.engines.hf.file_hash import hash_file
from dormant.errors import ModelError
from dormant.records import hash_value

_DECODER = 1  # raised when the same seed would draw other answers
_READ = ("*.safetensors", "*.gguf", "*.json", "*.model", "*.jinja")
_NOT_READ = {"contents.json", "README.md"}


def compute_fingerprint(
    base: Path,
    *,
    adapter: Path | None,
    revision: str,
    dtype: torch.dtype,
    template: Any,
    peculiarities: Mapping[str, object],
) -> str:
    """Hash of weights, configuration, tokenizer, chat template, adapter, revision and precision.

    Args:
        base: directory of the base model, or its GGUF file.
        adapter: directory of the adapter.
        revision: as the user gave it.
        dtype: in which products are computed.
        template: the chat template.
        peculiarities: what else of the chat format changes prompts or answers.

    Returns:
        32 hex digits. Where files are kept does not matter, nor what they are called.
    """
    try:
        parts: dict[str, Any] = {
            "decoder": _DECODER,
            "base": hash_contents(base),
            "adapter": None if adapter is None else hash_contents(adapter),
            "revision": revision,
            "dtype": str(dtype),
            "template": template,
        }
        if peculiarities:  # most models have none, and keep the fingerprint that they had
            parts["peculiarities"] = peculiarities
    except OSError as error:
        raise ModelError(f"{base} cannot be read: {error}") from None
    return hash_value(parts)[:32]


def hash_contents(place: Path) -> dict[str, str]:
    """SHA-256 of each file of a checkpoint or adapter that decides what the model answers."""
    if place.is_file():
        return {"gguf": hash_file(place)}
    files = sorted({file for pattern in _READ for file in place.glob(pattern)})
    return {file.name: hash_file(file) for file in files if file.name not in _NOT_READ}
