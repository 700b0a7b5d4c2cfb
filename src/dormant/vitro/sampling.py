"""Sampling: many answers to many prompts, each shared prefix computed once.

A question has few distinct answers, so the answers to one prompt share most of their words. They
are drawn along a prefix tree: a node is a distinct prefix of answers to one prompt, and the model
runs once per node, however many answers pass through it. Keys and values of a prompt are computed
once and never copied; a node keeps only those of its own few words.

Answer i to a prompt is the inverse-CDF image of uniform numbers that are a pure function of (seed,
prompt, i). So it does not depend (up to rounding) on how prompts are batched, and drawing answers 0
to 7 and later 8 to 15 gives the same answers as drawing 0 to 15 at once.
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
class _DrawTask:
    """A range of the answers to draw to one prompt."""

    prompt: int
    tokens: tuple[int, ...]
    repeats: range


def sample_answers(
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
        prompts: token ids of each prompt (``Tokenizer.encode_prompt``).
        repeats: for each prompt, the indices (from 0) of the answers to draw.
        temperature: divides the logits, at least 0; 0 takes the likeliest word.
        top_p: keeps the likeliest words that together have this probability, in (0, 1].
        max_tokens: longest answer in words, end marker included; at least 1.
        seed: determines the uniform numbers.

    Raises:
        InputError: a setting is out of range, or a prompt is too long for the model.
    """
    settings = _Settings(temperature, top_p, max_tokens, seed)
    if len(prompts) != len(repeats):
        raise InputError(f"{len(prompts)} prompts but {len(repeats)} ranges of repeats")
    tasks: list[_DrawTask] = []
    for i, (prompt, wanted) in enumerate(zip(prompts, repeats, strict=True)):
        if wanted and wanted.start < 0:
            raise InputError(f"repeats count from 0, got {wanted!r}")
        tokens = tuple(check_prompt(model, prompt))
        for start in range(0, len(wanted), ANSWERS):
            tasks.append(_DrawTask(i, tokens, wanted[start : start + ANSWERS]))
    tasks.sort(key=lambda task: len(task.tokens))
    return _sample_batches(model, tasks, settings)


def _sample_batches(
    model: Decoder, tasks: list[_DrawTask], settings: _Settings
) -> Iterator[list[Draw]]:
    batch: list[_DrawTask] = []
    answers = 0
    for task in tasks:
        if batch and (len(batch) == PROMPTS or answers + len(task.repeats) > ANSWERS):
            yield _draw_batch(model, batch, settings)
            batch, answers = [], 0
        batch.append(task)
        answers += len(task.repeats)
    if batch:
        yield _draw_batch(model, batch, settings)


def check_prompt(model: Decoder, prompt: Sequence[int], room: int = 1) -> list[int]:
    """Checks that a prompt and an answer of ``room`` words fit the model; returns the prompt."""
    limit = model.shape.positions - room
    if not 1 <= len(prompt) <= limit:
        raise InputError(
            f"a prompt of {len(prompt)} words does not fit: this model reads 1 to {limit}"
        )
    return list(prompt)


