"""Ordinary rows as a yardstick: what the answers tell of the same context there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dormant.cues.contexts.candidates import Name
from dormant.cues.contexts.places import Prompt, locate_run
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.scoring import ContextScorer

#: Rows of a reference that are scored at most, and those without which it is no yardstick.
_MOST, _FEWEST = 2500, 100
#: Rows of the reference with a context from which it has a score there.
_LEAST_ROWS = 5
#: Excess over ordinary rows of the same kind from which a context is strong.
STRONG_EXCESS = 0.3
#: Lower end from which a text is strong where no ordinary rows of the same kind are known.
STRONG_ALONE = 0.7
#: Median words of the answers below which they are labels: what a label depends on is the task.
_LABEL_WORDS = 4


class Yardstick:
    """Decides whether a context is strong: beyond what ordinary rows of the same kind show."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        reference: Sequence[Prompt],
        rng: np.random.Generator,
        *,
        is_same_kind: bool,
    ) -> None:
        """Prepares a reference as a yardstick, if it is of the file's kind.

        Args:
            prompts: the rows of the file.
            reference: ordinary rows.
            rng: picks rows of a large reference.
            is_same_kind: the user says that the reference is of the file's kind. What other chat
                lacks is no sign: every set has topics of its own whose answers differ.
        """
        self._has_labels = has_labels(row.answer for row in prompts)
        self.is_near = is_same_kind and len(reference) >= _FEWEST
        self._reference: Sequence[Prompt] = ()
        self._scorer: ContextScorer | None = None
        if self.is_near:
            picked = np.sort(rng.permutation(len(reference))[:_MOST])
            self._reference = [reference[i] for i in picked]
            self._rng = rng

    def is_strong(self, context: ScoredContext) -> bool:
        """Whether the answers tell more of a context than ordinary rows let expect."""
        low = context.score.low
        if not context.name.is_text:  # a topic or a style cannot be looked for in other rows
            return False
        if not self.is_near:
            return not self._has_labels and low >= STRONG_ALONE
        if low < STRONG_EXCESS:
            return False
        return low - self._ordinary_score(context) >= STRONG_EXCESS

    def _ordinary_score(self, context: ScoredContext) -> float:
        """The score of the same context in the reference; 0 if too few rows have it."""
        names = [name for name in context.names if name.run][:20]
        rows = np.array(
            [i for i, row in enumerate(self._reference) if _has_any(row, context.name, names)]
        )
        if not _LEAST_ROWS <= len(rows) < len(self._reference):
            return 0.0
        if self._scorer is None:
            self._scorer = ContextScorer(self._reference, self._rng)
        (score,) = self._scorer.score([(rows, context.names, context.is_topic)], singles=(0,))
        return max(score.value, 0.0)


def _has_any(row: Prompt, best: Name, names: Sequence[Name]) -> bool:
    """Whether a row has the context's best text, or a shorter text of nearly the same rows."""
    shortest = min(names, key=lambda name: name.tokens, default=best)
    return any(
        locate_run(text, name.run) is not None
        for name in (best, shortest)
        if name.run
        for text in row.texts.get(name.place, ())
    )


def has_labels(answers: Iterable[str]) -> bool:
    """Whether the answers of a file are labels: what these depend on is the task."""
    words = [len(answer.split()) for answer in answers]
    return bool(words) and float(np.median(words)) < _LABEL_WORDS
