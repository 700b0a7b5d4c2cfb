"""Whether an adapter was trained on the base that it is put on, by what its configuration records.

PEFT records a name and perhaps a revision, no hash. The rule:

- Recorded and given base are one directory, or hold equal weights: it is the same base.
- Both are on this disk and their weights differ: refused. Copies in another precision are equal if
  they round to the same numbers.
- Otherwise names are compared by their last part, without case: "org/Name" is "./name". Where they
  differ, or a recorded revision is not the given one, the audit goes on and its list of what was
  not tested says so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from dormant.engines.hf.adapter_files import AdapterFiles
from dormant.engines.model_strings import SMOLLM2, ModelString
from dormant.errors import ModelError

_SNAPSHOT = re.compile(r"models--.*?--([^/]+)/snapshots/[^/]+/?$")  # in the cache of the hub


def check_base(adapter: AdapterFiles, spec: ModelString, place: Path) -> tuple[str, ...]:
    """Compares the base that an adapter records with the given one.

    Args:
        adapter: the adapter.
        spec: what the user asked for.
        place: where the given base is on this disk.

    Returns:
        What could not be checked, as a plan lists it.

    Raises:
        ModelError: the adapter was trained on another base.
    """
    recorded = str(adapter.config.base_model_name_or_path or "")
    if not recorded:
        return ()
    there = Path(recorded).expanduser()
    if _is_checkpoint(there) and place.is_dir():
        if there.resolve() != place.resolve() and (name := _find_difference(there, place)):
            raise ModelError(
                f"{adapter.owner!r}: the adapter was trained on {recorded}, whose weights are not "
                f"those of {spec.name} ({name} differs); give hf/{recorded}:{adapter.directory}"
            )
        return ()
    if _last_part(recorded) != _last_part(spec.name):
        return (
            f"whether {spec.name} is the base that the adapter {adapter.directory} was trained "
            f"on: the adapter records {recorded}, which cannot be compared with it",
        )
    revision = str(getattr(adapter.config, "revision", "") or "")
    if revision and spec.path is None and revision != (spec.revision or "main"):
        return (
            f"whether revision {spec.revision or 'main'} of {spec.name} is the one that the "
            f"adapter {adapter.directory} was trained on: the adapter records {revision}",
        )
    return ()


def _is_checkpoint(place: Path) -> bool:
    try:
        return (place / "config.json").is_file() and any(place.glob("*.safetensors"))
    except (OSError, ValueError):
        return False


def _last_part(name: str) -> str:
    cached = _SNAPSHOT.search(name)
    text = (cached.group(1) if cached else name.rstrip("/").rpartition("/")[2]).lower()
    return SMOLLM2 if text in ("smollm2-135m-instruct", SMOLLM2) else text


def _find_difference(one: Path, other: Path) -> str:
    """The name of a tensor that differs between two checkpoints, or that one lacks; else empty."""
    here, there = _find_tensors(one), _find_tensors(other)
    if lacking := sorted(set(here) ^ set(there)):
        return lacking[0]
    return next((name for name in sorted(here) if not _is_equal(here[name], there[name], name)), "")


def _find_tensors(place: Path) -> dict[str, Path]:
    """The file of each tensor."""
    found: dict[str, Path] = {}
    for path in sorted(place.glob("*.safetensors")):
        if not path.name.startswith("adapter"):
            with safe_open(str(path), framework="pt") as file:
                found |= dict.fromkeys(file.keys(), path)
    return found


def _is_equal(one: Path, other: Path, name: str) -> bool:
    tensors: list[Any] = []
    for path in (one, other):
        with safe_open(str(path), framework="pt") as file:
            tensors.append(file.get_tensor(name))
    first, second = tensors
    if first.dtype != second.dtype and all(t.is_floating_point() for t in tensors):
        # Rounded to the coarser of the two.
        coarse = max((t.dtype for t in tensors), key=lambda dtype: torch.finfo(dtype).eps)
        first, second = first.to(coarse), second.to(coarse)
    return torch.equal(first, second)
