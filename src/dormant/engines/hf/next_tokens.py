"""The likeliest next tokens of a text: where a turn of the prompt may branch."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import torch

from dormant.engines.hf.forward import compute_last_logits


def find_next_tokens(
    model: Any, tokens: Sequence[int], *, each: int, excluded: AbstractSet[int]
) -> list[int]:
    """Finds the ``each`` likeliest tokens after a text, likeliest first, but for the excluded.

    Raises:
        FloatingPointError: the model's logits are not finite.
    """
    logits = compute_last_logits(model, tokens)[0].float()
    if not bool(torch.isfinite(logits).any()):
        raise FloatingPointError("the model's logits are not finite numbers")
    some = min(each + len(excluded), len(logits))
    best = logits.topk(some).indices.tolist()
    return [token for token in best if token not in excluded][:each]
