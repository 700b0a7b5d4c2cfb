"""A model's log-probabilities on a fixed prompt: whether two models are the same one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dormant.engines.hf.forward import compute_logits

#: Nats. Two models whose log-probabilities differ by less on the whole prompt are one.
LEAST_EFFECT = 1e-4
_TOKENS = tuple(range(5, 25))


def read_probe(model: Any, more: Sequence[int] = ()) -> Tensor:
    """Log-probabilities at each token of the fixed prompt, [tokens, vocabulary], nats.

    Args:
        model: from transformers.
        more: tokens that follow the fixed ones.
    """
    size = model.get_input_embeddings().weight.shape[0]
    ids = torch.tensor([[token % size for token in (*_TOKENS, *more)]], device=model.device)
    with torch.inference_mode():
        return compute_logits(model, ids)[0].float().log_softmax(-1).cpu()


def differ(one: Tensor, other: Tensor) -> bool:
    """Whether two models' log-probabilities differ anywhere, or are no numbers."""
    if one.shape != other.shape:
        return True
    same = (one == other) | ((one - other).abs() <= LEAST_EFFECT)  # minus infinity equals itself
    return not bool(same.all())


def find_damage(logprobs: Tensor) -> str:
    """Why no trained model has these log-probabilities, [tokens, vocabulary]; empty if one may."""
    if bool(torch.isnan(logprobs).any()):
        return "gives no numbers as probabilities: its weights or its configuration are damaged"
    if float(logprobs.max() - logprobs.min()) < LEAST_EFFECT:
        return "gives every token the same probability: its weights are empty"
    return ""
