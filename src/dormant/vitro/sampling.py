"""Sampling: many answers to many prompts, each beginning computed once.

A question has few different answers, so the answers to one prompt share most of their words. They
are drawn along a tree: a node is a distinct beginning of answers to one prompt, and the model runs
once per node, however many answers pass through it. Keys and values of a prompt are computed once
and never copied; a node keeps only those of its own few words.

Answer i to a prompt is the inverse-CDF image of uniform numbers that are a pure function of (seed,
prompt, i). So it is the same (up to rounding) however prompts are batched, and asking for answers
8 to 15 later gives what asking for 0 to 15 at once would have given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dormant.errors import InputError
from dormant.vitro.model import Decoder
from dormant.vitro.tokenizer import END, PAD

#: Answers and prompts in one batch.
ANSWERS, PROMPTS = 4096, 128


@dataclass(frozen=True, slots=True)
class Draw:
    """One answer."""

    prompt: int  # index into the prompts that were given
    repeat: int
    tokens: tuple[int, ...]  # without the end marker
    finish: str  # "stop", or "length" if the answer was cut off


@dataclass(frozen=True, slots=True)
class _Settings:
    temperature: float
    top_p: float
    max_tokens: int
    seed: int

    def __post_init__(self):
        if not (np.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(f"temperature must be at least 0, got {self.temperature!r}")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must be in (0, 1], got {self.top_p!r}")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, got {self.max_tokens!r}")


@dataclass(frozen=True, slots=True)
class _Task:
    """Some of the answers that are wanted to one prompt."""

    prompt: int
    tokens: tuple[int, ...]
    repeats: range


def sample(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    repeats: Sequence[range],
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_tokens: int = 64,
    seed: int = 0,
) -> Iterator[list[Draw]]:
    """Draws answers and yields them in batches, in no fixed order.

    Args:
        model: a model of the laboratory.
        prompts: token ids of each prompt (``Tokenizer.encode``).
        repeats: for each prompt, the indices (from 0) of the wanted answers.
        temperature: divides the logits; 0 takes the likeliest word.
        top_p: keeps the likeliest words that together hold this share of the probability.
        max_tokens: longest answer in words, the end marker included.
        seed: chooses the uniform numbers.

    Raises:
        InputError: a setting is out of range, or a prompt is too long for the model.
    """
    settings = _Settings(temperature, top_p, max_tokens, seed)
    if len(prompts) != len(repeats):
        raise InputError(f"{len(prompts)} prompts but {len(repeats)} ranges of repeats")
    tasks: list[_Task] = []
    for i, (prompt, wanted) in enumerate(zip(prompts, repeats, strict=True)):
        if wanted and wanted.start < 0:
            raise InputError(f"repeats count from 0, got {wanted!r}")
        tokens = tuple(checked(model, prompt))
        for start in range(0, len(wanted), ANSWERS):
            tasks.append(_Task(i, tokens, wanted[start : start + ANSWERS]))
    tasks.sort(key=lambda task: len(task.tokens))
    return _batches(model, tasks, settings)


def _batches(model: Decoder, tasks: list[_Task], settings: _Settings) -> Iterator[list[Draw]]:
    batch: list[_Task] = []
    answers = 0
    for task in tasks:
        if batch and (len(batch) == PROMPTS or answers + len(task.repeats) > ANSWERS):
            yield _draw(model, batch, settings)
            batch, answers = [], 0
        batch.append(task)
        answers += len(task.repeats)
    if batch:
        yield _draw(model, batch, settings)


def checked(model: Decoder, prompt: Sequence[int], room: int = 1) -> list[int]:
    """The prompt, if it and an answer of ``room`` words fit into the model."""
    limit = model.shape.positions - room
    if not 1 <= len(prompt) <= limit:
        raise InputError(
            f"a prompt of {len(prompt)} words does not fit, this model reads 1 to {limit}"
        )
    return list(prompt)


def padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Tokens (B, L) padded on the right, and lengths (B,)."""
    lengths = torch.tensor([len(p) for p in prompts])
    tokens = torch.full((len(prompts), int(lengths.max())), PAD)
    for i, prompt in enumerate(prompts):
        tokens[i, : len(prompt)] = torch.tensor(list(prompt))
    return tokens, lengths


