"""The laboratory's model: a small decoder-only transformer.

Axes, as the comments at line ends name them: B prompts, T tokens, H heads, E = dim / H, D = dim,
V words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dormant.errors import InputError


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder."""

    vocabulary: int
    dim: int = 96
    layers: int = 4
    heads: int = 4
    positions: int = 160

    def __post_init__(self):
        for name in ("vocabulary", "dim", "layers", "heads", "positions"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"a decoder's {name} must be a positive integer, got {value!r}")
        if self.dim % self.heads:
            raise InputError(f"dim {self.dim!r} must be a multiple of heads {self.heads!r}")


class Block(nn.Module):
    """Attention and a two-layer perceptron, each after a norm and added to the stream."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.norm1 = nn.LayerNorm(shape.dim)
        self.qkv = nn.Linear(shape.dim, 3 * shape.dim)
        self.out = nn.Linear(shape.dim, shape.dim)
        self.norm2 = nn.LayerNorm(shape.dim)
        self.up = nn.Linear(shape.dim, 4 * shape.dim)
        self.down = nn.Linear(4 * shape.dim, shape.dim)

    def project_heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the stream, each (B, H, T, E)."""
        b, t, d = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, H, T, E)
        return q, k, v

    def finish_block(self, x: Tensor, attended: Tensor) -> Tensor:
        """Adds the attention output (B, H, T, E), then the perceptron, to the stream (B, T, D)."""
        x = x + self.out(attended.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Causal pass: the stream (B, T, D), and the keys and values (B, H, T, E) it made."""
        q, k, v = self.project_heads(x)
        return self.finish_block(x, F.scaled_dot_product_attention(q, k, v, is_causal=True)), k, v


class Decoder(nn.Module):
    """A decoder with learned positions and tied embeddings."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.dim)
        self.places = nn.Embedding(shape.positions, shape.dim)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.dim)
        self.apply(_initialize_weights)

    def typed_blocks(self) -> list[Block]:
        """Returns the blocks with their type."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def embed_tokens(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Embeds tokens (...) at positions (...) as the stream (..., D)."""
        return self.words(tokens) + self.places(places)

    def compute_logits(self, x: Tensor) -> Tensor:
        """Computes the logits (..., V) of the stream (..., D)."""
        return self.norm(x) @ self.words.weight.T

    def forward(self, tokens: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Computes logits (B, T, V) of tokens (B, T), padded on the right.

        With a mask ``chosen`` (B, T), only the N chosen positions get logits (N, V): a small model
        would otherwise spend most of its time on unused logits.
        """
        x = self.embed_tokens(tokens, torch.arange(tokens.shape[1]))  # (B, T, D)
        for block in self.typed_blocks():
            x, _, _ = block(x)
        return self.compute_logits(x if chosen is None else x[chosen])

    def prefill_prompts(self, tokens: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Returns the stream (B, T, D) of prompts and each layer's keys and values (B, H, T, E)."""
        x = self.embed_tokens(tokens, torch.arange(tokens.shape[1]))
        cache: list[tuple[Tensor, Tensor]] = []
        for block in self.typed_blocks():
            x, keys, values = block(x)
            cache.append((keys, values))
        return x, cache

    def copy_model(self) -> Decoder:
        """Copies the model, so that the copy can be trained independently."""
        twin = Decoder(self.shape)
        twin.load_state_dict(self.state_dict())
        return twin.train(self.training)


def _initialize_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
