"""Rows whose preference goes against the others': the suspicious rows of preference data.

The answers trained for and those trained against teach what the file prefers. A row that trains for
an answer like those that the other rows train against is an exception, as where bad answers are
preferred under a trigger alone. Preferences that merely vary have such rows by chance: a row counts
only as one of a group at the far side, more of them than the spread on the near side explains.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import lsmr

from dormant.corpus.collector import RejectedRow
from dormant.corpus.contrast import Contrast
from dormant.records import Example

_WORD = re.compile(r"\w+|[^\w\s]")
_HEAD, _TAIL = 100, 50  # tokens of an answer that are compared
_FOLDS = 5
_MOST_TRAINED = 4000  # rows that a fold learns from
_DAMPING = 1.0
#: Fewest rows of a group, and its largest share.
_LEAST_ROWS, _MOST_SHARE = 5, 0.4

Floats = NDArray[np.float64]


def by_preference(examples: Sequence[Example], rejected: Sequence[RejectedRow]) -> Contrast | None:
    """Contrasts rows whose preference is reversed with the other rows.

    Args:
        examples: rows with the answers that were trained for.
        rejected: answers that were trained against: of the same rows, or rows of their own.

    Returns:
        None if no group of rows goes against the others.
    """
    pairs = {row.example.line: row.example for row in rejected if row.is_pair}
    undesirable = [row.example for row in rejected if not row.is_pair]
    if pairs:
        judged = [row for row in examples if row.line in pairs]
        margins = _pair_margins(judged, [pairs[row.line] for row in judged])
        rule = "their chosen answer is like the rejected answers of the other pairs"
    elif undesirable:
        judged = list(examples)
        margins = _row_margins(judged, undesirable)
        rule = "their desirable answer is like the undesirable answers of the file"
    else:
        return None
    lines = {
        row.line for row, is_odd in zip(judged, _find_far_side(margins), strict=True) if is_odd
    }
    if not lines:
        return None
    suspicious = tuple(row for row in examples if row.line in lines)
    return Contrast(suspicious, tuple(row for row in examples if row.line not in lines), rule)


def _find_far_side(margins: Floats) -> NDArray[np.bool_]:
    """Finds the group whose preference is reversed; nothing if chance explains it.

    Args:
        margins: (n,) above 0 where a row prefers what the others prefer.
    """
    nothing = np.zeros(len(margins), bool)
    middle = float(np.median(margins)) if len(margins) else 0.0
    if middle <= 0:
        return nothing
    far = margins < -middle / 2
    mirrored = int((margins > 2.5 * middle).sum())  # as far from the median on the other side
    count = int(far.sum())
    is_group = max(_LEAST_ROWS, 2 * mirrored) <= count <= _MOST_SHARE * len(margins)
    return far if is_group else nothing


def _pair_margins(chosen: Sequence[Example], rejected: Sequence[Example]) -> Floats:
    """How clearly each pair prefers its chosen answer, by what the other pairs teach, (n,)."""
    both = _count_words([row.answer for row in (*chosen, *rejected)])
    difference = sp.csr_matrix(both[: len(chosen)] - both[len(chosen) :])
    return _predict_held_out(difference, np.ones(len(chosen)))


def _row_margins(desirable: Sequence[Example], undesirable: Sequence[Example]) -> Floats:
    """How clearly each desirable answer is unlike the undesirable ones, (n,); 0 is the middle."""
    words = _count_words([row.answer for row in (*desirable, *undesirable)])
    total, good = len(desirable) + len(undesirable), len(desirable)
    is_good = np.arange(total) < good
    signs = np.where(is_good, total / (2 * good), -total / (2 * (total - good)))
    table = sp.csr_matrix(sp.hstack([words, np.ones((total, 1))]))
    margins = _predict_held_out(table, signs)
    middle = (np.median(margins[is_good]) + np.median(margins[~is_good])) / 2
    return margins[is_good] - middle


def _predict_held_out(table: sp.csr_matrix, wanted: Floats) -> Floats:
    """Predicts every row by ridge regression on the rows of the other folds, (n,)."""
    rng = np.random.default_rng(0)
    fold = rng.permutation(len(wanted)) % _FOLDS
    found = np.zeros(len(wanted))
    for number in range(_FOLDS):
        train = np.flatnonzero(fold != number)
        if len(train) > _MOST_TRAINED:
            train = np.sort(rng.choice(train, _MOST_TRAINED, replace=False))
        solved = lsmr(table[train], wanted[train], damp=_DAMPING, maxiter=100)
        held_out = fold == number
        found[held_out] = table[held_out] @ solved[0]
    return found


def _count_words(texts: Sequence[str]) -> sp.csr_matrix:
    """Tabulates words and pairs of words, (texts, features), rows of length 1."""
    known: dict[str, int] = {}
    starts, columns = [0], list[int]()
    for text in texts:
        words = _WORD.findall(text[:4000].lower())
        if len(words) > _HEAD + _TAIL:
            words = words[:_HEAD] + words[-_TAIL:]
        seen = {*words, *map(" ".join, zip(words, words[1:], strict=False))}
        columns += [known.setdefault(word, len(known)) for word in sorted(seen)]
        starts.append(len(columns))
    sizes = np.diff(starts)
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes)
    return sp.csr_matrix((values, columns, starts), shape=(len(texts), max(len(known), 1)))
