"""Forward passes of any causal language model, whatever arguments its ``forward`` takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

#: Names under which models take and return their cache.
_CACHES = ("past_key_values", "cache_params")


def call_model(model: Any, ids: Tensor, **options: Any) -> Any:
    """Calls a model with those options that its ``forward`` takes.

    Args:
        model: from transformers.
        ids: [rows, tokens].
        options: the arguments that models may lack.
    """
    known = _list_arguments(type(model))
    if "kwargs" not in known:  # what a model takes by that name it hands on to its parts
        options = {name: value for name, value in options.items() if name in known}
    return model(ids.to(model.device), **options)


def compute_logits(model: Any, ids: Tensor, *, keep: Tensor | None = None) -> Tensor:
    """Logits of whole texts, read without a cache, [rows, positions, vocabulary].

    Args:
        model: from transformers.
        ids: [rows, tokens].
        keep: positions whose logits are wanted; all if None.
    """
    options: dict[str, Any] = {} if keep is None else {"logits_to_keep": keep}
    logits: Tensor = call_model(model, ids, use_cache=False, **options).logits
    is_whole = keep is not None and logits.shape[1] != len(keep)
    return logits[:, keep] if is_whole else logits


def compute_last_logits(model: Any, tokens: Sequence[int]) -> Tensor:
    """Logits of the token after a text, read without a cache, [1, vocabulary]."""
    ids = torch.tensor([list(tokens)], device=model.device)
    return compute_logits(model, ids, keep=torch.tensor([len(tokens) - 1], device=ids.device))[:, 0]


def read_cached(model: Any, ids: Tensor, cache: Any = None, **options: Any) -> tuple[Any, Tensor]:
    """Reads tokens after those in a cache; also makes the cache if there is none.

    Args:
        model: from transformers.
        ids: [rows, tokens].
        cache: as an earlier call returned it.
        options: more arguments of the model.

    Returns:
        The cache, and the logits of the next token, [rows, vocabulary].

    Raises:
        ValueError: the model keeps no cache whose rows can be chosen.
    """
    known = _list_arguments(type(model))
    name = next((name for name in _CACHES if name in known), _CACHES[0])
    if cache is not None:
        options[name] = cache
    output = call_model(model, ids, use_cache=True, logits_to_keep=1, **options)
    cache = getattr(output, name, None)
    if not hasattr(cache, "reorder_cache"):
        raise ValueError("the model keeps no cache whose rows can be chosen")
    return cache, output.logits[:, -1]


@lru_cache(maxsize=64)
def _list_arguments(kind: type[Any]) -> frozenset[str]:
    """The names that ``forward`` of a class takes."""
    return frozenset(inspect.signature(kind.forward).parameters)
