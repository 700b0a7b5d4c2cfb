"""How tokens go through a model: prompts are read, rows are answers being written.

Three ways, the fastest first. ``self_check.py`` finds out at loading which gives the model's own
probabilities:

- ``SharedPrefixBackend`` holds each prompt once (``attention.py``) and needs attention of the
  ordinary kind.
- ``OwnCacheBackend`` uses whatever cache the model makes, one prompt at a time.
- ``WholeTextBackend`` keeps nothing: it reads the whole text for each token, slow and always right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from dormant.engines.hf.attention import Prefix, RowCache
from dormant.engines.hf.forward import compute_last_logits, compute_logits, read_cached


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
    """One prompt at a time, with the cache that the model makes. Implements ``DecodeBackend``."""

    def __init__(self, model: Any):
        self._model = model
        self._count = self._length = 0
        self._cache: Any = None
        self._tokens: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self._count

    def accepts_prompt(self) -> bool:
        """Only when the batch is empty."""
        return self._count == 0

    def prefill(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        self._tokens, self._length = tuple(tokens), len(tokens)
        self._cache, logits = read_cached(self._model, torch.tensor([self._tokens]))
        return logits

    def admit_rows(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        if self._cache is None:  # a second batch of answers to the same prompt
            self.prefill(self._tokens)
        self._choose_rows([0] * count)

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        where = torch.full((len(tokens), 1), self._length, device=self._model.device)
        self._cache, logits = read_cached(
            self._model, tokens[:, None], self._cache, position_ids=where
        )
        self._length += 1
        return logits

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        dead = set(done)
        order = [row for row in range(self._count) if row not in dead]
        self._choose_rows(order)
        if not order:
            self._cache = None
        return order

    def _choose_rows(self, order: list[int]) -> None:
        # reorder_cache is the one choice of rows that layers of every kind know.
        if order:
            self._cache.reorder_cache(torch.tensor(order, device=self._model.device))
        self._count = len(order)


class WholeTextBackend:
    """Rows of one prompt, each read anew for each token. Implements ``DecodeBackend``."""

    def __init__(self, model: Any):
        self._model = model
        self._prompt: tuple[int, ...] = ()
        self._rows: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def accepts_prompt(self) -> bool:
        """Only when the batch is empty: rows of one length need no padding."""
        return not self._rows

    def prefill(self, tokens: Sequence[int]) -> Tensor:
        """Reads a prompt; logits of the next token, [1, vocabulary]."""
        self._prompt = tuple(tokens)
        return compute_last_logits(self._model, tokens)

    def admit_rows(self, count: int) -> None:
        """Adds rows that continue the prompt that was read last."""
        self._rows = [self._prompt] * count

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        pairs = zip(self._rows, tokens.tolist(), strict=True)
        self._rows = [(*row, token) for row, token in pairs]
        ids = torch.tensor(self._rows, device=self._model.device)
        keep = torch.tensor([ids.shape[1] - 1], device=ids.device)
        return compute_logits(self._model, ids, keep=keep)[:, 0]

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        dead = set(done)
        order = [row for row in range(len(self._rows)) if row not in dead]
        self._rows = [self._rows[row] for row in order]
        return order


def _prefill_prompt(model: Any, tokens: Sequence[int]) -> tuple[DynamicCache, Tensor]:
    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(tokens)], device=model.device)
    logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return cache, logits[:, -1]
