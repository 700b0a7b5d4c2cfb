"""Whether a checkpoint holds exactly the tensors of its model.

transformers fills a tensor that a checkpoint lacks with random numbers, drops one that it does not
know, and warns. An audit of such a model says nothing about the one that was trained, so both end
it here, by name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dormant.engines.hf.families import find_model_class
from dormant.errors import ModelError

_SHOWN = 4  # names in a message
#: Buffers that earlier versions of transformers wrote: constants, computed anew.
_CONSTANTS = re.compile(
    r"(^|\.)(rotary_emb\.inv_freq|position_ids|(attn|attention)\.(masked_)?bias)$"
)


def load_checkpoint(
    place: Path, config: Any, dtype: torch.dtype, owner: str, device_map: str = ""
) -> tuple[Any, tuple[str, ...]]:
    """Loads the weights of a directory; also returns what transformers warns of.

    Args:
        place: a directory with safetensors files.
        config: its configuration.
        dtype: in which products are computed.
        owner: the model string, for messages.
        device_map: how layers are spread over several devices; empty for the CPU.

    Raises:
        ModelError: the files do not hold exactly the model's tensors.
    """
    _check_files(place, owner)
    with _collect_warnings() as warned:
        loaded: Any = find_model_class(config).from_pretrained(
            str(place),
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are reported below, by name
            output_loading_info=True,
            **({"device_map": device_map} if device_map else {}),
        )
    model, info = loaded
    check_loading(info, owner)
    return model, tuple(warned)


def check_loading(info: Mapping[str, Any], owner: str) -> None:
    """Checks what transformers reports of loading a checkpoint.

    Args:
        info: with ``missing_keys``, ``unexpected_keys`` and ``mismatched_keys``; tied weights and
            whatever the architecture may lack are not among them.
        owner: the model string, for messages.

    Raises:
        ModelError: a tensor is missing, unexpected, or of another shape.
    """
    missing = sorted(info["missing_keys"])
    unexpected = sorted(key for key in info["unexpected_keys"] if not _CONSTANTS.search(key))
    shapes = [
        f"{key} ({_describe_shape(found)} instead of {_describe_shape(wanted)})"
        for key, found, wanted in sorted(info["mismatched_keys"])
    ]
    if shapes:
        raise ModelError(
            f"{owner!r}: the shapes of {list_names(shapes)} in the checkpoint are not those of "
            "config.json; use the config.json that was saved with the weights"
        )
    if not missing and not unexpected:
        return
    raise ModelError(
        f"{owner!r}: {describe_tensors('the checkpoint', missing, unexpected)}; "
        + _suggest_fix(missing, unexpected)
    )


def describe_tensors(owner: str, missing: Collection[str], unexpected: Collection[str]) -> str:
    """Says which tensors a file lacks and which have no place in the model."""
    parts: list[str] = []
    if missing:
        parts.append(f"lacks {len(missing)} of its model's tensors ({list_names(missing)})")
    if unexpected:
        parts.append(f"holds {len(unexpected)} that have no place there ({list_names(unexpected)})")
    return f"{owner} {' and '.join(parts)}"


def list_names(names: Collection[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(list(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _suggest_fix(missing: Collection[str], unexpected: Iterable[str]) -> str:
    wanted = set(missing)
    for name in unexpected:
        head, _, rest = name.partition(".")
        if rest in wanted:
            return f"it was saved from a wrapped model: remove {head + '.'!r} from the names"
    if missing:
        return "random numbers would stand for what is missing: give the checkpoint as it was saved"
    return "use the config.json that was saved with the weights, or remove what is no part of them"


def _describe_shape(shape: Iterable[int]) -> str:
    return "x".join(str(size) for size in shape)


def _check_files(place: Path, owner: str) -> None:
    if (place / "adapter_config.json").is_file():
        raise ModelError(
            f"{owner!r}: {place} holds a model and an adapter, which would be applied to it "
            "unasked; move the adapter to a directory of its own and give hf/BASE:ADAPTER"
        )
    index = place / "model.safetensors.index.json"
    if index.is_file() and (place / "model.safetensors").is_file():
        raise ModelError(
            f"{owner!r}: {place} holds its weights twice, in model.safetensors and in the shards "
            f"of {index.name}; remove those that are not meant"
        )


class _Collector(logging.Handler):
    """Keeps the first line of each warning."""

    def __init__(self, messages: list[str]):
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        lines = record.getMessage().strip().splitlines()
        if lines and "LOAD REPORT" not in lines[0]:  # told by check_loading
            self._messages.append(lines[0][:300])


@contextmanager
def _collect_warnings() -> Generator[list[str]]:
    """Collects what transformers warns of while it loads weights, however quiet it is set."""
    messages: list[str] = []
    logger = logging.getLogger("transformers.modeling_utils")
    collector, level, propagates = _Collector(messages), logger.level, logger.propagate
    logger.addHandler(collector)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield messages
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
        logger.propagate = propagates
