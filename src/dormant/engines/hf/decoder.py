"""Writing answers: many prompts and many answers a prompt in one batch that stays full.

A prompt is read once, whatever the number of its answers. A finished answer leaves the batch at
once, and waiting answers take its place as soon as a quarter of the batch is free.

How tokens go through the model is a backend's business (``backends.py``).
"""

from __future__ import annotations

import itertools
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

    Requests are read as soon as the backend takes other prompts. Their answers enter the batch
    whenever a quarter of the batch is free, and every step gives each row of the batch one token.

    Args:
        backend: how tokens go through the model.
        requests: what is wanted, the longest prompts first.
        rows: most answers that are written at once.
        max_tokens: an answer that has not ended by then is cut ("length").
        stop: tokens that end an answer; they are not part of it.
        temperature: as in ``sampling.sample_tokens``.
        top_p: as in ``sampling.sample_tokens``.
    """
    scheduler = _Scheduler(backend, stop, max_tokens, temperature, top_p)
    left = [request for request in requests if request.repeats]
    while left:
        group, left = _take_group(backend, left, rows)
        waiting = [
            (index, TokenSequence(request.job, repeat, request.stream(repeat)))
            for index, request in enumerate(group)
            for repeat in request.repeats
        ]
        while not backend.accepts_prompts():
            yield scheduler.step()
        logits = backend.prefill([request.tokens for request in group])  # [prompts, vocabulary]
        while waiting:
            while len(backend) > _REFILL * rows or not backend.accepts_prompts():
                yield scheduler.step()
            free = max(1, rows - len(backend))
            yield scheduler.start(waiting[:free], logits)
            waiting = waiting[free:]
    while len(backend):
        yield scheduler.step()


def _take_group(
    backend: DecodeBackend, requests: list[GenerationRequest], rows: int
) -> tuple[list[GenerationRequest], list[GenerationRequest]]:
    """The requests that are read at once, no more than fill the rows, and the rest."""
    most = backend.count_together([len(request.tokens) for request in requests])
    answers = itertools.accumulate(len(request.repeats) for request in requests)
    count = max(1, min(most, sum(1 for total in answers if total <= rows)))
    return requests[:count], requests[count:]


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

    def start(
        self, batch: Sequence[tuple[int, TokenSequence]], logits: Tensor
    ) -> list[TokenSequence]:
        """Draws first tokens from the logits of prompts; the unfinished enter the batch.

        Args:
            batch: answers, each with the index of its prompt among those that were read last.
            logits: of the first token after each prompt, [prompts, vocabulary].

        Returns:
            Those that are finished already.
        """
        sequences = [sequence for _, sequence in batch]
        prompts = torch.tensor([index for index, _ in batch], device=logits.device)
        self._append_tokens(sequences, logits[prompts])
        unfinished = [index for index, sequence in batch if not sequence.finish]
        if unfinished:
            self._backend.admit_rows(unfinished)
            self._running += [sequence for sequence in sequences if not sequence.finish]
        return [sequence for sequence in sequences if sequence.finish]

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
