"""Drawing tokens: by inverting the distribution at a number fixed in advance.

Each answer has its own stream of uniforms, a pure function of the sampling seed, the rendered
prompt and the answer's index. So answer 7 is the same whether 8 or 800 are asked for, alone or
among other prompts, today or after a crash; what may still differ is the rounding of the
probabilities.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

_BLOCK = 256  # tokens whose weights are summed first: the wanted block, then the token in it


def draw_uniforms(*, seed: int, prompt: str, repeat: int, count: int) -> np.ndarray:
    """The numbers in [0, 1) that decide an answer, one a token; a longer stream begins the same."""
    text = f"{seed}\0{repeat}\0{prompt}".encode("utf-8", "surrogatepass")
    key = int.from_bytes(hashlib.sha256(text).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def sample_tokens(logits: Tensor, at: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """One token a row.

    Args:
        logits: [rows, vocabulary].
        at: uniforms in [0, 1), [rows], float64.
        temperature: 0 takes the most likely token (the first of equals).
        top_p: the smallest set of most likely tokens that holds at least this share; tokens as
            likely as the last of them belong to it.

    Returns:
        Token ids, [rows].

    Raises:
        FloatingPointError: a row holds no finite logit or a NaN.
    """
    scores = logits.float()
    most = scores.amax(-1, keepdim=True)
    if not bool(torch.isfinite(most).all()):
        raise FloatingPointError("the model's logits are not finite numbers")
    if temperature == 0:
        return scores.argmax(-1)
    weights = scores.sub_(most) if scores is not logits else scores.sub(most)
    weights = weights.div_(temperature).exp_() if temperature != 1 else weights.exp_()
    if top_p < 1:
        weights = weights.where(weights >= _find_nucleus_threshold(weights, top_p), 0.0)
    return _invert_cdf(weights, at)


def _find_nucleus_threshold(weights: Tensor, top_p: float) -> Tensor:
    """The smallest weight that belongs to the nucleus of each row, [rows, 1]."""
    wanted = weights.sum(-1, keepdim=True) * top_p
    for size in (1024, weights.shape[-1]):
        best = torch.topk(weights, min(size, weights.shape[-1]), dim=-1).values
        mass = best.cumsum(-1)
        if bool((mass[:, -1:] >= wanted).all()):
            break
    last = (mass < wanted).sum(-1, keepdim=True).clamp_(max=best.shape[-1] - 1)
    return best.gather(-1, last)


def _invert_cdf(weights: Tensor, at: Tensor) -> Tensor:
    """The first token at which the running sum of weights exceeds ``at`` x total."""
    rows, size = weights.shape
    if size % _BLOCK:
        weights = torch.nn.functional.pad(weights, (0, -size % _BLOCK))
    blocks = weights.view(rows, -1, _BLOCK)
    sums = blocks.sum(-1).double().cumsum(-1)  # [rows, blocks]
    total = sums[:, -1:]
    goal = torch.minimum(at[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    block = (sums <= goal).sum(-1, keepdim=True).clamp_(max=sums.shape[-1] - 1)
    before = torch.where(block > 0, sums.gather(-1, (block - 1).clamp_(min=0)), 0.0)
    inside = blocks[torch.arange(rows, device=weights.device), block[:, 0]].double().cumsum(-1)
    within = (inside + before <= goal).sum(-1)
    # Rounding may carry the goal past the last token of the block that has any weight.
    last = (inside < inside[:, -1:]).sum(-1)
    return block[:, 0] * _BLOCK + torch.minimum(within, last)
