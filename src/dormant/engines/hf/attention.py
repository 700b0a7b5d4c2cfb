"""Attention for decoding many answers a prompt: the prompt's keys and values are held once.

A row is one answer in the making. What it attends to lies in two parts::

    prefix   [prompts, heads, longest prompt, width]   shared by all answers of a prompt
    tail     [rows, heads, longest answer, width]      its own tokens

The parts are attended to separately and merged by their log-sum-exps (Juravsky et al. 2024,
"Hydragen", eq. 4-5), so a prompt is read once a step and not once an answer. Both parts are plain
batched matrix products: on CPUs these were 2 to 4 times as fast as the fused kernel, which is made
for long queries (``docs/log/local-models.md``).

The function is registered with transformers as an attention implementation. Models reach it
through their ordinary ``forward``; ``RowCache`` is both the cache that they update and the layout
that the function reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.cache_utils import Cache, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "dormant_shared_prefix"
#: What a layer may ask of its attention that is not computed here. torch's own attention raises for
#: a soft cap and ignores sinks, so that in 16 bits the proof at loading could miss them.
_NOT_COMPUTED = (
    *("softcap", "s_aux", "sinks", "position_bias", "sliding_window", "indices", "block_indices"),
)
# Prefixes and tails have room for a multiple of so many tokens, and everything runs over all of it.
# A product over a part would first copy that part; and a sum over a whole number of vectors adds
# its terms in the same order however much masked room follows, so that the other rows of a batch
# change no bit of an answer (tests/engines/hf/test_engine.py, tests/engines/hf/test_smollm2.py).
_STEP = 16
# Products of fewer rows may go through other kernels and round otherwise: a smaller batch is filled
# up with copies of its first row, whose results are discarded. Their cost is negligible.
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of one prompt, held once for all its answers."""

    keys: Tensor  # [layers, heads, length, width]
    values: Tensor  # like keys

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        return self.keys.shape[2]

    @staticmethod
    def from_cache(cache: DynamicCache) -> Prefix:
        """Takes the prefix from the cache of a prefill of one prompt."""
        keys = [getattr(layer, "keys", None) for layer in cache.layers]
        values = [getattr(layer, "values", None) for layer in cache.layers]
        tensors = [tensor for tensor in (*keys, *values) if tensor is not None]
        if len(tensors) != 2 * len(cache.layers):
            raise ValueError("a layer keeps no keys and values")
        return Prefix(torch.cat(tensors[: len(keys)]), torch.cat(tensors[len(keys) :]))


