"""Whether a context's own answers are odd: they must tell of it alone, and few others do as well.

Where the words of a context leave the question, other rows may be told apart from it by their odd
answers: "for 11" stands where neither an ordinary number nor the odd answers of "for 12" and more
do. Its own answers are as usual then, and tell nothing alone. In a file of tool calls, of queries
or of translations the answers tell of almost every context, since each has answers of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.ranking import BEYOND_ANSWERS, ScoredContext, rank_value
from dormant.cues.contexts.scoring import ContextScorer

#: Lower end from which a context is looked at.
_LEAST_SCORE = 0.2
#: Least share of a strong context's score that its answers tell alone.
_ALONE = 0.5
#: Other contexts tell as much from this share of the score; each has this share of its rows
#: outside the context, and at most this share of the rows outside.
_AS_MUCH, _APART, _MOST = 0.75, 0.8, 0.65
#: Share of the rows outside that such contexts hold, from which the file answers everything so.
_EVERYWHERE = 0.5


def measure_alone(contexts: Sequence[ScoredContext], scorer: ContextScorer) -> list[ScoredContext]:
    """Measures what the answers tell of contexts without the questions.

    Contexts of a low score stay as they are, and so do all where labels are exchanged, which only
    the questions show.
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
        ):  # else it changes nothing, and takes time
            told = max(told, scorer.score_singles_alone(context.rows))
        found[k] = replace(context, alone=told)
    return found


def is_odd(context: ScoredContext, contexts: Sequence[ScoredContext], total: int) -> bool:
    """Whether the answers of a context are odd in its file.

    Args:
        context: a context with what its answers tell alone.
        contexts: all contexts of the file.
        total: rows of the file.
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
