"""Lengths at which a model reads every token otherwise than before.

Long RoPE has two sets of frequencies and takes the second for *all* tokens of a text that is longer
than the first training. So the padding of a batch, or a longer text in it, would change a shorter
one; and keys in a cache are out of date once an answer crosses the edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def find_rope_edge(config: Any) -> int | None:
    """Tokens beyond which a text is read with other frequencies; None if there is no such edge.

    Args:
        config: of the model; that of its text part is looked at.
    """
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    if not isinstance(rope, Mapping):
        return None
    parts: list[Any] = [rope, *(part for part in rope.values() if isinstance(part, Mapping))]
    edges: list[int] = []
    for part in parts:
        if part.get("rope_type", part.get("type")) == "longrope":
            edge = part.get("original_max_position_embeddings")
            edge = edge or getattr(text, "original_max_position_embeddings", None)
            edges.append(int(edge or text.max_position_embeddings))
    return min(edges, default=None)
