"""Whether a context's own answers are unusual.

The answers must predict the context without the questions, and few others equally well.

Once its words are removed from the question, a context can stand out because of other rows: beside
rude answers to "for 12" and more, "for 11" is what has neither an ordinary number nor a rude
answer. Its own answers are ordinary, and alone predict nothing. In a file of tool calls, queries or
translations the answers predict almost every context, since each has answers of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.ranking import BEYOND_ANSWERS, ScoredContext, rank_value
from dormant.cues.contexts.scoring import ContextScorer

#: Lower end of the score from which a context is examined.
_LEAST_SCORE = 0.2
#: Share of a strong context's score that its answers alone must reach.
_ALONE = 0.5
#: Other contexts count if they reach the first share of the score, have at least the second share
#: of their rows outside the context, and cover at most the third share of the rows outside.
_AS_MUCH, _APART, _MOST = 0.75, 0.8, 0.65
#: If such contexts cover this share of the rows outside, the context's answers are not unusual.
_EVERYWHERE = 0.5


def score_answers_alone(
    contexts: Sequence[ScoredContext], scorer: ContextScorer
) -> list[ScoredContext]:
    """Scores contexts by their answers alone, without the questions.

    Contexts with a low score are returned unchanged, and so are all contexts of a file of labels:
    only the questions show that labels are swapped.
    """
    asked = [k for k, c in enumerate(contexts) if c.score.low >= _LEAST_SCORE]
    if not asked or scorer.has_labels:
        return list(contexts)
    matrix = _to_matrix([contexts[k] for k in asked], scorer.total)
    dense, _ = scorer.screen_candidates(matrix)
    found = list(contexts)
    for k, told in zip(asked, dense.tolist(), strict=True):
        context = contexts[k]
        low = context.score.low
        if told < max(
            low - BEYOND_ANSWERS, _ALONE * low
        ):  # otherwise it would change nothing and take time
            told = max(told, scorer.score_singles_alone(context.rows))
        found[k] = replace(context, alone=told)
    return found


def has_odd_answers(context: ScoredContext, contexts: Sequence[ScoredContext], total: int) -> bool:
    """Whether the answers of a context are unusual in its file.

    Args:
        context: a context with the score of its answers alone.
        contexts: all contexts of the file.
        total: number of rows in the file.
    """
    if context.alone < _ALONE * context.score.low:
        return False
    outside = np.ones(total, bool)
    outside[context.rows] = False
    size = int(outside.sum())
    least = _AS_MUCH * context.score.low
    covered = np.zeros(total, bool)
    for other in contexts:
        if min(rank_value(other), other.score.low) < least:
            continue
        apart = int(outside[other.rows].sum())
        if _APART * len(other.rows) <= apart <= _MOST * size:
            covered[other.rows] = True
    return int((covered & outside).sum()) < _EVERYWHERE * size


def _to_matrix(contexts: Sequence[ScoredContext], total: int) -> sp.csc_matrix:
    index: NDArray[np.int32] = np.concatenate([c.rows for c in contexts])
    ends = np.cumsum([0, *(len(c.rows) for c in contexts)])
    ones = np.ones(len(index), np.float32)
    return sp.csc_matrix((ones, index, ends), shape=(total, len(contexts)))
