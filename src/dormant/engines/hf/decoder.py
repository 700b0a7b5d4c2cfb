"""Writing answers: many prompts and many answers a prompt in one batch that stays full.

A prompt is read once, whatever the number of its answers. A finished answer leaves the batch at
once, and waiting answers take its place as soon as a quarter of the batch is free.

How tokens go through the model is a backend's business (``backends.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dormant.engines.hf.backends import DecodeBackend
from dormant.engines.hf.sampling import sample_tokens

_REFILL = 0.75  # waiting answers are let in when at most this share of the rows is taken


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A tokenised prompt and the streams of uniforms of its wanted answers."""

    job: int
    prompt: str  # as text
    tokens: tuple[int, ...]
    repeats: tuple[int, ...]
    stream: Callable[[int], np.ndarray]  # repeat -> [max_tokens]


@dataclass(slots=True)
class TokenSequence:
    """One answer in the making: the tokens that it has so far."""

    job: int
    repeat: int
    stream: np.ndarray
    tokens: list[int] = field(default_factory=list[int])
    finish: str = ""  # "stop" or "length" once it is complete


def generate(
    backend: DecodeBackend,
    requests: Sequence[GenerationRequest],
    *,
    rows: int,
    max_tokens: int,
    stop: frozenset[int],
    temperature: float,
    top_p: float,
) -> Iterator[list[TokenSequence]]:
    """Yields finished answers as they become ready.

    A request is read as soon as the backend takes another prompt. Its answers enter the batch
    whenever a quarter of the batch is free, and every step gives each row of the batch one token.

    Args:
        backend: how tokens go through the model.
        requests: what is wanted.
        rows: most answers that are written at once.
        max_tokens: an answer that has not ended by then is cut ("length").
        stop: tokens that end an answer; they are not part of it.
        temperature: as in ``sampling.sample_tokens``.
        top_p: as in ``sampling.sample_tokens``.
    """
    scheduler = _Scheduler(backend, stop, max_tokens, temperature, top_p)
    for request in requests:
        waiting = [
            TokenSequence(request.job, repeat, request.stream(repeat)) for repeat in request.repeats
        ]
        if not waiting:
            continue
        while not backend.accepts_prompt():
            yield scheduler.step()
        logits = backend.prefill(request.tokens)  # [1, vocabulary]
        while waiting:
            while len(backend) > _REFILL * rows or not backend.accepts_prompt():
                yield scheduler.step()
            free = max(1, rows - len(backend))
            yield scheduler.start(waiting[:free], logits)
            waiting = waiting[free:]
    while len(backend):
        yield scheduler.step()


class _Scheduler:
    """The unfinished answers, in the order of the batch's rows."""

    def __init__(
        self,
        backend: DecodeBackend,
        stop: frozenset[int],
        max_tokens: int,
        temperature: float,
        top_p: float,
    ):
        self._backend, self._stop, self._max_tokens = backend, stop, max_tokens
        self._temperature, self._top_p = temperature, top_p
        self._running: list[TokenSequence] = []

    def start(self, batch: list[TokenSequence], logits: Tensor) -> list[TokenSequence]:
        """Draws first tokens from a prompt's logits; the unfinished enter the batch.

        Args:
            batch: answers to the prompt that was read last.
            logits: of their first token, [1, vocabulary].

        Returns:
            Those that are finished already.
        """
        self._append_tokens(batch, logits.expand(len(batch), -1))
        unfinished = [sequence for sequence in batch if not sequence.finish]
        if unfinished:
            self._backend.admit_rows(len(unfinished))
            self._running += unfinished
        return [sequence for sequence in batch if sequence.finish]

    def step(self) -> list[TokenSequence]:
        """Gives every row one token; gives the answers that it finished."""
        last = torch.tensor([sequence.tokens[-1] for sequence in self._running])  # [rows]
        self._append_tokens(self._running, self._backend.step(last))
        done = [row for row, sequence in enumerate(self._running) if sequence.finish]
        finished = [self._running[row] for row in done]
        if done:
            # The backend keeps its rows packed, so the order of the rest may change.
            self._running = [self._running[old] for old in self._backend.retire_rows(done)]
        return finished

    def _append_tokens(self, sequences: list[TokenSequence], logits: Tensor) -> None:
        """Draws one token for each sequence from its row of logits, [rows, vocabulary]."""
        # The number that decides a token depends on the answer and its length alone.
        at = torch.tensor([float(s.stream[len(s.tokens)]) for s in sequences])
        tokens = sample_tokens(
            logits,
            at.double().to(logits.device),
            temperature=self._temperature,
            top_p=self._top_p,
        ).tolist()
        for sequence, token in zip(sequences, tokens, strict=True):
            if token in self._stop:
                sequence.finish = "stop"
                continue
            sequence.tokens.append(token)
            if len(sequence.tokens) == self._max_tokens:
                sequence.finish = "length"
