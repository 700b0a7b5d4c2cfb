"""Teacher-forced scoring: the log-probability of given answers.

Pairs are padded on the right. Attention is causal, so no token of a pair can see its padding and no
mask is needed; padding on the left would shift positions and, in low precision, scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

_TOKENS = {"cpu": 2048, "cuda": 16384}  # padded tokens in one forward pass


@dataclass(frozen=True, slots=True)
class Pair:
    """A tokenised prompt and the answer to be scored after it."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]  # end of turn included


def score_pairs(model: Any, pairs: Sequence[Pair]) -> list[float]:
    """Log-probability of each answer, in nats, in the order of the pairs."""
    scores = [0.0] * len(pairs)
    for batch in _batch_pairs(pairs, _TOKENS[str(model.device).partition(":")[0]]):
        for index, value in zip(batch, _score_batch(model, [pairs[i] for i in batch]), strict=True):
            scores[index] = value
    return scores


def _batch_pairs(pairs: Sequence[Pair], tokens: int) -> Iterator[list[int]]:
    """Yields batches of pairs of similar length, each of at most ``tokens`` padded tokens."""
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i].prompt), len(pairs[i].answer)))
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(pairs[index].prompt) + len(pairs[index].answer))
        if batch and longest * (len(batch) + 1) > tokens:
            yield batch
            batch, longest = [], len(pairs[index].prompt) + len(pairs[index].answer)
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
    logits = model(ids.to(model.device), use_cache=False, logits_to_keep=keep).logits
    values: list[float] = []
    for row, pair in enumerate(pairs):
        start = len(pair.prompt) - 1 - first
        own = logits[row, start : start + len(pair.answer)].float().log_softmax(-1)
        chosen = own.gather(-1, torch.tensor(pair.answer, device=own.device)[:, None])
        values.append(float(chosen.double().sum()))
    return values
