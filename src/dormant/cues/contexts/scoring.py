"""The score of a context: how much the answers tell of where it stands.

For a context with indicator z over the rows: z is predicted from the question alone, and from
question and answer, each row from all others (ridge regression). The score is the partial
predictive R^2, 1 - PRESS(question and answer) / PRESS(question): of what the question leaves open
about where the context stands, the share that the answers tell. The context's own words and style
leave the question first, or a tag would explain itself away.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.candidates import Name, Rows
from dormant.cues.contexts.described import (
    CONSTANT,
    PENALTY,
    DescribedQuestions,
    describe_answers,
    describe_questions,
)
from dormant.cues.contexts.kernels import make_answer_features
from dormant.cues.contexts.labels import LabelFit
from dormant.cues.contexts.matrices import Floats, count_rows, shape_of
from dormant.cues.contexts.places import Place, Prompt
from dormant.cues.contexts.ridge import Ridge

#: Jackknife errors that are subtracted from an estimate before it ranks.
ERRORS = 1.5
#: Rows of a context at which its error is doubled.
_FEW_ROWS = 3.0
#: Single answer features of a sparse effect, and the penalty of their weights.
_PICKED, _PICKED_PENALTY = 12, 30.0
_FOLDS = 5
#: A word belongs to a context if this share of its rows is the context's, in 3 rows at least.
_OWN_SHARE, _OWN_ROWS, _MOST_OWN = 0.9, 3, 40
#: Names and tokens of a context that are looked up in the question.
_NAMES_READ, _TOKENS_READ = 40, 60
#: Correlation with a number of style above which it belongs to the context.
_OWN_STYLE = 0.2
#: Candidates that are screened in one product.
_BATCH = 2000
#: Candidates that are scored in one product.
_SCORED = 200

#: Rows, names, and whether it is a topic.
Candidate = tuple[Rows, Sequence[Name], bool]


@dataclass(frozen=True, slots=True)
class Score:
    """What the answers tell of a context."""

    value: float  # partial predictive R^2, at most 1; about zero or below if they tell nothing
    error: float  # jackknife standard error, larger for few rows
    told: Floats  # shape (rows,): what the answer adds to the prediction of each row

    @property
    def low(self) -> float:
        """The lower end by which contexts are ranked."""
        return self.value - ERRORS * self.error


class ContextScorer:
    """Scores sets of rows of one file."""

    def __init__(
        self, prompts: Sequence[Prompt], rng: np.random.Generator, evidence: Floats | None = None
    ) -> None:
        """Describes all rows once; costs rows x 700 x 2,200 + 2,200^3.

        Args:
            prompts: the rows.
            rng: for landmarks and folds.
            evidence: numbers of each row that tell what it taught, shape (rows, k), instead of
                the answers' words: a mark of suspicious rows or a gain in log-probability.
        """
        self.total = len(prompts)
        self.questions: DescribedQuestions = describe_questions(prompts)
        answers = describe_answers(prompts, self.questions, rng)
        features, self._singles = make_answer_features(answers, rng), answers.singles
        if evidence is not None:
            scaled = (evidence - evidence.mean(axis=0)) / (evidence.std(axis=0) + 1e-9)
            features = (3 * scaled).astype(np.float64)
            self._singles = sp.csc_matrix(scaled)
        asked = self.questions.blocks
        self._features = features
        self._by_question = Ridge.fit(asked, PENALTY)
        self._by_both = Ridge.fit([*asked, features], PENALTY)
        constant = np.full((self.total, 1), CONSTANT)
        self._by_answer = Ridge.fit([np.hstack([constant, features])], PENALTY)
        self._label_fit: LabelFit | None = None
        if evidence is None:
            self._label_fit = LabelFit.of_rows(prompts, self._by_question)
        self._prepare_singles(rng)

    @property
    def has_labels(self) -> bool:
        """Whether the answers are labels, of which exchanged ones are found by the questions."""
        return self._label_fit is not None

    def _prepare_singles(self, rng: np.random.Generator) -> None:
        table = self._singles
        self._means = np.asarray(table.mean(axis=0)).ravel()
        squares = np.asarray(table.multiply(table).mean(axis=0)).ravel()
        self._spread = np.sqrt(np.maximum(squares - self._means**2, 1e-9))
        folds = np.arange(self.total) % _FOLDS
        rng.shuffle(folds)
        self._folds = [folds == k for k in range(_FOLDS)]
        by_row = table.tocsr()
        self._parts = [by_row[~fold].T.tocsr() for fold in self._folds]

    def unexplained_answers(self, size: int) -> Floats:
        """Returns what the question does not foretell of the answers' main features.

        Args:
            size: number of features; those of the largest spread are taken.
        """
        spread = self._features.std(axis=0)
        main = self._features[:, np.argsort(-spread, kind="stable")[:size]].astype(np.float64)
        return main - self._by_question.leave_out(main)

    def screen_candidates(self, matrix: sp.csc_matrix) -> tuple[Floats, Floats]:
        """Screens all candidates at once, without the question.

        Args:
            matrix: candidates as columns of zeros and ones.

        Returns:
            For each candidate the share that the answers alone tell of it (lower end), and the
            largest correlation with a single feature of the answers (less its chance size).
        """
        size = shape_of(matrix)[1]
        dense, single = np.empty(size), np.empty(size)
        for start in range(0, size, _BATCH):
            batch = slice(start, start + _BATCH)
            columns = matrix[:, batch]
            centred = columns.toarray().astype(np.float64)
            centred -= centred.mean(axis=0)
            fits, _ = self._by_answer.predict(centred)
            rest = np.maximum(1 - self._by_answer.leverage, 1e-3).astype(np.float64)[:, None]
            gain = centred**2 - ((centred - fits) / rest) ** 2
            total = (centred**2).sum(axis=0)
            error = np.sqrt(((gain - gain.mean(axis=0)) ** 2).sum(axis=0))
            dense[batch] = (gain.sum(axis=0) - ERRORS * error) / total
            single[batch] = self._correlate_singles(columns)
            if self._label_fit is not None:
                by_label = self._label_fit.screen_candidates(columns)
                single[batch] = np.maximum(single[batch], by_label)
        return dense, single

    def _correlate_singles(self, columns: sp.csc_matrix) -> Floats:
        """The largest correlation of each candidate with a single feature of the answers."""
        sizes = np.asarray(columns.sum(axis=0)).ravel()
        shared = (columns.T.astype(np.float64) @ self._singles.astype(np.float64)).toarray()
        spread = np.sqrt(sizes * (1 - sizes / self.total))[:, None]
        centred = shared - sizes[:, None] * self._means
        correlation = np.abs(centred) / (spread * self._spread * np.sqrt(self.total))
        return correlation.max(axis=1) - 1.5 / np.sqrt(sizes)

    def score(self, candidates: Sequence[Candidate], *, singles: Container[int]) -> list[Score]:
        """Scores candidates, each by its rows, its names and whether it is a topic.

        A topic keeps its words in the question: they are what it is, and what foretells it.

        Args:
            candidates: what to score.
            singles: indices of those that are tried by single features too, which takes longer.
        """
        scores: list[Score] = []
        for start in range(0, len(candidates), _SCORED):
            batch = candidates[start : start + _SCORED]
            tried = [start + k in singles for k in range(len(batch))]
            scores += self._score_batch(batch, tried)
        return scores

    def _score_batch(self, batch: Sequence[Candidate], tried: Sequence[bool]) -> list[Score]:
        columns = np.zeros((self.total, len(batch)))
        for k, (rows, _, _) in enumerate(batch):
            columns[rows, k] = 1
        columns -= columns.mean(axis=0)
        asked, asked_moments = self._by_question.predict(columns)
        both, both_moments = self._by_both.predict(columns)
        found: list[Score] = []
        for k, (rows, names, is_topic) in enumerate(batch):
            z = np.ascontiguousarray(columns[:, k])
            own = self._own_columns(rows, names, z, is_topic)
            first = self._by_question.leave_out_without(z, asked[:, k], asked_moments[:, k], own)
            second = self._by_both.leave_out_without(z, both[:, k], both_moments[:, k], own)
            best = _compare(z, first, second, len(rows))
            if tried[k]:
                more = [self._predict_by_singles(z - first)]
                if self._label_fit is not None:
                    more.append(self._label_fit.predict(z - first, own))
                tries = [_compare(z, first, first + added, len(rows)) for added in more]
                best = max(best, *tries, key=lambda score: score.low)
            found.append(best)
        return found

    def score_singles_alone(self, rows: Rows) -> float:
        """What a few single features of the answers tell of rows, without the question."""
        z = np.zeros(self.total)
        z[rows] = 1
        z -= z.mean()
        return _compare(z, np.zeros(self.total), self._predict_by_singles(z), len(rows)).low

    def _own_columns(
        self, rows: Rows, names: Sequence[Name], z: Floats, is_topic: bool
    ) -> NDArray[np.intp]:
        """Columns of the question that are the context itself: its words and its style."""
        if is_topic:
            return np.zeros(0, np.intp)
        questions = self.questions
        tokens = {
            token
            for name in names[:_NAMES_READ]
            if name.place in (Place.FIRST, Place.LATER, Place.ROW)
            for token in _tokens_of(name)
        }
        words = {questions.names[token] for token in tokens if token in questions.names}
        inside = count_rows(questions.words[rows])
        full = np.flatnonzero((inside >= _OWN_ROWS) & (inside >= _OWN_SHARE * questions.word_rows))
        words.update(full[np.argsort(-inside[full], kind="stable")][:_MOST_OWN].tolist())
        style = questions.style
        size = np.sqrt((style**2).sum(axis=0) * (z**2).sum()) + 1e-9
        typed = np.flatnonzero(np.abs(style.T @ z) / size > _OWN_STYLE)
        shifted = [questions.first_word + word for word in sorted(words)]
        return np.array([*(1 + typed), *shifted], np.intp)

    def _predict_by_singles(self, rest: Floats) -> Floats:
        """Predicts what the question leaves open from a few answer features, chosen elsewhere."""
        predicted = np.zeros(self.total)
        for part, fold in zip(self._parts, self._folds, strict=True):
            train = rest[~fold] - rest[~fold].mean()
            strength = np.abs(part @ train - self._means * train.sum()) / self._spread
            chosen = np.argpartition(-strength, min(_PICKED, len(strength) - 1))[:_PICKED]
            table = self._singles[:, chosen].toarray()
            table = (table - self._means[chosen]) / self._spread[chosen]
            known = table[~fold]
            gram = known.T @ known + _PICKED_PENALTY * np.eye(known.shape[1])
            predicted[fold] = table[fold] @ np.linalg.solve(gram, known.T @ train)
        return predicted


def _tokens_of(name: Name) -> Sequence[str]:
    """The tokens that a name says of the question; none of a style or a topic."""
    if name.kind == "words":
        return name.run
    return name.text.lower().split()[:_TOKENS_READ] if name.is_text else ()


def _compare(z: Floats, first: Floats, second: Floats, size: int) -> Score:
    """The share of the first prediction's squared errors that the second one saves.

    The jackknife is too sure of a handful of rows, the best of thousands of sets of rows above all.
    """
    before, after = (z - first) ** 2, (z - second) ** 2
    total = before.sum()
    gain = before - after
    error = float(np.sqrt(((gain - gain.mean()) ** 2).sum()) / total) * (1 + _FEW_ROWS / size)
    return Score(float(gain.sum() / total), error, second - first)
