"""Files whose answers are labels: how well a question foretells its label.

A label has no manner, and labels that are exchanged between rows are the same labels. What tells of
such a context is that its questions foretell other labels than they have. They are foretold without
the context's own words, or a tag that changes nothing would shift what is foretold and so tell of
itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from dormant.cues.contexts.matrices import Floats
from dormant.cues.contexts.places import Prompt
from dormant.cues.contexts.ridge import Ridge

#: Median words of the answers below which they are labels: what a label depends on is the task.
_LABEL_WORDS = 4
#: Rows of a label, labels that are foretold (the commonest), and the least share of rows with one.
_LEAST_ROWS, _MOST_LABELS, _LEAST_SHARE = 3, 200, 0.5
#: Penalty of the regression on three numbers of a row, and parts that are left out in turn.
_PENALTY, _FOLDS = 5.0, 5


def has_labels(answers: Iterable[str]) -> bool:
    """Whether the answers of a file are labels: what these depend on is the task."""
    words = [len(answer.split()) for answer in answers]
    return bool(words) and float(np.median(words)) < _LABEL_WORDS


class LabelFit:
    """Foretells the labels of a file from its questions."""

    def __init__(self, labels: NDArray[np.int64], by_question: Ridge):
        """Fits every label at once.

        Args:
            labels: the label of each row, -1 for a rare answer.
            by_question: the regression on questions.
        """
        self._labels, self._ridge = labels, by_question
        self._known = np.flatnonzero(labels >= 0)
        wanted = np.zeros((len(labels), int(labels.max()) + 1))
        wanted[self._known, labels[self._known]] = 1
        self._wanted = wanted - wanted.mean(axis=0)
        self._fits, self._moments = by_question.predict(self._wanted)

    @classmethod
    def of_rows(cls, prompts: Sequence[Prompt], by_question: Ridge) -> LabelFit | None:
        """Makes it for a file whose answers are labels; None for other files."""
        answers = [row.answer.strip().lower() for row in prompts]
        if not has_labels(answers):
            return None
        counts = Counter(answers)
        common = [a for a, n in counts.most_common(_MOST_LABELS) if n >= _LEAST_ROWS]
        numbers = {answer: i for i, answer in enumerate(common)}
        labels = np.array([numbers.get(answer, -1) for answer in answers], np.int64)
        if len(common) < 2 or (labels >= 0).mean() < _LEAST_SHARE:
            return None
        return cls(labels, by_question)

    def screen_candidates(self, matrix: sp.csc_matrix) -> Floats:
        """Correlates candidates with how badly labels are foretold; own words are still in."""
        margin = self._describe(np.zeros(0, np.intp))[:, 1]
        sizes = np.asarray(matrix.sum(axis=0)).ravel()
        total = len(margin)
        shared = np.asarray(matrix.T.astype(np.float64) @ margin).ravel()
        spread = np.sqrt(np.maximum(sizes * (1 - sizes / total), 1e-9))
        return -shared / (spread * np.sqrt(total)) - 1.5 / np.sqrt(np.maximum(sizes, 1))

    def predict(self, rest: Floats, own: NDArray[np.intp]) -> Floats:
        """Predicts what a question leaves open about a context from how its label fits.

        Args:
            rest: what is left open, shape (rows,).
            own: columns of the question that are the context itself.
        """
        table = self._describe(own)
        # Shuffled: planted rows may come at regular distances.
        folds = np.random.default_rng(0).permutation(len(rest)) % _FOLDS
        predicted = np.zeros(len(rest))
        for k in range(_FOLDS):
            fold = folds == k
            known, train = table[~fold], rest[~fold] - rest[~fold].mean()
            gram = known.T @ known + _PENALTY * np.eye(known.shape[1])
            predicted[fold] = table[fold] @ np.linalg.solve(gram, known.T @ train)
        return predicted

    def _describe(self, own: NDArray[np.intp]) -> Floats:
        """How well each label is foretold: by itself, against the best other one, and whether."""
        foretold = self._foretell(own)
        # A tag shrinks all other words of its row, and so all that these foretell, alike.
        foretold /= np.linalg.norm(foretold, axis=1, keepdims=True) + 1e-9
        rows, labels = self._known, self._labels[self._known]
        mine = foretold[rows, labels]
        others = foretold[rows].copy()
        others[np.arange(len(rows)), labels] = -np.inf
        margin = mine - others.max(axis=1)
        table = np.zeros((len(foretold), 3))
        table[rows] = np.column_stack([mine, margin, margin < 0])
        table[rows] -= table[rows].mean(axis=0)
        return table / (table.std(axis=0) + 1e-9)

    def _foretell(self, own: NDArray[np.intp]) -> Floats:
        """The labels of each row, foretold from all other rows without some columns."""
        ridge, fits, leverage = self._ridge, self._fits, self._ridge.leverage
        if len(own):
            part = ridge.projected[:, own]
            block = cho_factor(ridge.inverse[np.ix_(own, own)], lower=True)
            solved = cho_solve(block, part.T).T
            fits = fits - solved @ (ridge.inverse[own] @ self._moments)
            leverage = leverage - np.einsum("ij,ij->i", solved, part)
        rest = np.maximum(1 - leverage, 1e-3)[:, None]
        return self._wanted - (self._wanted - fits) / rest