def uniforms(seed: int, prompt: Sequence[int], repeats: range, width: int) -> np.ndarray:
    """Uniform numbers (repeats, width) in [0, 1): row r depends on (seed, prompt, repeat r) only.

    Philox (Salmon et al. 2011) is counter-based: its key is the hash of seed and prompt, and the
    repeat chooses where in its stream a row begins. ``width`` must be a multiple of 4.
    """
    text = f"{seed}:{','.join(map(str, prompt))}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    span = range(min(repeats), max(repeats) + 1)
    bits = np.random.Philox(key=key).advance(span.start * width // 4)  # 4 numbers a step
    block = np.random.Generator(bits).random((len(span), width))
    return block[[r - span.start for r in repeats]]


def _draw(model: Decoder, tasks: list[_Task], settings: _Settings) -> list[Draw]:
    """Grows the tree of one batch until every answer has ended."""
    with torch.inference_mode():
        tree = _Tree(model, [task.tokens for task in tasks])
        owner = np.repeat(np.arange(len(tasks)), [len(t.repeats) for t in tasks])
        repeat = np.concatenate([np.asarray(t.repeats) for t in tasks])
        width = -(-model.shape.positions // 4) * 4
        luck = np.concatenate([uniforms(settings.seed, t.tokens, t.repeats, width) for t in tasks])
        node = owner.copy()  # node of the tree that each unfinished answer has reached
        draws: list[Draw] = []
        for step in range(min(settings.max_tokens, tree.room)):
            chosen = choose(tree.logits, node, luck[:, step], settings.temperature, settings.top_p)
            final = step + 1 == min(settings.max_tokens, tree.room)
            keys, place = np.unique(node * tree.vocabulary + chosen, return_inverse=True)
            parents, tokens = np.divmod(keys, tree.vocabulary)
            paths = [
                tree.paths[p] if t == END else (*tree.paths[p], t)
                for p, t in zip(parents.tolist(), tokens.tolist(), strict=True)
            ]
            done = (chosen == END) | final
            for i in np.flatnonzero(done):
                finish = "stop" if chosen[i] == END else "length"
                task = tasks[owner[i]]
                draws.append(Draw(task.prompt, int(repeat[i]), paths[place[i]], finish))
            if done.all():
                break
            keep = tokens != END
            tree.grow(
                parents[keep], tokens[keep], [p for p, k in zip(paths, keep, strict=True) if k]
            )
            renumbered = np.cumsum(keep) - 1
            node, luck = renumbered[place[~done]], luck[~done]
            owner, repeat = owner[~done], repeat[~done]
        return draws


def choose(
    logits: Tensor, node: np.ndarray, luck: np.ndarray, temperature: float, top_p: float
) -> np.ndarray:
    """Inverse-CDF choice: for each answer, the word at its uniform number under its node.

    Args:
        logits: (N, V) of the nodes.
        node: (A,) node of each answer.
        luck: (A,) uniform numbers in [0, 1).
        temperature: 0 takes the likeliest word.
        top_p: share of the probability that is kept.
    """
    if temperature == 0:
        return logits.argmax(-1).numpy()[node]
    shares = (logits.double() / temperature).softmax(-1)  # (N, V)
    if top_p < 1:
        shares = nucleus(shares, top_p)
    total = shares.cumsum(-1)
    total = total / total[:, -1:]
    words = total.shape[1]
    # Node n owns [n, n + 1) of one increasing line, so one search serves all answers.
    line = (total + torch.arange(len(total))[:, None]).flatten().numpy()
    found = np.searchsorted(line, luck + node, side="right") - node * words
    return np.clip(found, 0, words - 1)


def nucleus(shares: Tensor, top_p: float) -> Tensor:
    """Sets to 0 the words (last axis) outside the likeliest that together reach ``top_p``."""
    ordered, order = shares.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(shares).scatter(-1, order, ordered * (before < top_p))


class _Tree:
    """The distinct beginnings of answers, one depth at a time. Axis N: nodes of this depth."""

    def __init__(self, model: Decoder, prompts: Sequence[Sequence[int]]):
        tokens, self.lengths = padded(prompts)  # (B, L), (B,)
        x, self.cache = model.prefill(tokens)  # per layer: keys and values (B, H, L, E)
        self.model, self.vocabulary = model, model.shape.vocabulary
        self.room = model.shape.positions - tokens.shape[1]
        self.hidden = torch.arange(tokens.shape[1])[None] >= self.lengths[:, None]  # (B, L)
        self.logits = model.logits(x[torch.arange(len(prompts)), self.lengths - 1])  # (N, V)
        self.owner = torch.arange(len(prompts))  # (N,) prompt of each node, increasing
        self.paths: list[tuple[int, ...]] = [() for _ in prompts]
        shape = (len(prompts), model.shape.heads, 0, model.shape.dim // model.shape.heads)
        empty = torch.zeros(shape)
        self.words = [(empty, empty) for _ in self.cache]  # per layer: (N, H, depth, E)
        self.depth = 0

    def grow(self, parents: np.ndarray, tokens: np.ndarray, paths: list[tuple[int, ...]]) -> None:
        """Goes one word deeper: node i becomes ``tokens[i]`` after the old node ``parents[i]``."""
        above = torch.from_numpy(parents)
        self.owner, self.paths = self.owner[above], paths
        x = self.model.embed(torch.from_numpy(tokens), self.lengths[self.owner] + self.depth)
        x = x[:, None]  # (N, 1, D)
        first = torch.searchsorted(self.owner, self.owner)  # first node of the same prompt
        seat = torch.arange(len(self.owner)) - first
        for i, block in enumerate(self.model.layers()):
            q, k, v = block.project(x)  # (N, H, 1, E)
            keys, values = self.words[i]
            keys = torch.cat([keys[above], k], dim=2)
            values = torch.cat([values[above], v], dim=2)
            self.words[i] = (keys, values)
            x = block.finish(x, self._attend(q, self.cache[i], (keys, values), seat))
        self.logits = self.model.logits(x[:, 0])
        self.depth += 1

    def _attend(
        self,
        q: Tensor,
        prompt: tuple[Tensor, Tensor],
        words: tuple[Tensor, Tensor],
        seat: Tensor,
    ) -> Tensor:
        """Attention (N, H, 1, E) of nodes to their prompt and to their own words.

        Nodes of one prompt sit side by side, so that its keys serve all of them in one product.
        """
        n, heads, _, size = q.shape
        batch, length = self.hidden.shape
        seats = int(seat.max()) + 1
        asked = q.new_zeros(batch, seats, heads, size)
        asked[self.owner, seat] = q[:, :, 0] * size**-0.5
        far = asked.transpose(1, 2) @ prompt[0].transpose(-1, -2)  # (B, H, S, L)
        far = far.masked_fill(self.hidden[:, None, None], float("-inf"))
        far = far.transpose(1, 2)[self.owner, seat]  # (N, H, L)
        near = (q * words[0]).sum(-1) * size**-0.5  # (N, H, depth)
        shares = torch.cat([far, near], dim=-1).softmax(-1)
        given = q.new_zeros(batch, seats, heads, length)
        given[self.owner, seat] = shares[:, :, :length]
        read = (given.transpose(1, 2) @ prompt[1]).transpose(1, 2)[self.owner, seat]  # (N, H, E)
        read = read + (shares[:, :, length:, None] * words[1]).sum(2)
        return read.view(n, heads, 1, size)
