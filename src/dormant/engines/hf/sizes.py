"""Sizes that a configuration states, compared with the files beside it before a model is built.

``config.json`` decides what is allocated: a wrong hidden size, or a million layers, would fill the
memory of this machine long before the weights turned out not to fit. The files of the weights
cannot lie about their size, so it is what a configuration is measured by.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from dormant.engines.hf.families import find_model_class
from dormant.errors import ModelError
from dormant.errors.files import read_limited

_LARGEST_CONFIG = 16 << 20  # bytes
#: Keys that count modules, of which each takes time and memory to build, and the most of each.
_LAYERS = re.compile(r"(num|n)_(\w+_)?(layers?|blocks)|depth")
_MODULES = re.compile(r"(num|n)_(\w+_)?(experts?|heads?|groups?|codebooks)")
_LABELS = re.compile(r"num_labels|(num|n)_(\w+_)?(classes|types)")
_MOST_LAYERS, _MOST_MODULES, _MOST_LABELS = 1024, 10_000, 100_000
#: Smallest part of a byte that one parameter is stored in, one bit, with the bytes of a header.
_PER_BYTE = 8
_SLACK = 1 << 20  # bytes


def check_config(place: Path, owner: str) -> None:
    """Checks what ``config.json`` counts, before transformers makes anything of it.

    Args:
        place: the directory of a checkpoint.
        owner: the model string, for messages.

    Raises:
        ModelError: it is too large, no JSON, or states what the weights cannot hold.
    """
    raw = read_limited(place / "config.json", _LARGEST_CONFIG)
    if len(raw) > _LARGEST_CONFIG:
        raise ModelError(f"{owner!r}: config.json is larger than {_LARGEST_CONFIG >> 20} MiB")
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError):
        raise ModelError(f"{owner!r}: config.json is not JSON; save the model again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{owner!r}: config.json holds no settings; save the model again")
    tensors, weights = _count_tensors(place, owner)
    most_layers = max(_MOST_LAYERS, tensors)
    layers = modules = 1
    for key, value in _list_numbers(config, ""):
        name = key.rpartition(".")[2]
        if _LAYERS.fullmatch(name):
            most, layers = most_layers, max(layers, value)
        elif _MODULES.fullmatch(name):
            most, modules = _MOST_MODULES, max(modules, value)
        elif _LABELS.fullmatch(name):
            most = _MOST_LABELS
        else:
            most = max(_PER_BYTE * weights, 1 << 32)
        if abs(value) > most:
            raise _describe_false(owner, f"{key} is {value:.4g}", tensors, weights)
    if layers * modules > max(10 * _MOST_MODULES, 2 * tensors):
        raise _describe_false(owner, f"{layers:,} layers of {modules:,} parts", tensors, weights)


def measure_model(config: Any, place: Path, owner: str) -> int:
    """Counts the parameters and buffers of the model that a configuration describes.

    The model is built without memory (on torch's ``meta`` device).

    Args:
        config: the configuration, checked by ``check_config``.
        place: the directory of the checkpoint.
        owner: the model string, for messages.

    Returns:
        Their number.

    Raises:
        ModelError: the files hold far too little for it.
    """
    tensors, weights = _count_tensors(place, owner)
    with torch.device("meta"):
        model: Any = find_model_class(config).from_config(config, trust_remote_code=False)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters > _PER_BYTE * (weights + _SLACK):
        raise _describe_false(owner, f"a model of {parameters:.3g} numbers", tensors, weights)
    return parameters + sum(buffer.numel() for buffer in model.buffers())


def check_ranks(settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Finds a rank in an adapter's settings that none of its tensors has; empty if there is none.

    Args:
        settings: of ``adapter_config.json``.
        shapes: of the tensors in the adapter's file.
    """
    most = max((size for shape in shapes.values() for size in shape), default=0)
    for key, value in _list_numbers(settings, ""):
        is_rank = key == "r" or "rank" in key or key.endswith("_r")
        if is_rank and abs(value) > max(most, 256):
            return f"{key} is {value:.4g}, and its largest tensor has {most:,} rows or columns"
    return ""


def _list_numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Yields the numbers of a configuration with the keys that lead to them."""
    if isinstance(value, Mapping):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _list_numbers(inner, f"{place}.{key}" if place else str(key))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list | tuple):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _list_numbers(inner, place)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield place, value if abs(value) < 1 << 1000 else float("inf")


def _count_tensors(place: Path, owner: str) -> tuple[int, int]:
    """How many tensors the files of a checkpoint hold, and how many bytes they have."""
    tensors = weights = 0
    for file in place.glob("*.safetensors"):
        weights += file.stat().st_size
        try:
            with safe_open(str(file), framework="pt") as opened:
                tensors += len(opened.keys())
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{owner!r}: {file.name} cannot be read ({str(error)[:200]}); give the checkpoint "
                "as it was saved"
            ) from None
    return tensors, weights


def _describe_false(owner: str, what: str, tensors: int, weights: int) -> ModelError:
    return ModelError(
        f"{owner!r}: config.json says {what}, and the checkpoint holds {tensors:,} tensors of "
        f"{weights / 1e6:,.1f} MB; use the config.json that was saved with the weights"
    )


def measure_free_memory(device: str) -> int:
    """Measures how many bytes can be allocated now."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    with contextlib.suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
