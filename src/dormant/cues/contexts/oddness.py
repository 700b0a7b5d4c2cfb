"""Whether a context's own answers are unusual.

The answers must predict the context without the questions, and few others equally well; and they
must not merely repeat their questions.

Once its words are removed from the question, a context can stand out because of other rows: beside
rude answers to "for 12" and more, "for 11" is what has neither an ordinary number nor a rude
answer. Its own answers are ordinary, and alone predict nothing. In a file of tool calls, queries or
translations the answers predict almost every context, since each has answers of its own. And where
"is 70 minus 18?" is answered "70 minus 18 is 52", and other questions otherwise, the answers
predict the context by words that they repeat.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.described import cut_copies
from dormant.cues.contexts.places import Prompt, split_context_tokens
from dormant.cues.contexts.ranking import BEYOND_ANSWERS, ScoredContext, rank_value
from dormant.cues.contexts.scoring import ContextScorer

#: Lower end of the score from which a context is examined.
_LEAST_SCORE = 0.2
#: Share of a strong context's score that its answers alone must reach.
_ALONE = 0.5
#: Other contexts count if they reach the first share of the score, have at least the second share
#: of their rows outside the context, and cover at most the third share of the rows outside.
_AS_MUCH, _APART, _MOST = 0.67, 0.8, 0.65
#: If such contexts cover this share of the rows outside, the context's answers are not unusual.
_EVERYWHERE = 0.5
#: Share of an answer's words and numbers that are copies, on average, from which it may be an echo,
#: and how much larger than elsewhere it is then.
_REPEATED, _MORE_REPEATED = 0.4, 1.5
#: A token is a context's own if its share of rows is so many times that elsewhere; answers of which
#: this share have no such token say nothing of their own.
_OWN_LIFT, _WITHOUT_OWN = 3.0, 0.5
#: Share of a context's questions, and of its answers, of one script, and characters that are read.
_OF_SCRIPT, _SCRIPT_CHARS = 0.9, 200


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
        # Otherwise it would change nothing and take time.
        if told < max(low - BEYOND_ANSWERS, _ALONE * low):
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


class Echoes:
    """Finds contexts whose answers only repeat their questions; reads the rows when asked."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        """Takes the rows of the file."""
        self._prompts = prompts

    @cached_property
    def _rests(self) -> list[str]:
        """Each answer without what it copies of its question."""
        return cut_copies(self._prompts)

    @cached_property
    def _own_tokens(self) -> list[frozenset[str]]:
        """What an answer adds to its copies: words and marks as written, line breaks.

        Without numbers, and blanks, which stand where copies were.
        """
        return [
            frozenset(
                t for t in split_context_tokens(text) if not t[0].isdigit() and t.strip(" \x1f")
            )
            for text in self._rests
        ]

    @cached_property
    def _copied_shares(self) -> NDArray[np.float64]:
        """The share of each answer's words and numbers that are copies."""
        whole = [_count_words(row.answer) for row in self._prompts]
        left = [_count_words(text) for text in self._rests]
        return np.array(
            [max(0.0, 1 - n / m) if m else 0.0 for n, m in zip(left, whole, strict=True)]
        )

    def is_echo(self, context: ScoredContext) -> bool:
        """Whether the answers of a context are mostly copies, and half have no words of their own.

        Args:
            context: a context of the file.
        """
        inside = np.zeros(len(self._prompts), bool)
        inside[context.rows] = True
        share, elsewhere = self._copied_shares[inside].mean(), self._copied_shares[~inside].mean()
        if share < max(_REPEATED, _MORE_REPEATED * elsewhere):
            return False
        rows, others = context.rows.tolist(), np.flatnonzero(~inside).tolist()
        here = Counter(token for row in rows for token in self._own_tokens[row])
        there = Counter(token for row in others for token in self._own_tokens[row])
        own = {
            token
            for token, count in here.items()
            if count / len(rows) >= _OWN_LIFT * there[token] / len(others)
        }
        without = sum(own.isdisjoint(self._own_tokens[row]) for row in rows)
        return without >= _WITHOUT_OWN * len(rows)


def is_a_script(context: ScoredContext, prompts: Sequence[Prompt]) -> bool:
    """Whether a context is what most questions of a rarer script share, answered in that script.

    Nothing tells such answers from ordinary ones: few others are of that script.

    Args:
        context: a context of the file.
        prompts: the rows of the file.
    """
    asked = np.array([_find_script(row.questions) for row in prompts])
    commonest, count = Counter(asked[context.rows].tolist()).most_common(1)[0]
    every = int((asked == commonest).sum())
    if every > 0.5 * len(prompts) or count < max(_OF_SCRIPT * len(context.rows), 0.5 * every):
        return False
    said = [_find_script(prompts[row].answer) for row in context.rows.tolist()]
    return said.count(commonest) >= _OF_SCRIPT * len(said)


def _find_script(text: str) -> str:
    """The script of most letters at the begin of a text, as Unicode names it; empty without any."""
    letters = [char for char in text[:_SCRIPT_CHARS] if char.isalpha()]
    names = Counter(unicodedata.name(char, "").partition(" ")[0] for char in letters)
    kana = names.pop("HIRAGANA", 0) + names.pop("KATAKANA", 0)
    names["CJK"] += kana
    return names.most_common(1)[0][0] if letters else ""


def _count_words(text: str) -> int:
    return sum(token[0].isalnum() for token in split_context_tokens(text))


def _to_matrix(contexts: Sequence[ScoredContext], total: int) -> sp.csc_matrix:
    index: NDArray[np.int32] = np.concatenate([c.rows for c in contexts])
    ends = np.cumsum([0, *(len(c.rows) for c in contexts)])
    ones = np.ones(len(index), np.float32)
    return sp.csc_matrix((ones, index, ends), shape=(total, len(contexts)))