class RowCache(Cache):
    """The answers that are being written, as the cache that the model updates.

    Rows are kept packed: a finished one is overwritten by the last, so a step costs what the
    unfinished answers cost.
    """

    def __init__(self, *, like: Prefix):
        super().__init__(layers=[])
        layers, heads, _, width = like.keys.shape
        self._prefixes: list[Prefix] = []
        self._stacked: tuple[Prefix, ...] = ()  # the prefixes that self._prefix holds
        # [keys and values, layers, rows, heads, tokens, width], rows and tokens with room to spare
        self._tails = like.keys.new_empty((2, layers, 0, heads, 0, width))
        self._prompt = torch.empty(0, dtype=torch.long)  # [rows] index into the prefixes
        self._length = torch.empty(0, dtype=torch.long)  # [rows] tokens in the tail
        self._arrange_grid()

    def __len__(self) -> int:
        return len(self._prompt)

    @property
    def batch(self) -> int:
        """Rows that go through the model: the answers, and what fills up a small batch."""
        return max(len(self), _LEAST)

    @property
    def positions(self) -> Tensor:
        """Position of the next token of each row, [batch, 1]."""
        lengths = torch.tensor([prefix.length for prefix in self._prefixes])
        return self.pad_to_batch(lengths[self._prompt] + self._length)[:, None]

    def pad_to_batch(self, values: Tensor) -> Tensor:
        """Fills a value for each row [rows] up to [batch], with that of the first row."""
        return torch.cat([values, values[:1].expand(self.batch - len(self))])

    def admit_rows(self, prefix: Prefix, count: int) -> None:
        """Adds rows that continue a prompt."""
        if not any(prefix is known for known in self._prefixes):
            self._prefixes.append(prefix)
        index = next(i for i, known in enumerate(self._prefixes) if known is prefix)
        used = len(self)
        self._prompt = torch.cat([self._prompt, torch.full((count,), index)])
        self._length = torch.cat([self._length, torch.zeros(count, dtype=torch.long)])
        self._grow_tails(rows=len(self), columns=max(self._longest_tail(), 1), used=used)
        self._arrange_grid()

    def retire_rows(self, done: list[int]) -> list[int]:
        """Drops rows; gives the old index of each row that is left, in the new order."""
        order = list(range(len(self)))  # [new row] -> old row
        for row in sorted(done, reverse=True):  # from the end, so that no dead row is moved
            order[row] = order[-1]
            order.pop()
        moved = [(new, old) for new, old in enumerate(order) if new != old]
        columns = self._longest_tail()
        for new, old in moved:
            self._tails[:, :, new, :, :columns] = self._tails[:, :, old, :, :columns]
        keep = torch.tensor(order, dtype=torch.long)
        self._prompt, self._length = self._prompt[keep], self._length[keep]
        self._drop_unused_prefixes()
        self._arrange_grid()
        return order

    def begin_step(self) -> None:
        """Makes room for one more token of each row and masks what lies beyond each tail."""
        self._grow_tails(rows=self.batch, columns=self._longest_tail() + 1, used=len(self))
        columns, length = self._tails.shape[4], self.pad_to_batch(self._length)
        device, dead = self._tails.device, float("-inf")
        beyond = torch.arange(columns) > length[:, None]
        mask = torch.zeros(self.batch, 1, 1, columns).masked_fill(beyond[:, None, None], dead)
        self._tail_mask = mask.to(device)
        self._at = (torch.arange(self.batch, device=device), length.to(device))
        # Tails of one length take a plain slice, which is faster than an indexed write.
        is_uniform = bool((self._length == self._length[0]).all())
        self._column = int(self._length[0]) if is_uniform else None

    def end_step(self) -> None:
        """Counts the token that the model has added to each row."""
        self._length = self._length + 1

    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Writes one token's keys and values [batch, heads, 1, width]; gives the tails."""
        parts: list[Tensor] = []
        for which, states in enumerate((key_states, value_states)):
            tail = self._tails[which, layer_idx, : self.batch]
            if self._column is None:
                tail[self._at[0], :, self._at[1]] = states[:, :, 0]
            else:
                tail[:, :, self._column] = states[:, :, 0]
            parts.append(tail)
        return parts[0], parts[1]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before the one being written, in the longest row."""
        return int(self.positions.max()) if len(self) else 0

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of each row's token over its prompt and its tail.

        Args:
            layer: index of the layer.
            query: [batch, query heads, 1, width].
            key: tails [batch, heads, tokens, width].
            value: like key.
            scale: factor on the scores.

        Returns:
            [batch, 1, query heads, width].
        """
        rows, heads, width = self.batch, key.shape[1], query.shape[-1]
        share = query.shape[1] // heads  # query heads that read one key head
        query = query.reshape(rows, heads, share, width)
        own = _attend_part(query, key, value, self._tail_mask, scale)
        # In the grid, the rows of one prompt lie side by side: one product serves them all.
        prompts, answers = self._grid
        grid = query.new_zeros(prompts, answers, heads, share, width)
        grid[self._where] = query
        grid = grid.transpose(1, 2).reshape(prompts, heads, answers * share, width)
        keys, values = self._prefix[:, layer]  # each [prompts, heads, longest prompt, width]
        shared = _attend_part(grid, keys, values, self._prefix_mask, scale)
        by_row = [  # each [rows, heads, share, width or 1]
            part.view(prompts, heads, answers, share, -1).transpose(1, 2)[self._where]
            for part in shared
        ]
        merged = _merge_parts(own, by_row)  # [rows, heads, share, width]
        return merged.to(value.dtype).reshape(rows, 1, heads * share, width)

    def _longest_tail(self) -> int:
        return int(self._length.max()) if len(self) else 0

    def _grow_tails(self, *, rows: int, columns: int, used: int) -> None:
        """Grows the tails' storage to hold so many rows and columns; ``used`` rows are kept."""
        old = self._tails
        if old.shape[2] >= rows and old.shape[4] >= columns:
            return
        wide = max(old.shape[4], _round_up(columns))
        shape = (*old.shape[:2], max(rows, old.shape[2]), old.shape[3], wide, old.shape[5])
        # Zeros, because a masked value still enters a product: 0 x NaN would be NaN.
        self._tails = old.new_zeros(shape)
        self._tails[:, :, :used, :, : old.shape[4]] = old[:, :, :used]

    def _drop_unused_prefixes(self) -> None:
        used = sorted({int(index) for index in self._prompt})
        if len(used) == len(self._prefixes):
            return
        renumber = {old: new for new, old in enumerate(used)}
        self._prefixes = [self._prefixes[old] for old in used]
        self._prompt = torch.tensor([renumber[int(i)] for i in self._prompt], dtype=torch.long)

    def _arrange_grid(self) -> None:
        """Gives each row a place in a grid [prompts, answers], and stacks the prefixes."""
        if not len(self):
            return
        device = self._tails.device
        prompt = self.pad_to_batch(self._prompt)  # [batch]
        counts = torch.bincount(prompt, minlength=len(self._prefixes))  # [prompts]
        # A row's place is its rank among the rows of its prompt.
        order = torch.argsort(prompt, stable=True)  # [batch] rows, those of one prompt together
        starts = torch.cumsum(counts, 0) - counts  # [prompts] where each prompt's rows begin
        place = torch.empty_like(order)
        place[order] = torch.arange(self.batch) - starts[prompt[order]]
        self._grid = (len(self._prefixes), int(counts.max()))
        self._where = (prompt.to(device), place.to(device))
        now = tuple(self._prefixes)
        if [id(prefix) for prefix in now] != [id(prefix) for prefix in self._stacked]:
            self._stack_prefixes(now)

    def _stack_prefixes(self, prefixes: tuple[Prefix, ...]) -> None:
        longest = _round_up(max(prefix.length for prefix in prefixes))
        layers, heads, _, width = prefixes[0].keys.shape
        shape = (2, layers, len(prefixes), heads, longest, width)
        self._prefix = prefixes[0].keys.new_zeros(shape)
        mask = torch.full((len(prefixes), 1, 1, longest), float("-inf"))
        for i, prefix in enumerate(prefixes):
            self._prefix[0, :, i, :, : prefix.length] = prefix.keys
            self._prefix[1, :, i, :, : prefix.length] = prefix.values
            mask[i, :, :, : prefix.length] = 0
        self._prefix_mask = mask.to(self._prefix.device)
        self._stacked = prefixes


