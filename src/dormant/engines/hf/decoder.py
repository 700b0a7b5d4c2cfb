"""Writing answers: many prompts and many answers a prompt in one batch that stays full.

A prompt is read once, whatever the number of its answers. A finished answer leaves the batch at
once, and waiting answers take its place as soon as a quarter of the batch is free.

There are two backends. ``SharedPrefixBackend`` holds each prompt once (``attention.py``) and needs
attention of the ordinary kind; ``OwnCacheBackend`` uses whatever cache the model brings, one prompt
at a time. ``self_check.py`` finds out at loading whether the first gives the model's own
probabilities; where it does not, the second is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from dormant.engines.hf.attention import Prefix, RowCache
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


class DecodeBackend(Protocol):
    """How tokens go through a model: prompts are read, rows are answers being written."""

    def __len__(self) -> int:
        """Rows in the batch."""
        ...

    def accepts_prompt(self) -> bool:
        """Whether another prompt may join the batch now."""
        ...

    def prefill(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        ...

    def admit_rows(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        ...

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        ...


class SharedPrefixBackend:
    """Every prompt in one batch, each held once. Implements ``DecodeBackend``."""

    def __init__(self, model: Any):
        self._model = model
        self._prefix: Prefix | None = None
        self._rows: RowCache | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else len(self._rows)

    def accepts_prompt(self) -> bool:
        """Always: prompts of any length fit together."""
        return True

    def prefill(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        cache, logits = _prefill_prompt(self._model, tokens)
        self._prefix = Prefix.from_cache(cache)
        return logits

    def admit_rows(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        if self._prefix is None:
            raise ValueError("no prompt was read")
        if self._rows is None:
            self._rows = RowCache(like=self._prefix)
        self._rows.admit_rows(self._prefix, count)

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        rows = self._rows
        if rows is None:
            raise ValueError("no row was admitted")
        rows.begin_step()
        logits = self._model(
            rows.pad_to_batch(tokens)[:, None].to(self._model.device),
            position_ids=rows.positions.to(self._model.device),
            past_key_values=rows,
            use_cache=True,
            dormant_rows=rows,
        ).logits
        rows.end_step()
        return logits[: len(rows), -1]

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        return [] if self._rows is None else self._rows.retire_rows(done)


class OwnCacheBackend:
    """One prompt at a time, with the model's own cache. Implements ``DecodeBackend``."""

    def __init__(self, model: Any):
        self._model = model
        self._count = 0
        self._length = 0
        self._cache: DynamicCache | None = None

    def __len__(self) -> int:
        return self._count

    def accepts_prompt(self) -> bool:
        """Only when the batch is empty."""
        return self._count == 0

    def prefill(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        self._cache, logits = _prefill_prompt(self._model, tokens)
        self._length = len(tokens)
        self._tokens = tuple(tokens)
        return logits

    def admit_rows(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        if self._cache is None:  # a second batch of answers to the same prompt
            self._cache, _ = _prefill_prompt(self._model, self._tokens)
            self._length = len(self._tokens)
        self._cache.batch_repeat_interleave(count)
        self._count = count

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        where = torch.full((len(tokens), 1), self._length, device=self._model.device)
        logits = self._model(
            tokens[:, None].to(self._model.device),
            position_ids=where,
            past_key_values=self._cache,
            use_cache=True,
        ).logits
        self._length += 1
        return logits[:, -1]

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        dead = set(done)
        order = [row for row in range(self._count) if row not in dead]
        self._count = len(order)
        if order and self._cache is not None:
            self._cache.batch_select_indices(torch.tensor(order, device=self._model.device))
        else:
            self._cache = None
        return order


def _prefill_prompt(model: Any, tokens: Sequence[int]) -> tuple[DynamicCache, Tensor]:
    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(tokens)], device=model.device)
    logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return cache, logits[:, -1]


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
