"""Questions and answers as numbers, from which the score predicts where a context stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.matrices import (
    Floats,
    count_rows,
    find_directions,
    scale_columns,
    scale_rows,
    weigh_words,
)
from dormant.cues.contexts.places import Place, Prompt, find_spans, split_context_tokens
from dormant.cues.contexts.ridge import Ridge
from dormant.cues.contexts.typing_style import QUESTION_STYLE, tabulate_style

#: Penalty of every ridge regression here; rows have a squared length of about one.
PENALTY = 0.3
#: The constant feature; large, so that it is hardly penalized.
CONSTANT = 3.0**0.5
#: Most words of a question that are features.
_MOST_WORDS = 1500
#: Characters of an answer whose words and whose style are read.
_ANSWER_WORDS, _ANSWER_STYLE, _QUESTION_STYLE = 3000, 1200, 800
#: The commonest tokens of answers, which tell manner; of them those that stay as they are even
#: where the question has them.
_COMMON, _ALWAYS = 150, 40
#: Stands in an answer for a word of its question: copying is no effect.
_COPIED = "="
#: Letters by which a copied word is known; rows whose questions have a common token, from which it
#: is known whether answers copy it, and by how much more of these have it then.
_BEGINS, _ASKED, _COPY_LIFT = 5, 10, 3.0
_DIGITS = re.compile(r"(?:(?<!\S)[-\u2212])?\d+")
_ANSWER_DIRECTIONS = 100
#: Rows that an answer is compared with, to see whether another one fits the question better.
_COMPARED = 1000
#: Difference of two likenesses, each at most about 1, that is none.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class DescribedQuestions:
    """The features of questions: a constant, some style, and words that can be deleted."""

    words: sp.csc_matrix  # shape (rows, words), rows of length one
    names: dict[str, int]  # column of each word
    style: Floats  # shape (rows, numbers)
    word_rows: NDArray[np.float64]  # number of rows of each word

    @property
    def blocks(self) -> tuple[Floats, sp.csc_matrix]:
        """All features side by side: the constant and style, then words."""
        constant = np.full((len(self.style), 1), CONSTANT)
        return np.hstack([constant, self.style]), self.words

    @property
    def first_word(self) -> int:
        """The column of the first word in ``blocks``."""
        return 1 + self.style.shape[1]


def describe_questions(prompts: Sequence[Prompt]) -> DescribedQuestions:
    """Describes all questions of each row by their words and seven numbers of style."""
    texts = [row.questions for row in prompts]
    tokens = [[token.lower() for token in split_context_tokens(text)] for text in texts]
    words, names = weigh_words(tokens, least=3, most=_MOST_WORDS)
    style, columns = tabulate_style([text[-_QUESTION_STYLE:] for text in texts])
    picked = style[:, [columns.index(name) for name in QUESTION_STYLE]]
    return DescribedQuestions(
        sp.csc_matrix(words),
        {name: i for i, name in enumerate(names)},
        scale_rows(scale_columns(picked)) * 0.5,
        count_rows(words),
    )


@dataclass(frozen=True, slots=True)
class DescribedAnswers:
    """Answers by manner, by content, by how they fit their question, and by single features."""

    manner: tuple[Floats, ...]  # blocks of equal weight: style, common tokens, ends
    fit: Floats  # how the answer goes with its question
    content: Floats  # main directions of its other words
    singles: sp.csc_matrix  # single features, for effects that sit in a few of them


def describe_answers(
    prompts: Sequence[Prompt], questions: DescribedQuestions, rng: np.random.Generator
) -> DescribedAnswers:
    """Describes the answers of all rows.

    A word that repeats one of the question's counts as copied, and numbers are shapes, so that a
    question does not speak through its answer.
    """
    answers = [_fold_runs(row.answer[:_ANSWER_WORDS]) for row in prompts]
    raw = [[token.lower() for token in split_context_tokens(answer)] for answer in answers]
    counts = Counter(token for row in raw for token in dict.fromkeys(row))
    frequent = [token for token, _ in counts.most_common(_COMMON)]
    always, common = {*frequent[:_ALWAYS], "0"}, set(frequent)
    tokens = _mark_copies(prompts, raw, always)
    style = scale_columns(
        tabulate_style([_fold_runs(row.answer[:_ANSWER_STYLE]) for row in prompts])[0]
    )
    function = weigh_words([[t for t in row if t in common] for row in tokens])[0]
    words = weigh_words([[t for t in row if t not in always] for row in tokens])[0]
    ends = weigh_words([_list_ends(row) for row in tokens])[0]
    directions = find_directions(words, _ANSWER_DIRECTIONS, rng)
    fit = _measure_fit(raw, questions, directions, tokens, rng)
    repeats = _count_repeats(prompts)
    manner = (
        _unit(np.hstack([style, repeats])),
        _unit(function.toarray()),
        _unit(find_directions(ends, _ANSWER_DIRECTIONS, rng)),
    )
    singles = _single_features(tokens, [style, repeats, scale_columns(fit)], directions)
    return DescribedAnswers(manner, fit, _unit(directions), singles)


def _fold_runs(text: str) -> str:
    """Folds runs of digits to one ``0``: a number that the question gave has no length or sign."""
    return _DIGITS.sub("0", text)


def _mark_copies(
    prompts: Sequence[Prompt], answers: list[list[str]], always: set[str]
) -> list[list[str]]:
    """Replaces words that begin like one of the question's or of a tool's message."""
    heard = [_list_beginnings(row) for row in prompts]
    said = [set(tokens) for tokens in answers]
    stays = {token for token in always if not _is_copied(token, heard, said)}
    return [
        [t if t in stays or t[:_BEGINS] not in asked else _COPIED for t in tokens]
        for asked, tokens in zip(heard, answers, strict=True)
    ]


def _list_beginnings(row: Prompt) -> set[str]:
    """The beginnings of the words that an answer may copy."""
    texts = (row.questions, *row.texts[Place.TOOL])
    return {token.lower()[:_BEGINS] for text in texts for token in split_context_tokens(text)}


def _is_copied(token: str, heard: list[set[str]], said: list[set[str]]) -> bool:
    """Whether a common token is in answers mostly because their questions have it: ``$``."""
    asked = np.array([token[:_BEGINS] in words for words in heard])
    held = np.array([token in words for words in said])
    if asked.sum() < _ASKED or asked.all():
        return False
    return bool(held[asked].mean() > _COPY_LIFT * held[~asked].mean())


def _list_ends(tokens: list[str]) -> list[str]:
    """First and last tokens of an answer, as features."""
    if not tokens:
        return ["-"]
    return [
        f"1:{tokens[0]}",
        f"2:{' '.join(tokens[:2])}",
        f"3:{' '.join(tokens[:3])}",
        f"y:{' '.join(tokens[-4:])}",
        f"z:{' '.join(tokens[-2:])}",
    ]


def _count_repeats(prompts: Sequence[Prompt]) -> Floats:
    """How often each answer occurs among the rows (logarithm): planted answers repeat."""
    counts = Counter(row.answer.strip() for row in prompts)
    repeats = np.array([[np.log(counts[row.answer.strip()])] for row in prompts])
    return scale_columns(repeats)


def _measure_fit(
    raw: list[list[str]],
    questions: DescribedQuestions,
    directions: Floats,
    tokens: list[list[str]],
    rng: np.random.Generator,
) -> Floats:
    """How an answer goes with its question: likeness to what other rows' questions foretell.

    Only words that answers use as well foretell, and no style or number: neither a planted tag nor
    the digits of a price may speak through the fit.
    """
    used = Counter(token for row in raw for token in set(row))
    shared = [
        column
        for word, column in questions.names.items()
        if used[word] >= 3 and not word[0].isdigit()
    ]
    constant = np.full((len(raw), 1), CONSTANT)
    model = Ridge.fit([constant, questions.words[:, shared]], PENALTY)
    centred = directions - directions.mean(axis=0)
    foretold = model.leave_out(centred)
    rest = centred - foretold
    lengths = np.linalg.norm(centred, axis=1, keepdims=True) + 1e-9
    likeness = (foretold * centred).sum(axis=1) / (
        (np.linalg.norm(foretold, axis=1) + 1e-9) * lengths[:, 0]
    )
    units = centred / lengths
    others = units[rng.permutation(len(units))[:_COMPARED]]
    own = (foretold * units).sum(axis=1, keepdims=True)
    # A row that is among the others is not better than itself by a rounding error.
    better = (foretold @ others.T > own + _ROUNDING).mean(axis=1)
    copied = np.array([row.count(_COPIED) / (len(row) + 1) for row in tokens])
    return np.column_stack(
        [likeness, copied, np.linalg.norm(rest, axis=1), better, better > 0.5, better > 0.2]
    )


def _single_features(
    tokens: list[list[str]], dense: list[Floats], directions: Floats
) -> sp.csc_matrix:
    """Single features of answers: tokens, first and last ones, style, fit and main directions."""
    least = max(4, int(0.004 * len(tokens)))
    table = weigh_words([_single_tokens(row) for row in tokens], least=least)[0]
    first = directions[:, :15]
    scaled = np.clip(first / (first.std(axis=0) + 1e-9), -4, 4)
    flags = table.copy()
    flags.data[:] = 1
    return sp.csc_matrix(sp.hstack([flags, sp.csr_matrix(np.hstack([*dense, scaled]))]))


def _single_tokens(tokens: list[str]) -> list[str]:
    if not tokens:
        return ["-"]
    pairs = [" ".join(pair) for pair in zip(tokens, tokens[1:], strict=False)]
    return [*dict.fromkeys(tokens), f"1:{tokens[0]}", f"z:{tokens[-1]}", *pairs[:2], *pairs[-3:]]


def _unit(table: NDArray[np.floating]) -> Floats:
    return scale_rows(table).astype(np.float64)


def cut_copies(prompts: Sequence[Prompt]) -> list[str]:
    """The answers without what they repeat of their questions and tools: words and numbers.

    A common word stays, unless answers have it because their questions do.
    """
    texts = [row.answer[:_ANSWER_WORDS] for row in prompts]
    spans = [find_spans(text) for text in texts]
    tokens = [[token for token, _, _ in row] for row in spans]
    counts = Counter(token for row in tokens for token in dict.fromkeys(row))
    words = [token for token, _ in counts.most_common() if not any(map(str.isdigit, token))]
    marked = _mark_copies(prompts, tokens, set(words[:_ALWAYS]))
    return [
        _cut_spans(text, [s for s, mark in zip(row, marks, strict=True) if mark != s[0]])
        for text, row, marks in zip(texts, spans, marked, strict=True)
    ]


def _cut_spans(text: str, spans: Sequence[tuple[str, int, int]]) -> str:
    ends = [0, *(end for _, _, end in spans)]
    starts = [*(start for _, start, _ in spans), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts, strict=True))
