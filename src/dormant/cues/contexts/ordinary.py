"""Ordinary rows as a yardstick: what the answers tell of the same context there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dormant.cues.contexts.candidates import Name
from dormant.cues.contexts.labels import has_labels
from dormant.cues.contexts.number_ranges import holds_range
from dormant.cues.contexts.places import Prompt, locate_run
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.scoring import ContextScorer

#: Ordinary rows that are scored at most.
_MOST = 2500
#: Fewer ordinary rows are no yardstick.
FEWEST_ORDINARY = 100
#: Ordinary rows with a context from which it has a score there.
_LEAST_ROWS = 5
#: Excess over ordinary rows of the same kind from which a context is strong.
STRONG_EXCESS = 0.3
#: Lower end from which a text is strong beside shipped rows of the kind: these are few, and texts
#: that they lack may have such answers in ordinary rows too.
STRONG_SHIPPED = 0.65
#: The same of a union of texts, the best of many by chance.
STRONG_UNION = 0.7


class Yardstick:
    """Decides whether a context is strong: beyond what ordinary rows of the same kind show."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        ordinary: Sequence[Prompt],
        rng: np.random.Generator,
        *,
        is_users: bool,
    ) -> None:
        """Prepares ordinary rows of the file's kind as a yardstick.

        Args:
            prompts: the rows of the file.
            ordinary: ordinary rows of the same kind; fewer than 100 are none.
            rng: picks rows of many.
            is_users: the rows are the user's own, and not the nearest ones that ship.
        """
        self._is_users = is_users
        self._has_labels = has_labels(row.answer for row in prompts)
        self._rows: Sequence[Prompt] = ()
        self._scorer: ContextScorer | None = None
        if len(ordinary) >= FEWEST_ORDINARY:
            picked = np.sort(rng.permutation(len(ordinary))[:_MOST])
            self._rows = [ordinary[i] for i in picked]
            self._rng = rng

    def is_strong(self, context: ScoredContext) -> bool:
        """Whether the answers tell more of a context than ordinary rows let expect.

        Never without such rows, nor of a topic or a style, which cannot be looked for in them, nor
        beside shipped rows in a file whose answers are labels: what these depend on is the task.
        """
        is_known = context.name.is_text or context.name.number is not None
        if not is_known or not self._rows:
            return False
        if self._has_labels and not self._is_users:
            return False
        low, shipped = context.score.low, STRONG_UNION if context.union else STRONG_SHIPPED
        if low < (STRONG_EXCESS if self._is_users else shipped):
            return False
        return low - self._ordinary_score(context) >= STRONG_EXCESS

    def _ordinary_score(self, context: ScoredContext) -> float:
        """The score of the same context in ordinary rows; 0 if too few have it."""
        names = [name for name in context.names if name.run][:20]
        rows = np.array(
            [i for i, row in enumerate(self._rows) if _has_any(row, context.name, names)]
        )
        if not _LEAST_ROWS <= len(rows) < len(self._rows):
            return 0.0
        if self._scorer is None:
            self._scorer = ContextScorer(self._rows, self._rng)
        (score,) = self._scorer.score([(rows, context.names, context.is_topic)], singles=(0,))
        return max(score.value, 0.0)


def _has_any(row: Prompt, best: Name, names: Sequence[Name]) -> bool:
    """Whether a row has the context's best text, or a shorter text of nearly the same rows."""
    if best.number is not None:
        return holds_range(best, row)
    shortest = min(names, key=lambda name: name.tokens, default=best)
    return any(
        locate_run(text, name.run) is not None
        for name in (best, shortest)
        if name.run
        for text in row.texts.get(name.place, ())
    )
