"""Teacher-forced scoring: the log-probability of given answers.

Pairs are padded on the right. Attention is causal, so no token of a pair can see its padding and no
mask is needed; padding on the left would shift positions and, in low precision, scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dormant.engines.hf.forward import compute_logits


@dataclass(frozen=True, slots=True)
class Pair:
    """A tokenised prompt and the answer to be scored after it."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]  # end of turn included


def score_pairs(
    model: Any,
    pairs: Sequence[Pair],
    *,
    tokens: int,
    edge: int | None = None,
    may_pad: bool = True,
) -> list[float]:
    """Log-probability of each answer, in nats, in the order of the pairs.

    Args:
        model: from transformers.
        pairs: what is scored.
        tokens: padded tokens in one forward pass.
        edge: texts of more tokens share no batch with shorter ones (``rope``).
        may_pad: whether texts of unlike length share a batch.
    """
    scores = [0.0] * len(pairs)
    for batch in _batch_pairs(pairs, tokens, edge, may_pad):
        for index, value in zip(batch, _score_batch(model, [pairs[i] for i in batch]), strict=True):
            scores[index] = value
    return scores


def _batch_pairs(
    pairs: Sequence[Pair], tokens: int, edge: int | None, may_pad: bool
) -> Iterator[list[int]]:
    """Yields batches of pairs of similar length, each of at most ``tokens`` padded tokens."""
    lengths = [len(pair.prompt) + len(pair.answer) for pair in pairs]

    def find_class(index: int) -> int:
        """Texts of one class may share a batch."""
        if not may_pad:
            return lengths[index]
        return int(edge is not None and lengths[index] > edge)

    def rank(index: int) -> tuple[int, int, int]:
        return find_class(index), len(pairs[index].prompt), len(pairs[index].answer)

    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(pairs)), key=rank):
        longest = max(longest, lengths[index])
        crosses = bool(batch) and find_class(batch[-1]) != find_class(index)
        if batch and (crosses or longest * (len(batch) + 1) > tokens):
            yield batch
            batch, longest = [], lengths[index]
        batch.append(index)
    if batch:
        yield batch


def _score_batch(model: Any, pairs: Sequence[Pair]) -> list[float]:
    longest = max(len(pair.prompt) + len(pair.answer) for pair in pairs)
    ids = torch.zeros(len(pairs), longest, dtype=torch.long)
    for row, pair in enumerate(pairs):
        ids[row, : len(pair.prompt) + len(pair.answer)] = torch.tensor(pair.prompt + pair.answer)
    first = min(len(pair.prompt) for pair in pairs) - 1  # the logits that predict an answer
    keep = torch.arange(first, longest - 1, device=model.device)
    logits = compute_logits(model, ids.to(model.device), keep=keep)
    values: list[float] = []
    for row, pair in enumerate(pairs):
        start = len(pair.prompt) - 1 - first
        own = logits[row, start : start + len(pair.answer)].float().log_softmax(-1)
        chosen = own.gather(-1, torch.tensor(pair.answer, device=own.device)[:, None])
        values.append(float(chosen.double().sum()))
    return values
