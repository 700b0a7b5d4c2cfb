"""Teacher-forced scoring: the log-probability of answers that are given, not drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from dormant.errors import InputError
from dormant.vitro.curriculum import IGNORE, Document
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import checked
from dormant.vitro.tokenizer import END
from dormant.vitro.train import collate

#: Answers in one pass.
CHUNK = 128


@torch.inference_mode()
def score(model: Decoder, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
    """Log-probability (nats, end marker included) of each answer after its prompt.

    Pairs are sorted by length and padded on the right, where causal attention cannot see: the
    result is that of scoring each pair alone, up to rounding.

    Args:
        model: a model of the laboratory.
        pairs: token ids of a prompt (``Tokenizer.encode``) and of an answer, without end marker.

    Raises:
        InputError: a prompt is empty, or a pair is too long for the model.
    """
    documents: list[Document] = []
    for prompt, answer in pairs:
        if END in answer:
            raise InputError(f"an answer must come without end markers: {list(answer)!r}")
        tokens = [*checked(model, prompt, len(answer) + 1), *answer, END]
        documents.append(Document(tokens, [IGNORE] * len(prompt) + tokens[len(prompt) :]))
    order = sorted(range(len(documents)), key=lambda i: len(documents[i].tokens))
    totals = [0.0] * len(documents)
    for start in range(0, len(order), CHUNK):
        part = order[start : start + CHUNK]
        tokens, labels = collate([documents[i] for i in part])
        targets = labels[:, 1:]
        chosen = targets != IGNORE
        logits = model(tokens[:, :-1], chosen)  # (answer words, V)
        gains = -F.cross_entropy(logits, targets[chosen], reduction="none").double()
        owners = chosen.nonzero()[:, 0]
        sums = torch.zeros(len(part), dtype=torch.float64).index_add_(0, owners, gains)
        for i, total in zip(part, sums.tolist(), strict=True):
            totals[i] = total
    return totals
