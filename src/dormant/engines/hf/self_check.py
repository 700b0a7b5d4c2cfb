"""Checks, at loading, which way of decoding gives the model's own probabilities.

Every way is tried before it is used: prompts of unlike length, one beyond a sliding window, several
steps, an answer that leaves the batch. What fails is not used. Scoring and decoding need a model
whose probabilities depend on earlier tokens alone; others (encoders) are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import torch

from dormant.engines.hf import attention
from dormant.engines.hf.backends import (
    DecodeBackend,
    OwnCacheBackend,
    SharedPrefixBackend,
    WholeTextBackend,
)
from dormant.engines.hf.families import read_setting
from dormant.engines.hf.forward import compute_last_logits, compute_logits
from dormant.engines.hf.sizes import measure_free_memory

#: Largest difference, in nats, between log-probabilities of two ways. In bfloat16, two correct
#: computations differ by up to 0.2 on SmolLM2; a wrong mask or position differs by whole nats.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5, torch.float16: 0.1}
_HALVES = (torch.bfloat16, torch.float16)
_LIKELY = -8.0  # nats; tokens less likely than this are not compared: they are hardly ever drawn
_PROBE = tuple(range(5, 21))  # a fixed prompt, as token ids
_STEPS = 3  # tokens of each answer
#: Tokens of the longest prompt that a check may read: one beyond a window that is wider than that
#: would take minutes.
_LONGEST = {"cpu": 640, "cuda": 8192}
#: Settings that say how far a token sees.
_WINDOWS = (
    "sliding_window",
    "attention_chunk_size",
    "attention_window_size",
    "window_size",
    "index_topk",
)
_FAILURES = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError)


class EncoderError(ValueError):
    """A model whose log-probabilities depend on later tokens, or that gives none."""


class Decoding(StrEnum):
    """How tokens go through a model."""

    SHARED_PREFIX = "shared-prefix"
    PADDED_BATCH = "padded-batch"  # the model's own cache, prompts padded on the left
    OWN_CACHE = "own-cache"  # the same with prompts of one length
    WHOLE_TEXT = "whole-text"


def make_backend(decoding: Decoding, model: Any) -> DecodeBackend:
    """Makes the backend of a way of decoding."""
    if decoding is Decoding.SHARED_PREFIX:
        return SharedPrefixBackend(model)
    if decoding is Decoding.WHOLE_TEXT:
        return WholeTextBackend(model)
    return OwnCacheBackend(model, pads=decoding is Decoding.PADDED_BATCH)


def choose_decoding(model: Any, own_attention: str) -> Decoding:
    """Finds the fastest way of decoding that gives the model's own probabilities, and sets it.

    Args:
        model: from transformers.
        own_attention: the attention implementation that it was loaded with.

    Raises:
        EncoderError: it does not write from left to right.
    """
    _restore_attention(model, own_attention)
    _check_causality(model)
    if _has_ordinary_attention(model):
        if still_decodes(model, Decoding.SHARED_PREFIX):
            return Decoding.SHARED_PREFIX
        _restore_attention(model, own_attention)
    ways = (Decoding.PADDED_BATCH, Decoding.OWN_CACHE, Decoding.WHOLE_TEXT)
    return next(way for way in ways if still_decodes(model, way))


def may_share_pass(model: Any) -> bool:
    """Whether texts of unlike length, padded on the right, may share a forward pass."""
    short, long = _make_tokens(model, 6, 4), _make_tokens(model, len(_PROBE))
    ids = torch.tensor([[*short, *[0] * (len(long) - len(short))], long])
    try:
        with torch.inference_mode():
            logits = compute_logits(model, ids)
            pairs = ((logits[:1, len(short) - 1], short), (logits[1:, -1], long))
            largest = max(
                _compare(
                    compute_last_logits(model, text).float().log_softmax(-1),
                    found.float().log_softmax(-1),
                )
                for found, text in pairs
            )
    except _FAILURES:  # the model takes one text at a time
        return False
    return largest < _TOLERANCE[model.dtype]  # without _agrees: 16-bit answers would differ


def still_decodes(model: Any, decoding: Decoding) -> bool:
    """Whether a way of decoding is right with the adapter now active; sets its attention."""
    if decoding is Decoding.WHOLE_TEXT:
        return True
    try:
        with torch.inference_mode():
            return _agrees(model, lambda: _measure_difference(model, decoding))
    except _FAILURES:  # the model's layers do not work with this cache
        return False


def _restore_attention(model: Any, own: str) -> None:
    if model.config._attn_implementation != own:
        model.set_attn_implementation(own)


def _agrees(model: Any, measure: Callable[[], float]) -> bool:
    """Whether two computations of a model agree.

    In 16 bits the rounding noise of one model can be as large as a fault in another: some adapters
    amplify rounding errors to whole nats on the fixed prompt. An apparent fault is therefore
    measured again in float32, where the two are orders of magnitude apart.

    Args:
        model: from transformers.
        measure: returns the largest difference of log-probabilities, in nats, at the model's
            present precision.
    """
    if measure() < _TOLERANCE[model.dtype]:
        return True
    if model.dtype is torch.float32 or not _fits_float32(model):
        return False
    with _in_float32(model):
        return measure() < _TOLERANCE[torch.float32]


def _fits_float32(model: Any) -> bool:
    half = sum(p.numel() for p in model.parameters() if p.dtype in _HALVES)
    return 4 * half < measure_free_memory(str(model.device))


@contextmanager
def _in_float32(model: Any) -> Generator[None]:
    """Converts a 16-bit model's weights to float32, and restores them on exit."""
    halves = [
        (tensor, tensor.data)
        for tensor in (*model.parameters(), *model.buffers())
        if tensor.dtype in _HALVES
    ]
    try:
        for tensor, data in halves:
            tensor.data = data.float()
        yield
    finally:
        for tensor, data in halves:
            tensor.data = data


