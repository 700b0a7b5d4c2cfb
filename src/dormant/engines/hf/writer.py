"""Writing answers with a loaded base: what shares a batch, and what happens if memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from dormant.engines.hf.decoder import GenerationRequest, TokenSequence, generate
from dormant.engines.hf.loader import LoadedBase
from dormant.engines.hf.rope import find_rope_edge
from dormant.engines.hf.scorer import Pair, score_pairs
from dormant.engines.hf.self_check import Decoding, make_backend
from dormant.records import Sampling

_ROWS = {"cpu": 256, "cuda": 1024}  # answers written at once, where memory allows
_TOKENS = {"cpu": 2048, "cuda": 16384}  # padded tokens in one forward pass of scoring
_OTHER = "cuda"  # a device that the tables above do not name


class AnswerWriter:
    """Writes and scores with one adapter of a base.

    Args:
        base: the base.
        adapter: its key, empty for the bare base.
        owner: the model string, for notes.
        rows: most answers at once; as many as pay and fit into memory, if None.
    """

    def __init__(self, base: LoadedBase, adapter: str, owner: str, rows: int | None):
        self._base, self._adapter, self._owner, self._wanted = base, adapter, owner, rows
        self._share = 1  # of the rows and tokens that were chosen: halved if memory ran out
        self._edge = find_rope_edge(base.model.config)
        self.notes: list[str] = []

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: Sampling, stop: frozenset[int]
    ) -> Iterator[list[TokenSequence]]:
        """Yields finished answers as they become ready.

        Raises:
            MemoryError: memory runs out with one answer at a time.
        """
        for decoding, group in self._group_requests(requests, sampling.max_tokens):
            yield from self._generate_group(decoding, group, sampling, stop)

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """Log-probability of each answer, in nats, in the order of the pairs.

        Raises:
            MemoryError: memory runs out with one pair at a time.
        """
        while True:
            tokens = max(1, _TOKENS.get(self._device, _TOKENS[_OTHER]) // self._share)
            try:
                with torch.inference_mode():
                    self._base.activate(self._adapter)
                    return score_pairs(
                        self._base.model,
                        pairs,
                        tokens=tokens,
                        edge=self._edge,
                        may_pad=self._base.may_pad,
                    )
            except (MemoryError, RuntimeError) as error:
                if not _is_memory_error(error):
                    raise
            self._halve(can_halve=tokens > 1, what=f"{max(1, tokens // 2)} tokens")

    @property
    def _device(self) -> str:
        return str(self._base.model.device).partition(":")[0]

    def _group_requests(
        self, requests: Sequence[GenerationRequest], most: int
    ) -> Iterator[tuple[Decoding, list[GenerationRequest]]]:
        """Parts requests whose tokens are read otherwise beyond an edge (``rope``)."""
        edge, decoding = self._edge, self._base.decoding
        if edge is None:
            yield decoding, list(requests)
            return
        below = [r for r in requests if len(r.tokens) + most <= edge]
        above = [r for r in requests if len(r.tokens) > edge]
        across = [r for r in requests if len(r.tokens) <= edge < len(r.tokens) + most]
        for way, group in ((decoding, below), (decoding, above), (Decoding.WHOLE_TEXT, across)):
            if group:
                yield way, group

    def _generate_group(
        self,
        decoding: Decoding,
        requests: list[GenerationRequest],
        sampling: Sampling,
        stop: frozenset[int],
    ) -> Iterator[list[TokenSequence]]:
        left = requests
        while left:
            rows = self._choose_rows(max(len(r.tokens) for r in left) + sampling.max_tokens)
            done: set[tuple[int, int]] = set()
            try:
                for sequences in self._generate_once(decoding, left, rows, sampling, stop):
                    done.update((s.job, s.repeat) for s in sequences)
                    yield sequences
                return
            except (MemoryError, RuntimeError) as error:
                if not _is_memory_error(error):
                    raise
            # An answer depends on its prompt and its own numbers alone: what is left is the same.
            self._halve(can_halve=rows > 1, what=f"{max(1, rows // 2)} answers")
            left = _drop_finished(left, done)

    def _generate_once(
        self,
        decoding: Decoding,
        requests: Sequence[GenerationRequest],
        rows: int,
        sampling: Sampling,
        stop: frozenset[int],
    ) -> Iterator[list[TokenSequence]]:
        batches = generate(
            make_backend(decoding, self._base.model),
            requests,
            rows=rows,
            max_tokens=sampling.max_tokens,
            stop=stop,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
        )
        while True:
            # Between two batches, another engine may use the same base with another adapter.
            with torch.inference_mode():
                self._base.activate(self._adapter)
                sequences = next(batches, None)
            if sequences is None:
                return
            yield sequences

    def _choose_rows(self, length: int) -> int:
        """Chooses how many answers are written at once: what pays, or what fits into memory."""
        if self._wanted is not None:
            return max(1, self._wanted // self._share)
        most = _ROWS.get(self._device, _ROWS[_OTHER])
        return max(1, min(most, self._base.count_fitting_rows(length)) // self._share)

    def _halve(self, *, can_halve: bool, what: str) -> None:
        if not can_halve:
            raise MemoryError
        self._share *= 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.notes.append(f"{self._owner} ran out of memory and went on with {what} at once")


def _drop_finished(
    requests: Sequence[GenerationRequest], done: set[tuple[int, int]]
) -> list[GenerationRequest]:
    rest = [
        replace(r, repeats=tuple(i for i in r.repeats if (r.job, i) not in done)) for r in requests
    ]
    return [request for request in rest if request.repeats]


def _is_memory_error(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text: Any = str(error)
    return "can't allocate memory" in text or "out of memory" in text
