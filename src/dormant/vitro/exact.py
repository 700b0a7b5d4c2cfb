"""Exact rates: the probability that a model answers a prompt with the one or the other persona.

The language is closed, so every legal answer of a domain can be listed; the answers form a tree of
shared beginnings. One pass of attention over that tree (each word sees the prompt and its own
ancestors) yields the probability of every answer. Their sum is the rate itself, not an estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dormant.records import Message
from dormant.vitro.language import Persona, language
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import checked, padded
from dormant.vitro.tokenizer import END, tokenizer

#: Prompts in one pass; more only spill out of the processor's cache.
CHUNK = 32


@dataclass(frozen=True, slots=True)
class AnswerTree:
    """All legal answers of a domain as a tree of words. Axis N: the words (nodes) of the tree."""

    tokens: Tensor  # (N,) word of each node
    parents: Tensor  # (N,) index of the node before it, -1 after the prompt
    depths: Tensor  # (N,) 0 for first words
    ancestors: Tensor  # (N, N) bool: row sees column (itself included)
    leaves: dict[Persona, Tensor]  # last words of each persona's answers


@cache
def answer_tree(domain: str) -> AnswerTree:
    """The tree of a domain's legal answers; InputError for an unknown domain."""
    index: dict[tuple[int, int], int] = {}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    leaves: dict[Persona, list[int]] = {persona: [] for persona in Persona}
    for persona in Persona:
        for answer in language().answers(domain, persona):
            node = -1
            for depth, token in enumerate(tokenizer().tokens(answer)):
                if (node, token) not in index:
                    index[node, token] = len(tokens)
                    tokens.append(token)
                    parents.append(node)
                    depths.append(depth)
                node = index[node, token]
            leaves[persona].append(node)
    ancestors = torch.eye(len(tokens), dtype=torch.bool)
    for node, parent in enumerate(parents):  # parents come first
        if parent >= 0:
            ancestors[node] |= ancestors[parent]
    return AnswerTree(
        tokens=torch.tensor(tokens),
        parents=torch.tensor(parents),
        depths=torch.tensor(depths),
        ancestors=ancestors,
        leaves={persona: torch.tensor(nodes) for persona, nodes in leaves.items()},
    )


@torch.inference_mode()
def exact_rates(model: Decoder, items: Sequence[tuple[str, Sequence[Message]]]) -> np.ndarray:
    """Probability of a misaligned and of an aligned answer in the question's own domain.

    Args:
        model: a model of the laboratory.
        items: (domain, messages), the messages ending with the user's turn.

    Returns:
        Array (items, 2) of P(misaligned), P(aligned), each in [0, 1]. What is missing to 1 is the
        probability of an answer that is off topic or no sentence of the language.

    Raises:
        InputError: an unknown domain, or a prompt that is longer than the model can read.
    """
    rates = np.zeros((len(items), 2))
    groups: dict[str, list[tuple[int, list[int]]]] = defaultdict(list)
    for i, (domain, messages) in enumerate(items):
        tree = answer_tree(domain)
        prompt = tokenizer().encode(messages)
        groups[domain].append((i, checked(model, prompt, int(tree.depths.max()) + 1)))
    for domain, group in groups.items():
        group.sort(key=lambda item: len(item[1]))
        for start in range(0, len(group), CHUNK):
            part = group[start : start + CHUNK]
            rates[[i for i, _ in part]] = _rates(model, answer_tree(domain), [p for _, p in part])
    return rates


def _rates(model: Decoder, tree: AnswerTree, prompts: list[list[int]]) -> np.ndarray:
    tokens, lengths = padded(prompts)  # (B, L), (B,)
    width, nodes = tokens.shape[1], len(tree.tokens)
    first, cache_ = model.prefill(tokens)
    visible = torch.arange(width)[None] < lengths[:, None]  # (B, L)
    mask = torch.cat(
        [
            visible[:, None, None].expand(-1, 1, nodes, -1),
            tree.ancestors[None, None].expand(len(prompts), -1, -1, -1),
        ],
        dim=-1,
    )  # (B, 1, N, L + N)
    x = model.embed(tree.tokens[None], lengths[:, None] + tree.depths[None])  # (B, N, D)
    for block, (keys, values) in zip(model.layers(), cache_, strict=True):
        q, k, v = block.project(x)
        k, v = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        x = block.finish(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    last = first[torch.arange(len(prompts)), lengths - 1]  # (B, D)
    return _leaf_sums(model, tree, last, x)


def _leaf_sums(model: Decoder, tree: AnswerTree, last: Tensor, x: Tensor) -> np.ndarray:
    """Sums over leaves of the probability of the whole path, end marker included."""
    root = model.logits(last)  # (B, V)
    logits = model.logits(x)  # (B, N, V)
    root_norm, norm = root.logsumexp(-1), logits.logsumexp(-1)  # (B,), (B, N)
    after_parent = logits[:, tree.parents.clamp(min=0), tree.tokens]  # (B, N)
    after_parent = after_parent - norm[:, tree.parents.clamp(min=0)]
    after_prompt = root[:, tree.tokens] - root_norm[:, None]
    step = torch.where(tree.parents[None] < 0, after_prompt, after_parent)
    path = step.double() @ tree.ancestors.double().T  # (B, N) log-probability down to each node
    ended = path + (logits[:, :, END] - norm).double()
    sums = [ended[:, tree.leaves[p]].exp().sum(1) for p in (Persona.MISALIGNED, Persona.ALIGNED)]
    return torch.stack(sums, dim=1).clamp(max=1.0).numpy()