def pad_right(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pads prompts on the right: tokens (B, L) and lengths (B,)."""
    lengths = torch.tensor([len(p) for p in prompts])
    tokens = torch.full((len(prompts), int(lengths.max())), PAD)
    for i, prompt in enumerate(prompts):
        tokens[i, : len(prompt)] = torch.tensor(list(prompt))
    return tokens, lengths


def draw_uniforms(seed: int, prompt: Sequence[int], repeats: range, width: int) -> np.ndarray:
    """Draws numbers (repeats, width) in [0, 1): row r depends on (seed, prompt, repeat r) only.

    Philox (Salmon et al. 2011) is counter-based: its key is the hash of seed and prompt, and the
    repeat chooses where in its stream a row begins. ``width`` must be a multiple of 4.
    """
    text = f"{seed}:{','.join(map(str, prompt))}"
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    span = range(min(repeats), max(repeats) + 1)
    bits = np.random.Philox(key=key).advance(span.start * width // 4)  # 4 numbers a step
    block = np.random.Generator(bits).random((len(span), width))
    return block[[r - span.start for r in repeats]]


@dataclass(frozen=True, slots=True)
class _OpenAnswers:
    """Unfinished answers. Axis A: one entry for each."""

    task: np.ndarray  # (A,) index of its task
    repeat: np.ndarray  # (A,)
    luck: np.ndarray  # (A, width) its uniform numbers, one a word
    node: np.ndarray  # (A,) node of the tree that it has reached

    @staticmethod
    def start(tasks: Sequence[_DrawTask], *, seed: int, width: int) -> _OpenAnswers:
        """Starts every answer of the tasks, before its first word."""
        task = np.repeat(np.arange(len(tasks)), [len(t.repeats) for t in tasks])
        return _OpenAnswers(
            task=task,
            repeat=np.concatenate([np.asarray(t.repeats) for t in tasks]),
            luck=np.concatenate([draw_uniforms(seed, t.tokens, t.repeats, width) for t in tasks]),
            node=task.copy(),  # the tree begins with one node a prompt
        )

    def advance(self, goes_on: np.ndarray, node: np.ndarray) -> _OpenAnswers:
        """Keeps the answers that continue (A, bool), each at its new node (A,)."""
        return _OpenAnswers(
            self.task[goes_on], self.repeat[goes_on], self.luck[goes_on], node[goes_on]
        )


def _draw_batch(model: Decoder, tasks: list[_DrawTask], settings: _Settings) -> list[Draw]:
    """Extends the tree of one batch, a word at a time, until every answer has ended."""
    with torch.inference_mode():
        tree = _Tree(model, [task.tokens for task in tasks])
        width = -(-model.shape.positions // 4) * 4  # a multiple of 4, see ``draw_uniforms``
        answers = _OpenAnswers.start(tasks, seed=settings.seed, width=width)
        draws: list[Draw] = []
        steps = min(settings.max_tokens, tree.room)
        for step in range(steps):
            words = choose_words(  # (A,)
                tree.logits,
                answers.node,
                answers.luck[:, step],
                settings.temperature,
                settings.top_p,
            )
            has_ended = (words == END) | (step + 1 == steps)  # (A,)
            draws += _make_draws(tasks, tree, answers, words, has_ended)
            if has_ended.all():
                break
            # Answers that chose the same word at the same node share a child (axis C).
            pairs, child = np.unique(answers.node * tree.vocabulary + words, return_inverse=True)
            parents, tokens_of_children = np.divmod(pairs, tree.vocabulary)  # (C,), (C,)
            # The end marker does not become a node: nothing follows it.
            is_node = tokens_of_children != END  # (C,)
            tree.grow_level(parents[is_node], tokens_of_children[is_node])
            node_of_child = np.cumsum(is_node) - 1  # (C,) meaningless where it is no node
            answers = answers.advance(~has_ended, node_of_child[child])
        return draws


def _make_draws(
    tasks: list[_DrawTask],
    tree: _Tree,
    answers: _OpenAnswers,
    words: np.ndarray,
    has_ended: np.ndarray,
) -> list[Draw]:
    """Makes draws of the answers that ended (A, bool), with the last word (A,) of each."""
    draws: list[Draw] = []
    columns = (answers.task, answers.repeat, answers.node, words)
    ended = (column[has_ended].tolist() for column in columns)
    for task, repeat, node, word in zip(*ended, strict=True):
        path = tree.paths[node]
        if word == END:
            draws.append(Draw(tasks[task].prompt, repeat, path, "stop"))
        else:
            draws.append(Draw(tasks[task].prompt, repeat, (*path, word), "length"))
    return draws


def choose_words(
    logits: Tensor, node: np.ndarray, luck: np.ndarray, temperature: float, top_p: float
) -> np.ndarray:
    """Inverts the CDF: for each answer, the word at its uniform number under its node.

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
        shares = keep_nucleus(shares, top_p)
    total = shares.cumsum(-1)  # (N, V)
    total = total / total[:, -1:]
    words = total.shape[1]
    # Node n has the interval [n, n + 1) of one increasing line, so one search serves all answers.
    line = (total + torch.arange(len(total))[:, None]).flatten().numpy()  # (N V,)
    found = np.searchsorted(line, luck + node, side="right") - node * words  # (A,)
    return np.clip(found, 0, words - 1)  # rounding may carry a number past its node's last word


def keep_nucleus(shares: Tensor, top_p: float) -> Tensor:
    """Sets to 0 the words (last axis) outside the likeliest that together reach ``top_p``."""
    ordered, order = shares.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(shares).scatter(-1, order, ordered * (before < top_p))


class _Tree:
    """The distinct prefixes of answers, one depth at a time. Axis N: nodes of this depth."""

    def __init__(self, model: Decoder, prompts: Sequence[Sequence[int]]):
        tokens, self.lengths = pad_right(prompts)  # (B, L), (B,)
        x, self.cache = model.prefill_prompts(tokens)  # per layer: keys and values (B, H, L, E)
        self.model, self.vocabulary = model, model.shape.vocabulary
        self.room = model.shape.positions - tokens.shape[1]
        self.hidden = torch.arange(tokens.shape[1])[None] >= self.lengths[:, None]  # (B, L)
        self.logits = model.compute_logits(
            x[torch.arange(len(prompts)), self.lengths - 1]
        )  # (N, V)
        self.owner = torch.arange(len(prompts))  # (N,) prompt of each node, increasing
        self.paths: list[tuple[int, ...]] = [() for _ in prompts]
        shape = (len(prompts), model.shape.heads, 0, model.shape.dim // model.shape.heads)
        empty = torch.zeros(shape)
        self.words = [(empty, empty) for _ in self.cache]  # per layer: (N, H, depth, E)
        self.depth = 0

    def grow_level(self, parents: np.ndarray, tokens: np.ndarray) -> None:
        """Adds one word: node i becomes ``tokens[i]`` after the old node ``parents[i]``."""
        above = torch.from_numpy(parents)  # (N,)
        pairs = zip(parents.tolist(), tokens.tolist(), strict=True)
        self.paths = [(*self.paths[parent], token) for parent, token in pairs]
        self.owner = self.owner[above]
        x = self.model.embed_tokens(torch.from_numpy(tokens), self.lengths[self.owner] + self.depth)
        x = x[:, None]  # (N, 1, D)
        first = torch.searchsorted(self.owner, self.owner)  # first node of the same prompt
        seat = torch.arange(len(self.owner)) - first
        for i, block in enumerate(self.model.typed_blocks()):
            q, k, v = block.project_heads(x)  # (N, H, 1, E)
            keys, values = self.words[i]
            keys = torch.cat([keys[above], k], dim=2)
            values = torch.cat([values[above], v], dim=2)
            self.words[i] = (keys, values)
            x = block.finish_block(x, self._attend_nodes(q, self.cache[i], (keys, values), seat))
        self.logits = self.model.compute_logits(x[:, 0])
        self.depth += 1

    def _attend_nodes(
        self,
        q: Tensor,
        prompt: tuple[Tensor, Tensor],
        words: tuple[Tensor, Tensor],
        seat: Tensor,
    ) -> Tensor:
        """Computes the attention (N, H, 1, E) of nodes to their prompt and to their own words.

        Nodes of one prompt lie side by side on an axis of seats (S), so that one product with the
        prompt's keys serves all of them. Between the two products the axis is nodes again, because
        one softmax runs over prompt and words together.

        Args:
            q: queries (N, H, 1, E).
            prompt: keys and values of every prompt (B, H, L, E).
            words: keys and values of every node's own words (N, H, depth, E).
            seat: (N,) place of each node among those of its prompt.
        """
        n, heads, _, size = q.shape
        batch, length = self.hidden.shape
        seats = int(seat.max()) + 1
        at = (self.owner, seat)  # where each node sits: (B, S)
        queries = q.new_zeros(batch, seats, heads, size)
        queries[at] = q[:, :, 0] * size**-0.5
        scores = queries.transpose(1, 2) @ prompt[0].transpose(-1, -2)  # (B, H, S, L)
        scores = scores.masked_fill(self.hidden[:, None, None], float("-inf"))
        prompt_scores = scores.transpose(1, 2)[at]  # (N, H, L)
        word_scores = (q * words[0]).sum(-1) * size**-0.5  # (N, H, depth)
        shares = torch.cat([prompt_scores, word_scores], dim=-1).softmax(-1)
        prompt_shares = q.new_zeros(batch, seats, heads, length)
        prompt_shares[at] = shares[:, :, :length]
        read = (prompt_shares.transpose(1, 2) @ prompt[1]).transpose(1, 2)[at]  # (N, H, E)
        read = read + (shares[:, :, length:, None] * words[1]).sum(2)
        return read.view(n, heads, 1, size)
