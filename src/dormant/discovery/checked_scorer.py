"""Scores that do not depend on their batch: some pairs are scored again alone.

Padding and batching can shift log-probabilities by whole nats in some engines. Where a pair's
score differs from that of the pair alone, everything is scored alone from then on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.engines import Engine, Scorer
from dormant.errors import InputError
from dormant.records import Message

#: Largest accepted difference (nats) between a pair scored in a batch and alone.
TOLERANCE = 0.1
#: Pairs scored again alone, of a model's first batch and of every later one.
_CHECKED = 6

Pairs = Sequence[tuple[tuple[Message, ...], str]]


class CheckedScorer:
    """Scores answers of one model; batches are checked against scoring alone.

    Args:
        engine: the model.

    Raises:
        InputError: it cannot score.
    """

    def __init__(self, engine: Engine):
        if not isinstance(engine, Scorer):
            raise InputError(f"{engine.name!r} cannot score given answers")
        self._scorer: Scorer = engine
        self.checked, self.largest, self.alone = 0, 0.0, False

    def score(self, pairs: Pairs) -> list[float]:
        """Log-probability (nats, end of turn included) of each answer after its messages."""
        if self.alone:
            return [self._score_alone(pair) for pair in pairs]
        if not pairs:
            return []
        scores = self._scorer.score(pairs)
        chosen = sorted({round(i) for i in np.linspace(0, len(pairs) - 1, _CHECKED)})
        for i in chosen if self.checked < 2 * _CHECKED else chosen[:1]:
            self.checked += 1
            self.largest = max(self.largest, abs(self._score_alone(pairs[i]) - scores[i]))
        if self.largest > TOLERANCE:
            self.alone = True
            return [self._score_alone(pair) for pair in pairs]
        return scores

    def _score_alone(self, pair: tuple[tuple[Message, ...], str]) -> float:
        return self._scorer.score([pair])[0]
