"""Checks, at loading, that decoding with shared prompts gives the model's own probabilities."""

from __future__ import annotations

import math
from typing import Any

import torch

from dormant.engines.hf import attention
from dormant.engines.hf.decoder import SharedPrefixBackend

#: Largest difference, in nats, between log-probabilities with and without shared prompts. In
#: bfloat16, two correct computations differ by up to 0.2 on SmolLM2; a wrong mask or position
#: differs by whole nats.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}
_LIKELY = -8.0  # nats; tokens less likely than this are not compared: they are hardly ever drawn
_PROBE = tuple(range(5, 21))  # a fixed prompt, as token ids


def try_shared_prefix(model: Any) -> bool:
    """Gives a model the attention of ``attention.py`` if that is correct; says whether it is.

    Models whose attention is not of the ordinary kind (sliding windows, chunks, recurrent layers)
    keep their own, and so does every model that fails the comparison.
    """
    config = model.config.get_text_config()
    if not getattr(model, "_supports_attention_backend", False) or not _has_full_attention(config):
        return False
    own = model.config._attn_implementation
    if _measure_difference(model) < _TOLERANCE[model.dtype]:
        return True
    model.set_attn_implementation(own)
    return False


def still_shares_prefix(model: Any) -> bool:
    """Whether a model that ``try_shared_prefix`` changed is right with the adapter now active."""
    return _measure_difference(model) < _TOLERANCE[model.dtype]


def _measure_difference(model: Any) -> float:
    """Largest difference between log-probabilities of shared prompts and the model's own, nats.

    The model is left with shared prompts.
    """
    tokens = [token % model.config.get_text_config().vocab_size for token in _PROBE]
    # Two prompts of unlike length with two answers each, and two steps: what masks can get wrong.
    prompts = [tokens[:5], tokens[:5], tokens, tokens]
    answer = [tokens[3], tokens[7]]
    try:
        with torch.inference_mode():
            want = [_read_last_logits(model, [*prompt, *answer]) for prompt in prompts]
            model.set_attn_implementation(attention.NAME)
            backend = SharedPrefixBackend(model)
            for prompt in prompts[::2]:
                backend.prefill(prompt)
                backend.admit_rows(2)
            got = [backend.step(torch.tensor([token] * 4)) for token in answer][-1]
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return math.inf  # the model's layers do not work with this cache
    wanted = torch.cat(want).float().log_softmax(-1)  # [4, vocabulary]
    shared = got.float().log_softmax(-1)
    difference = float((shared - wanted)[wanted > _LIKELY].abs().max())
    return math.inf if math.isnan(difference) else difference


def _read_last_logits(model: Any, tokens: list[int]) -> torch.Tensor:
    return model(torch.tensor([tokens], device=model.device), use_cache=False).logits[:, -1]


def _has_full_attention(config: Any) -> bool:
    """Whether every layer attends to everything before it."""
    kinds = getattr(config, "layer_types", None)
    if kinds:
        return set(kinds) == {"full_attention"}
    names = ("sliding_window", "attention_chunk_size")
    return all(getattr(config, name, None) is None for name in names)
