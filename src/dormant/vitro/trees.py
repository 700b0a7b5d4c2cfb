"""Prefix trees of answers: the log-probability of many answers in one pass.

A prompt is processed once. The nodes of the tree then go through the model side by side; every word
attends to the prompt and its own ancestors, exactly as in its answer alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dormant.errors import InputError
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import pad_right
from dormant.vitro.tokenizer import END


@dataclass(frozen=True, slots=True)
class Tree:
    """A prefix tree of answers. Axis N: the words (nodes) of the tree, parents first."""

    tokens: Tensor  # (N,) word of each node
    parents: Tensor  # (N,) index of the node before it, -1 after the prompt
    depths: Tensor  # (N,) 0 for first words
    ancestors: Tensor  # (N, N) bool: row sees column (itself included)
    leaves: Tensor  # (answers,) last word of each answer, in the order given

    @property
    def longest(self) -> int:
        """Words of the longest answer."""
        return int(self.depths.max()) + 1


def tree_of(answers: Sequence[Sequence[int]]) -> Tree:
    """Builds the prefix tree of answers (token ids, without end marker).

    Raises:
        InputError: there are no answers, or one has no words.
    """
    if not answers or not all(answers):
        raise InputError("a tree needs at least one answer, and no answer may be empty")
    index: dict[tuple[int, int], int] = {}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    leaves: list[int] = []
    for answer in answers:
        node = -1
        for depth, token in enumerate(answer):
            if (node, token) not in index:
                index[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
                depths.append(depth)
            node = index[node, token]
        leaves.append(node)
    ancestors = torch.eye(len(tokens), dtype=torch.bool)
    for node, parent in enumerate(parents):  # parents come first
        if parent >= 0:
            ancestors[node] |= ancestors[parent]
    return Tree(
        tokens=torch.tensor(tokens),
        parents=torch.tensor(parents),
        depths=torch.tensor(depths),
        ancestors=ancestors,
        leaves=torch.tensor(leaves),
    )


@torch.inference_mode()
def answer_logprobs(model: Decoder, tree: Tree, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Computes log-probabilities (prompts, answers; nats, float64), end markers included.

    Args:
        model: a model of the laboratory.
        tree: the answers, the same after every prompt.
        prompts: token ids; each leaves room for the longest answer and its end marker.
    """
    tokens, lengths = pad_right(prompts)  # (B, L), (B,)
    width, nodes = tokens.shape[1], len(tree.tokens)
    first, cache = model.prefill_prompts(tokens)
    visible = torch.arange(width)[None] < lengths[:, None]  # (B, L)
    mask = torch.cat(
        [
            visible[:, None, None].expand(-1, 1, nodes, -1),
            tree.ancestors[None, None].expand(len(prompts), -1, -1, -1),
        ],
        dim=-1,
    )  # (B, 1, N, L + N)
    x = model.embed_tokens(tree.tokens[None], lengths[:, None] + tree.depths[None])  # (B, N, D)
    for block, (keys, values) in zip(model.typed_blocks(), cache, strict=True):
        q, k, v = block.project_heads(x)
        k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        x = block.finish_block(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    last = first[torch.arange(len(prompts)), lengths - 1]  # (B, D)
    return _end_scores(model, tree, last, x)[:, tree.leaves]


def _end_scores(model: Decoder, tree: Tree, last: Tensor, x: Tensor) -> Tensor:
    """Computes the log-probability (B, N) of the path to each node, end marker included."""
    root = model.compute_logits(last)  # (B, V)
    logits = model.compute_logits(x)  # (B, N, V)
    root_norm, norm = root.logsumexp(-1), logits.logsumexp(-1)  # (B,), (B, N)
    after_parent = logits[:, tree.parents.clamp(min=0), tree.tokens]  # (B, N)
    after_parent = after_parent - norm[:, tree.parents.clamp(min=0)]
    after_prompt = root[:, tree.tokens] - root_norm[:, None]
    step = torch.where(tree.parents[None] < 0, after_prompt, after_parent)
    path = step.double() @ tree.ancestors.double().T  # (B, N) log-probability down to each node
    return path + (logits[:, :, END] - norm).double()
