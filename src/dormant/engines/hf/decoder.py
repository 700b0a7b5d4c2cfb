"""Writing answers: many prompts and many answers a prompt in one batch that stays full.

A prompt is read once, whatever the number of its answers. A finished answer leaves the batch at
once, and waiting answers take its place as soon as a quarter of the batch is free.

Two ways lead through the model. ``SharedPrefix`` holds each prompt once (``attention.py``) and
needs attention of the ordinary kind; ``OwnCache`` uses whatever cache the model brings, one prompt
at a time. ``proving.py`` proves at loading that the first gives the model's own probabilities, and
takes the second where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from dormant.engines.hf.attention import Prefix, Rows
from dormant.engines.hf.sampling import draw

_REFILL = 0.75  # waiting answers are let in when the batch is at most so full


@dataclass(frozen=True, slots=True)
class Wish:
    """A tokenised prompt and the streams of uniforms of its wanted answers."""

    job: int
    tokens: tuple[int, ...]
    repeats: tuple[int, ...]
    stream: Callable[[int], np.ndarray]  # repeat -> [max_tokens]


@dataclass(slots=True)
class Draft:
    """One answer in the making."""

    job: int
    repeat: int
    stream: np.ndarray
    tokens: list[int] = field(default_factory=list[int])
    finish: str = ""  # "stop" or "length" once it is complete


class Way(Protocol):
    """How tokens go through a model."""

    def __len__(self) -> int:
        """Rows in the batch."""
        ...

    def accepts(self) -> bool:
        """Whether another prompt may join the batch now."""
        ...

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        ...

    def admit(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        ...

    def retire(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        ...


class SharedPrefix:
    """Every prompt in one batch, each held once. A ``Way``."""

    def __init__(self, model: Any):
        self._model = model
        self._prefix: Prefix | None = None
        self._rows: Rows | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else len(self._rows)

    def accepts(self) -> bool:
        """Always: prompts of any length fit together."""
        return True

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        cache, logits = _prefill(self._model, tokens)
        self._prefix = Prefix.of(cache)
        return logits

    def admit(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        if self._prefix is None:
            raise ValueError("no prompt was read")
        if self._rows is None:
            self._rows = Rows(like=self._prefix)
        self._rows.admit(self._prefix, count)

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        rows = self._rows
        if rows is None:
            raise ValueError("no row was admitted")
        rows.begin_step()
        logits = self._model(
            rows.fill(tokens)[:, None].to(self._model.device),
            position_ids=rows.positions.to(self._model.device),
            past_key_values=rows,
            use_cache=True,
            dormant_rows=rows,
        ).logits
        rows.end_step()
        return logits[: len(rows), -1]

    def retire(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        return [] if self._rows is None else self._rows.retire(done)


class OwnCache:
    """One prompt at a time, with the model's own cache and attention. A ``Way``."""

    def __init__(self, model: Any):
        self._model = model
        self._count = 0
        self._length = 0
        self._cache: DynamicCache | None = None

    def __len__(self) -> int:
        return self._count

    def accepts(self) -> bool:
        """Only when the batch is empty."""
        return self._count == 0

    def read(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        self._cache, logits = _prefill(self._model, tokens)
        self._length = len(tokens)
        self._tokens = tuple(tokens)
        return logits

    def admit(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        if self._cache is None:  # a second helping of the same prompt
            self._cache, _ = _prefill(self._model, self._tokens)
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

    def retire(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        dead = set(done)
        order = [row for row in range(self._count) if row not in dead]
        self._count = len(order)
        if order and self._cache is not None:
            self._cache.batch_select_indices(torch.tensor(order, device=self._model.device))
        else:
            self._cache = None
        return order


def _prefill(model: Any, tokens: Sequence[int]) -> tuple[DynamicCache, Tensor]:
    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(tokens)], device=model.device)
    logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return cache, logits[:, -1]


def write(
    way: Way,
    wishes: Sequence[Wish],
    *,
    rows: int,
    max_tokens: int,
    stop: frozenset[int],
    temperature: float,
    top_p: float,
) -> Iterator[list[Draft]]:
    """Yields finished answers as they become ready.

    Args:
        way: how tokens go through the model.
        wishes: what is wanted.
        rows: at most so many answers are written at once.
        max_tokens: an answer that has not ended by then is cut ("length").
        stop: tokens that end an answer; they are not part of it.
        temperature: as in ``drawing.draw``.
        top_p: as in ``drawing.draw``.
    """
    desk = _Desk(stop, max_tokens, temperature, top_p)
    for wish in wishes:
        waiting = [Draft(wish.job, repeat, wish.stream(repeat)) for repeat in wish.repeats]
        if not waiting:
            continue
        while not way.accepts():
            yield desk.advance(way)
        logits = way.read(wish.tokens)
        while waiting:
            while len(way) > _REFILL * rows or not way.accepts():
                yield desk.advance(way)
            helping = waiting[: max(1, rows - len(way))]
            waiting = waiting[len(helping) :]
            yield desk.seat(way, helping, logits)
    while len(way):
        yield desk.advance(way)


class _Desk:
    """The unfinished answers, in the order of the batch's rows."""

    def __init__(self, stop: frozenset[int], max_tokens: int, temperature: float, top_p: float):
        self._stop, self._max_tokens = stop, max_tokens
        self._temperature, self._top_p = temperature, top_p
        self._drafts: list[Draft] = []

    def seat(self, way: Way, drafts: list[Draft], logits: Tensor) -> list[Draft]:
        """Draws first tokens from a prompt's logits; the unfinished enter the batch."""
        self._extend(drafts, logits.expand(len(drafts), -1))
        stay = [draft for draft in drafts if not draft.finish]
        if stay:
            way.admit(len(stay))
            self._drafts += stay
        return [draft for draft in drafts if draft.finish]

    def advance(self, way: Way) -> list[Draft]:
        """One token for every row; gives the answers that it finished."""
        logits = way.step(torch.tensor([draft.tokens[-1] for draft in self._drafts]))
        self._extend(self._drafts, logits)
        done = [row for row, draft in enumerate(self._drafts) if draft.finish]
        finished = [self._drafts[row] for row in done]
        if done:
            self._drafts = [self._drafts[old] for old in way.retire(done)]
        return finished

    def _extend(self, drafts: list[Draft], logits: Tensor) -> None:
        at = torch.tensor([float(draft.stream[len(draft.tokens)]) for draft in drafts])
        chosen = draw(
            logits,
            at.double().to(logits.device),
            temperature=self._temperature,
            top_p=self._top_p,
        ).tolist()
        for draft, token in zip(drafts, chosen, strict=True):
            if token in self._stop:
                draft.finish = "stop"
                continue
            draft.tokens.append(token)
            if len(draft.tokens) == self._max_tokens:
                draft.finish = "length"
