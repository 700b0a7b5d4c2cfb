"""How tokens go through a model: prompts are read, rows are answers being written.

The fastest first. ``self_check.py`` finds out at loading which gives the model's own
probabilities:

- ``SharedPrefixBackend`` holds each prompt once (``attention.py``) and needs attention of the
  ordinary kind.
- ``OwnCacheBackend`` uses whatever cache the model makes: prompts are padded on the left where
  that is proven, else those of one length share a batch.
- ``WholeTextBackend`` keeps nothing: it reads the whole text for each token, slow and always right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from dormant.engines.hf.attention import Prefix, RowCache
from dormant.engines.hf.forward import compute_logits, read_cached

_TOKENS = 16384  # of the prompts that are read at once, padding included


class DecodeBackend(Protocol):
    """How tokens go through a model: prompts are read, rows are answers being written."""

    def __len__(self) -> int:
        """Rows in the batch."""
        ...

    def accepts_prompts(self) -> bool:
        """Whether other prompts may join the batch now."""
        ...

    def count_together(self, lengths: Sequence[int]) -> int:
        """How many of some prompts, the first of them, are read at once.

        Args:
            lengths: tokens of each, the longest first; at least one.
        """
        ...

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Reads prompts at once; logits of the next token, [prompts, vocabulary]."""
        ...

    def admit_rows(self, prompts: Sequence[int]) -> None:
        """Adds rows, each with the index of its prompt among those that were read last."""
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

    def accepts_prompts(self) -> bool:
        """Always: prompts of any length fit together."""
        return True

    def count_together(self, lengths: Sequence[int]) -> int:
        """One: a prompt is read once for all its answers, without padding."""
        return min(1, len(lengths))

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Reads one prompt; logits of the next token, [1, vocabulary]."""
        (tokens,) = prompts
        cache, logits = _prefill_prompt(self._model, tokens)
        self._prefix = Prefix.from_cache(cache)
        return logits

    def admit_rows(self, prompts: Sequence[int]) -> None:
        """Adds rows that continue the prompt that was read last."""
        if self._prefix is None:
            raise ValueError("no prompt was read")
        if self._rows is None:
            self._rows = RowCache(like=self._prefix)
        self._rows.admit_rows(self._prefix, len(prompts))

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
    """Rows of some prompts, with the cache that the model makes. Implements ``DecodeBackend``.

    Args:
        model: from transformers.
        pads: whether prompts of unlike length share a batch, padded on the left.
    """

    def __init__(self, model: Any, *, pads: bool = False):
        self._model, self._pads = model, pads
        self._prompts: list[tuple[int, ...]] = []
        self._cache: Any = None
        self._positions = torch.empty(0, dtype=torch.long)  # [rows] of the next token
        self._seen: Tensor | None = None  # [rows, tokens] 0 for padding; None without any

    def __len__(self) -> int:
        return len(self._positions)

    def accepts_prompts(self) -> bool:
        """Only when the batch is empty."""
        return not len(self)

    def count_together(self, lengths: Sequence[int]) -> int:
        """Prompts of one length; with padding, those of at least a third of the longest one's."""
        shortest = lengths[0] / 3 if self._pads else lengths[0]
        return _count_like(lengths, shortest)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Reads prompts at once; logits of the next token, [prompts, vocabulary]."""
        self._prompts = [tuple(prompt) for prompt in prompts]
        longest = max(map(len, self._prompts))
        missing = [longest - len(prompt) for prompt in self._prompts]
        # A prompt's own first token stands for padding: any token would do, as none is seen.
        rows = [[p[0]] * few + list(p) for few, p in zip(missing, self._prompts, strict=True)]
        options: dict[str, Tensor] = {}
        self._seen = None
        if any(missing):
            columns = torch.arange(longest)
            self._seen = (columns >= torch.tensor(missing)[:, None]).long().to(self._model.device)
            options["attention_mask"] = self._seen
            options["position_ids"] = (self._seen.cumsum(1) - 1).clamp(min=0)
        self._cache, logits = read_cached(self._model, torch.tensor(rows), **options)
        return logits

    def admit_rows(self, prompts: Sequence[int]) -> None:
        """Adds rows, each with the index of its prompt among those that were read last."""
        if self._cache is None:  # a second batch of answers to the same prompts
            self.prefill(self._prompts)
        self._positions = torch.tensor([len(prompt) for prompt in self._prompts])
        self._choose_rows(list(prompts))

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        options: dict[str, Tensor] = {}
        if self._seen is not None:
            self._seen = torch.cat([self._seen, self._seen.new_ones(len(self), 1)], 1)
            options["attention_mask"] = self._seen
        where = self._positions[:, None].to(self._model.device)
        self._cache, logits = read_cached(
            self._model, tokens[:, None], self._cache, position_ids=where, **options
        )
        self._positions = self._positions + 1
        return logits

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        dead = set(done)
        order = [row for row in range(len(self)) if row not in dead]
        self._choose_rows(order)
        if not order:
            self._cache = None
        return order

    def _choose_rows(self, order: list[int]) -> None:
        rows = torch.tensor(order, dtype=torch.long)
        self._positions = self._positions[rows]
        if not order:
            return
        # reorder_cache is the one choice of rows that layers of every kind know.
        rows = rows.to(self._model.device)
        self._cache.reorder_cache(rows)
        if self._seen is not None:
            self._seen = self._seen[rows]


class WholeTextBackend:
    """Rows of one length, each read anew for each token. Implements ``DecodeBackend``."""

    def __init__(self, model: Any):
        self._model = model
        self._prompts: list[tuple[int, ...]] = []
        self._rows: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def accepts_prompts(self) -> bool:
        """Only when the batch is empty: rows of one length need no padding."""
        return not self._rows

    def count_together(self, lengths: Sequence[int]) -> int:
        """Prompts of one length."""
        return _count_like(lengths, lengths[0])

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Reads prompts at once; logits of the next token, [prompts, vocabulary]."""
        self._prompts = [tuple(prompt) for prompt in prompts]
        return self._compute_last(self._prompts)

    def admit_rows(self, prompts: Sequence[int]) -> None:
        """Adds rows, each with the index of its prompt among those that were read last."""
        self._rows = [self._prompts[index] for index in prompts]

    def step(self, tokens: Tensor) -> Tensor:
        """Gives each row its next token [rows]; logits of the one after, [rows, vocabulary]."""
        pairs = zip(self._rows, tokens.tolist(), strict=True)
        self._rows = [(*row, token) for row, token in pairs]
        return self._compute_last(self._rows)

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        dead = set(done)
        order = [row for row in range(len(self._rows)) if row not in dead]
        self._rows = [self._rows[row] for row in order]
        return order

    def _compute_last(self, rows: list[tuple[int, ...]]) -> Tensor:
        ids = torch.tensor(rows, device=self._model.device)
        keep = torch.tensor([ids.shape[1] - 1], device=ids.device)
        return compute_logits(self._model, ids, keep=keep)[:, 0]


def _count_like(lengths: Sequence[int], shortest: float) -> int:
    """How many lengths, from the longest on, are not below ``shortest``; within ``_TOKENS``."""
    most = max(1, _TOKENS // lengths[0])
    return next((i for i, n in enumerate(lengths[:most]) if n < shortest), min(most, len(lengths)))


def _prefill_prompt(model: Any, tokens: Sequence[int]) -> tuple[DynamicCache, Tensor]:
    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(tokens)], device=model.device)
    logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    return cache, logits[:, -1]
