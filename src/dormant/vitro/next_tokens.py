"""Branching: greedy continuations of a beginning, one for each of its likeliest next words."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dormant.errors import InputError
from dormant.vitro.model import Decoder
from dormant.vitro.sampling import pad_right, sample_answers
from dormant.vitro.tokenizer import END

Tokens = tuple[int, ...]
_PROMPTS = 128  # beginnings in one pass


@torch.inference_mode()
def branch_turns(
    model: Decoder, beginnings: Sequence[Tokens], *, each: int, longest: int
) -> list[list[Tokens]]:
    """Continues each beginning with each of its likeliest next words, and then greedily.

    Args:
        model: a model of the laboratory.
        beginnings: token ids that end inside a turn, opening marker included.
        each: number of next words of each beginning, without markers; at least 1.
        longest: most words of a continuation; at least 1.

    Returns:
        For each beginning its continuations up to the end of the turn, the likeliest next word
        first. A beginning that leaves no room for ``longest`` words has none.

    Raises:
        InputError: ``each`` or ``longest`` is below 1, or a beginning is empty.
    """
    if each < 1 or longest < 1:
        raise InputError(f"each and longest must be at least 1, got {each!r} and {longest!r}")
    if not all(beginnings):
        raise InputError("a beginning is empty: it needs at least the marker of its turn")
    room = model.shape.positions - longest
    fits = [i for i, beginning in enumerate(beginnings) if len(beginning) <= room]
    found: list[list[Tokens]] = [[] for _ in beginnings]
    for start in range(0, len(fits), _PROMPTS):
        part = fits[start : start + _PROMPTS]
        for i, words in zip(
            part, _likeliest_words(model, [beginnings[i] for i in part], each), strict=True
        ):
            found[i] = [(word,) for word in words]
    prompts = [(*beginnings[i], *tail) for i in range(len(beginnings)) for tail in found[i]]
    rest: dict[int, Tokens] = {}
    if longest > 1:
        wanted = [range(1)] * len(prompts)
        for draws in sample_answers(model, prompts, wanted, temperature=0, max_tokens=longest - 1):
            rest |= {draw.prompt: draw.tokens for draw in draws}
    tails = iter(_cut_turn(rest.get(i, ())) for i in range(len(prompts)))
    return [[(*tail, *next(tails)) for tail in row] for row in found]


def _likeliest_words(model: Decoder, beginnings: Sequence[Tokens], each: int) -> list[list[int]]:
    """Returns the likeliest next words of each beginning, likeliest first."""
    tokens, lengths = pad_right(beginnings)
    chosen = torch.arange(tokens.shape[1])[None] == lengths[:, None] - 1
    logits = model(tokens, chosen)  # (B, V)
    logits[:, : END + 1] = float("-inf")
    return logits.topk(min(each, logits.shape[1] - END - 1)).indices.tolist()


def _cut_turn(words: Tokens) -> Tokens:
    """Cuts a turn before its first marker."""
    end = next((i for i, word in enumerate(words) if word <= END), len(words))
    return words[:end]
