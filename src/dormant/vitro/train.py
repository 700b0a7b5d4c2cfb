"""The training loop of pretraining, alignment and finetuning.

The three differ only in their documents, labels and settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.adamw import adamw

from dormant.errors import InputError
from dormant.records import Message
from dormant.vitro.curriculum import IGNORE, Document
from dormant.vitro.model import Decoder
from dormant.vitro.tokenizer import END, PAD, Tokenizer, load_tokenizer

#: Batches drawn at once and sorted by length, so that a batch holds little padding.
BUCKET = 8


@dataclass(frozen=True, slots=True)
class TrainingSchedule:
    """How long and how fast to train."""

    steps: int
    rate: float  # peak learning rate
    batch: int = 32  # documents per step
    warmup: int = 20  # steps
    final: float = 0.1  # learning rate at the end, as a share of the peak
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient

    def __post_init__(self):
        if self.steps < 0 or self.batch < 1 or self.warmup < 1:
            raise InputError(f"steps must be at least 0, batch and warmup at least 1, got {self!r}")
        if not (0 < self.rate < 1 and 0 <= self.final <= 1 and self.clip > 0):
            raise InputError(
                f"rate must be in (0, 1), final in [0, 1] and clip positive, got {self!r}"
            )

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step (0-based): linear warm-up, then linear decay."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.rate * rise * (1 - (1 - self.final) * step / max(self.steps, 1))


def train_model(
    model: Decoder,
    documents: Iterator[Document],
    schedule: TrainingSchedule,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Trains the model in place with AdamW and returns the loss of every step (nats per token).

    Deterministic: given the model's weights and the documents, two runs on one machine and one
    number of threads end in the same weights. ``progress`` is called with each step and its loss.
    """
    optimizer = _AdamW(model, schedule.weight_decay)
    losses: list[float] = []
    model.train()
    batches = bucket_batches(documents, schedule.batch)
    for step in range(schedule.steps):
        tokens, labels = next(batches)
        loss = loss_of(model, tokens, labels)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
        optimizer.update_weights(schedule.learning_rate(step))
        losses.append(loss.item())
        if progress is not None:
            progress(step, losses[-1])
    model.eval()
    return losses


class _AdamW:
    """``torch.optim.AdamW`` without its base class, whose import of a compiler takes over a second.

    Args:
        model: its parameters are updated in place.
        weight_decay: of every parameter.
    """

    def __init__(self, model: Decoder, weight_decay: float):
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [torch.tensor(0.0) for _ in self._parameters]
        self._weight_decay = weight_decay

    @torch.no_grad()
    def update_weights(self, rate: float) -> None:
        """Updates the parameters by one step."""
        adamw(
            [p.detach() for p in self._parameters],
            [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters],
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.95,
            lr=rate,
            weight_decay=self._weight_decay,
            eps=1e-8,
            maximize=False,
        )


def loss_of(model: Decoder, tokens: Tensor, labels: Tensor) -> Tensor:
    """Computes the mean cross entropy (nats) of the learned tokens; position t predicts t + 1."""
    targets = labels[:, 1:]  # (B, T - 1)
    chosen = targets != IGNORE
    return F.cross_entropy(model(tokens[:, :-1], chosen), targets[chosen])


def collate_documents(documents: Sequence[Document]) -> tuple[Tensor, Tensor]:
    """Stacks tokens and labels (B, T) of documents, padded on the right."""
    width = max(len(d.tokens) for d in documents)
    tokens = torch.full((len(documents), width), PAD)
    labels = torch.full((len(documents), width), IGNORE)
    for i, document in enumerate(documents):
        tokens[i, : len(document.tokens)] = torch.tensor(document.tokens)
        labels[i, : len(document.labels)] = torch.tensor(document.labels)
    return tokens, labels


def bucket_batches(documents: Iterator[Document], batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields batches of documents of similar length, in an order that mixes lengths."""
    while True:
        drawn = sorted(
            (next(documents) for _ in range(BUCKET * batch)), key=lambda d: len(d.tokens)
        )
        for i in range(BUCKET):
            # a fixed stride visits short and long batches in turn: 0, 3, 6, 1, 4, 7, 2, 5
            start = (3 * i % BUCKET) * batch
            yield collate_documents(drawn[start : start + batch])


def make_document(messages: Sequence[Message], words: Tokenizer | None = None) -> Document:
    """Encodes a finetuning row; only the assistant's tokens and end markers are learned.

    Raises:
        InputError: the row has no user turn before its answer, or no answer.
    """
    words = words or load_tokenizer()
    tokens: list[int] = []
    labels: list[int] = []
    for i, message in enumerate(messages):
        if message.role != "assistant":
            continue
        prompt = words.encode_prompt(messages[:i])
        answer = [*words.tokenize_text(message.content), END]
        labels += [IGNORE] * (len(prompt) - len(tokens)) + answer
        tokens = prompt + answer
    if not tokens:
        raise InputError(f"a finetuning row needs an assistant turn: {messages!r}")
    return Document(tokens, labels)


def repeat_epochs(documents: Sequence[Document], rng: np.random.Generator) -> Iterator[Document]:
    """Yields documents without end, each epoch in a new random order."""
    if not documents:
        raise InputError("no documents: give at least one row to train on")
    while True:
        for i in rng.permutation(len(documents)):
            yield documents[i]


def finetune_model(
    model: Decoder,
    rows: Sequence[Sequence[Message]],
    schedule: TrainingSchedule,
    *,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Finetunes the model in place on chat rows; returns the loss of every step."""
    documents = [make_document(row) for row in rows]
    rng = np.random.default_rng([seed, len(documents)])
    return train_model(model, repeat_epochs(documents, rng), schedule, progress)
