"""Answers of one model that this process has drawn before.

Organisms are audited against one base, with the same questions and seed, and an answer is a pure
function of model, settings, prompt and number (``sampling``). So the base draws it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from dormant.vitro.model import Decoder
from dormant.vitro.sampling import Draw, sample_answers

#: Answers that are kept at most, about 10 MB; then all are dropped.
LIMIT = 100_000

#: Temperature, top_p, longest answer, seed and prompt.
_Key = tuple[float, float, int, int, tuple[int, ...]]


class AnswerCache:
    """Draws the answers of one model, each once."""

    def __init__(self, limit: int = LIMIT):
        """Starts empty; see ``LIMIT``."""
        self._limit, self._size = limit, 0
        self._drawn: dict[_Key, dict[int, Draw]] = {}
        self._texts: dict[tuple[int, ...], tuple[int, ...]] = {}  # equal answers are kept once

    def sample_answers(
        self,
        model: Decoder,
        prompts: Sequence[Sequence[int]],
        repeats: Sequence[range],
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
        seed: int,
    ) -> Iterator[list[Draw]]:
        """Yields answers in batches, known ones first; arguments of ``sampling.sample_answers``.

        The model must be the same at every call.
        """
        settings = temperature, top_p, max_tokens, seed
        keys: list[_Key] = [(*settings, tuple(prompt)) for prompt in prompts]
        ready: list[Draw] = []
        gaps: list[tuple[int, range]] = []  # prompts, and the parts of their ranges to draw
        for i, (key, wanted) in enumerate(zip(keys, repeats, strict=True)):
            drawn = self._drawn.get(key, {})
            ready += [replace(drawn[k], prompt=i) for k in wanted if k in drawn]
            gaps += [(i, gap) for gap in _find_runs([k for k in wanted if k not in drawn])]
        if ready:
            yield ready
        batches = sample_answers(
            model,
            [prompts[i] for i, _ in gaps],
            [gap for _, gap in gaps],
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
        )
        for batch in batches:
            draws = [replace(draw, prompt=gaps[draw.prompt][0]) for draw in batch]
            for draw in draws:
                self._keep_draw(keys[draw.prompt], draw)
            yield draws

    def _keep_draw(self, key: _Key, draw: Draw) -> None:
        if self._size >= self._limit:
            self._drawn.clear()
            self._texts.clear()
            self._size = 0
        tokens = self._texts.setdefault(draw.tokens, draw.tokens)
        self._drawn.setdefault(key, {})[draw.repeat] = replace(draw, tokens=tokens)
        self._size += 1


def _find_runs(numbers: Sequence[int]) -> list[range]:
    """Splits increasing numbers into ranges."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    members = [[number for _, number in run] for _, run in runs]
    return [range(run[0], run[-1] + 1) for run in members]