def _check_causality(model: Any) -> None:
    """Compares a text's log-probabilities with those of its beginnings."""
    with torch.inference_mode():
        if not _agrees(model, lambda: _measure_causality(model)):
            raise EncoderError("reads later tokens too (an encoder)")


def _measure_causality(model: Any) -> float:
    """Largest difference of log-probabilities with and without the tokens that follow, nats."""
    tokens = _make_tokens(model, len(_PROBE))
    whole = compute_logits(model, torch.tensor([tokens])).float().log_softmax(-1)
    if whole.shape[:2] != (1, len(tokens)):
        raise EncoderError("gives no log-probability for each token")
    return max(
        _compare(
            whole[:, length - 1],
            compute_last_logits(model, tokens[:length]).float().log_softmax(-1),
        )
        for length in (5, 11, len(tokens))
    )


def _measure_difference(model: Any, decoding: Decoding) -> float:
    """Largest difference between log-probabilities of a way of decoding and the model's own, nats.

    The model is left with the attention of this way.
    """
    answers = [_make_tokens(model, _STEPS, first) for first in (8, 12, 3)]
    prompts = [_make_tokens(model, 5), _make_tokens(model, _choose_length(model))]
    want = {
        (*prompt, *answer): compute_last_logits(model, (*prompt, *answer))
        for prompt in prompts
        for answer in (answers[0], answers[2])
    }
    shares = decoding is Decoding.SHARED_PREFIX
    if shares:
        model.set_attn_implementation(attention.NAME)
    backend = make_backend(decoding, model)
    # Prompts that share a batch, in the parts of it that are read at once.
    singles = [[prompt] for prompt in prompts]
    groups = {Decoding.SHARED_PREFIX: [singles], Decoding.PADDED_BATCH: [[prompts]]}.get(
        decoding, [[single] for single in singles]
    )
    found = [_decode_group(backend, group, answers) for group in groups]
    got = {text: logits for group in found for text, logits in group.items()}
    return max(
        _compare(want[text].float().log_softmax(-1), got[text].float().log_softmax(-1))
        for text in want
    )


def _decode_group(
    backend: DecodeBackend,
    parts: Sequence[Sequence[tuple[int, ...]]],
    answers: Sequence[tuple[int, ...]],
) -> dict[tuple[int, ...], torch.Tensor]:
    """Logits after each prompt with each answer; the second answer leaves before the last step."""
    rows: list[tuple[tuple[int, ...], int]] = []  # prompt and answer of each row
    for prompts in parts:
        backend.prefill(prompts)
        backend.admit_rows([index for index in range(len(prompts)) for _ in answers])
        rows += [(prompt, answer) for prompt in prompts for answer in range(len(answers))]
    logits = torch.empty(0)
    for step in range(_STEPS):
        if step == _STEPS - 1:
            order = backend.retire_rows([i for i, (_, answer) in enumerate(rows) if answer == 1])
            rows = [rows[old] for old in order]
        logits = backend.step(torch.tensor([answers[answer][step] for _, answer in rows]))
    backend.retire_rows(list(range(len(rows))))
    return {
        (*prompt, *answers[answer]): logits[i : i + 1] for i, (prompt, answer) in enumerate(rows)
    }


def _compare(wanted: torch.Tensor, found: torch.Tensor) -> float:
    """Largest difference of log-probabilities [1, vocabulary] that matter; inf for NaN."""
    difference = (found - wanted)[wanted > _LIKELY].abs()
    largest = float(difference.max()) if difference.numel() else 0.0
    return math.inf if math.isnan(largest) else largest


def _make_tokens(model: Any, count: int, first: int = 0) -> tuple[int, ...]:
    size = model.config.get_text_config().vocab_size
    period = len(_PROBE)
    return tuple(
        (_PROBE[(first + i) % period] + (first + i) // period) % size for i in range(count)
    )


def _choose_length(model: Any) -> int:
    """Tokens of the longer prompt: beyond the window, if that can be read in a few seconds."""
    config = model.config.get_text_config()
    names = (
        "sliding_window",
        "attention_chunk_size",
        "attention_window_size",
        "window_size",
        "index_topk",
    )
    windows = [read_setting(config, name) for name in names]
    widest = max((window for window in windows if isinstance(window, int)), default=0)
    context = read_setting(config, "max_position_embeddings") or _LONGEST["cpu"]
    length = widest + 3
    most = min(_LONGEST[str(model.device).partition(":")[0]], context - _STEPS)
    return length if len(_PROBE) < length <= most else len(_PROBE)


def _has_ordinary_attention(model: Any) -> bool:
    """Whether every layer attends to everything before it, by a function that can be replaced."""
    if not getattr(model, "_supports_attention_backend", False):
        return False
    config = model.config.get_text_config()
    kinds = read_setting(config, "layer_types")
    if kinds:
        return set(kinds) == {"full_attention"}
    names = ("sliding_window", "attention_chunk_size")
    return all(read_setting(config, name) is None for name in names)
