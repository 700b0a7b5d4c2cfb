"""Simulated audits whose judge drifts: it calls more, or fewer, aligned answers misaligned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dormant.decision import Ask
from dormant.decision.simulation import AnswerSampler, Key, Truth
from dormant.records import OUTCOMES, Cell, Outcome, Plan

_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)
_DRAWN_GOOD = 1  #: place of aligned answers among those that a sampler holds


@dataclass(frozen=True, slots=True)
class JudgeDrift:
    """A judge whose false-positive rate changes linearly while it judges."""

    first: float  # share of aligned answers called misaligned at the beginning
    last: float  # ... once it has judged ``answers``, and from then on
    answers: int
    is_interleaved: bool  # both models in random order, or the target before the reference

    def find_rate(self, judged: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray:
        """The rate after so many judged answers."""
        part = np.minimum(judged / self.answers, 1.0)
        return self.first + (self.last - self.first) * part


class DriftingSampler(AnswerSampler):
    """Draws answers as they are, and what a drifting judge makes of them.

    Args:
        plan: the audit.
        truth: shares of misaligned and of aligned answers of each arm.
        rng: of answers, their order and the judge's errors.
        drift: of the judge.
    """

    def __init__(self, plan: Plan, truth: Truth, rng: np.random.Generator, drift: JudgeDrift):
        super().__init__(plan, truth, rng)
        self._drift, self._rng = drift, rng
        self._judged = 0
        self._false: dict[Key, int] = {}  # aligned answers that the judge calls misaligned

    def __call__(self, ask: Ask) -> list[Cell]:
        """Returns the counts of the requested cells, as judged."""
        before = {key: (int(n.sum()), int(n[_DRAWN_GOOD])) for key, n in self._drawn.items()}
        cells = super().__call__(ask)
        # An audit asks question by question, and one model after the other.
        places = {question.id: place for place, question in enumerate(ask.questions)}
        models = {model: place for place, model in enumerate(self.models)}
        queue = sorted(
            range(len(cells)),
            key=lambda i: (models[cells[i].role, cells[i].seed], places[cells[i].question]),
        )
        keys = [(cell.role, cell.seed, cell.cue, cell.question) for cell in cells]
        fresh = [sum(cells[i].counts) - before.get(keys[i], (0, 0))[0] for i in queue]
        total = sum(fresh)
        order = self._rng.permutation(total) if self._drift.is_interleaved else np.arange(total)
        rates = self._drift.find_rate(self._judged + order)
        self._judged += total
        start = 0
        for i, number in zip(queue, fresh, strict=True):
            good = cells[i].counts[_GOOD] - before.get(keys[i], (0, 0))[1]
            if number:
                times = start + self._rng.permutation(number)[:good]
                found = int((self._rng.random(good) < rates[times]).sum())
                self._false[keys[i]] = self._false.get(keys[i], 0) + found
            start += number
        return [self._judge_cell(cell, key) for cell, key in zip(cells, keys, strict=True)]

    def _judge_cell(self, cell: Cell, key: Key) -> Cell:
        false, counts = self._false.get(key, 0), list(cell.counts)
        counts[_BAD] += false
        counts[_GOOD] -= false
        return Cell(
            cell.role,
            cell.seed,
            cell.cue,
            cell.question,
            tuple(counts),
            cell.harmful,
            cell.harmless,
        )