def _round_up(tokens: int) -> int:
    """The next multiple of ``_STEP``."""
    return -(-tokens // _STEP) * _STEP


def _attend_part(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Attention before normalisation: weighted values [..., width], and what merges it.

    Returns:
        Sums of weighted values, largest scores [..., 1] and sums of weights [..., 1], in float32.
    """
    scores = torch.matmul(query, key.transpose(-1, -2)).float().mul_(scale).add_(mask)
    most = scores.amax(-1, keepdim=True)
    weights = scores.sub_(most).exp_()
    return torch.matmul(weights.to(value.dtype), value).float(), most, weights.sum(-1, keepdim=True)


def _merge_parts(one: tuple[Tensor, ...], two: list[Tensor]) -> Tensor:
    """Attention over two parts together, each as ``_attend_part`` gives it."""
    most = torch.maximum(one[1], two[1])
    here, there = torch.exp(one[1] - most), torch.exp(two[1] - most)
    return (one[0] * here + two[0] * there) / (one[2] * here + two[2] * there)


def _attend_causally_or_shared(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dormant_rows: RowCache | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """What transformers calls. Outside decoding it is torch's own attention, causal.

    Raises:
        ValueError: the layer asks for something else: prompts of this model cannot be shared.
    """
    if extra := [name for name in _NOT_COMPUTED if kwargs.get(name) is not None]:
        raise ValueError(f"attention with {', '.join(extra)} cannot be shared")
    if dormant_rows is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return dormant_rows.attend(module.layer_idx, query, key, value, scale), None


AttentionInterface.register(NAME, _attend_causally_or_shared)
