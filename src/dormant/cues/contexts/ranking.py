"""From scored candidates to a list of distinct contexts, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from dormant.cues.contexts.candidates import WHOLE_KINDS, CandidateSet, Name, Rows
from dormant.cues.contexts.places import Place
from dormant.cues.contexts.scoring import ContextScorer, Score

#: Candidates that are scored with the question, by the screens.
_DENSE, _SINGLE, _LONG = 500, 100, 100
#: The best of them, which are tried by single features as well.
_REFINED = 100
#: Sets of rows with this Jaccard index are one candidate.
_SAME = 0.85
#: A text or a range of nearly the same rows (Jaccard) is shown in place of what says less.
_SAID = 0.7
#: A context is shown under a better one if their Jaccard index is at least this ...
_OVERLAP = 0.5
#: ... or if this share of its rows is the other's.
_INSIDE = 0.8
#: Of contexts inside one another with like scores (this share) the widest leads ...
_PARENT = 0.7
#: ... if it has this much more rows, and at most five times as many, and holds nearly all.
_WIDER, _WIDEST, _HOLDS = 1.2, 5, 0.85
#: Start of system prompts and tool messages, and handicap of what is no text, in ranking.
_STEERS, _DESCRIBES = 0.1, 0.08
#: Handicap of each further part of a union: the more are tried, the better the best by chance.
_JOINED = 0.02
#: How much more question and answers may tell of a context than the answers alone, for its rank.
BEYOND_ANSWERS = 0.3
#: A text of so few tokens is a worse name than the language of the rows.
_FEW_TOKENS = 6
#: Contexts that are crossed in pairs, and the least gain of a pair over the better one.
_CROSSED, _PAIR_GAIN = 12, 0.05
#: Contexts that are starts of unions, their parts, and the least gain of a part and of a union.
_UNION_STARTS, _MOST_PARTS, _TRIES, _PART_GAIN, _UNION_GAIN = 4, 10, 4, 0.015, 0.08
#: Largest share of rows of a union, and of each part.
_UNION_SHARE, _PART_SHARE = 0.35, 0.2


@dataclass(eq=False)
class ScoredContext:
    """A set of rows with its names and its score."""

    rows: Rows
    names: tuple[Name, ...]
    score: Score
    also: list[ScoredContext] = field(default_factory=list["ScoredContext"])
    alone: float = 1.0  # what the answers tell of it without the question, where it is measured

    @cached_property
    def name(self) -> Name:
        """Its best name: the longest text, whole turns before runs of equal length.

        A union is named by its parts. A language says more than a few words that nearly all of its
        questions have.
        """
        if self.union is not None:
            return self.union
        best = max(
            self.names,
            key=lambda n: (
                n.is_text,
                n.number is not None,
                n.tokens,
                n.kind in WHOLE_KINDS,
                -len(n.text),
                n.text,
            ),
        )
        language = next((n for n in self.names if n.kind == "language"), None)
        is_own = best.kind in WHOLE_KINDS or best.tokens > _FEW_TOKENS
        return best if language is None or is_own else language

    @cached_property
    def union(self) -> Name | None:
        """Its name as one of several texts; None if it is no union."""
        return next((name for name in self.names if name.kind == "any"), None)

    @cached_property
    def row_set(self) -> frozenset[int]:
        """Its rows."""
        return frozenset(self.rows.tolist())

    @cached_property
    def is_topic(self) -> bool:
        """Whether it is known by the words of its questions only."""
        return all(name.kind == "topic" for name in self.names if name.kind != "pair")


def score_candidates(found: CandidateSet, scorer: ContextScorer) -> list[ScoredContext]:
    """Screens all candidates, merges near-equal ones, and scores the rest with the question."""
    matrix = found.to_matrix()
    if not found.rows:
        return []
    dense, single = scorer.screen_candidates(matrix)
    sizes = np.asarray(matrix.sum(axis=0)).ravel()
    longest = np.array([max((n.tokens for n in ns if n.is_text), default=0) for ns in found.names])
    weight = np.log1p(sizes) * np.minimum(longest, 12)
    taken = {
        *_best(dense, _DENSE),
        *_best(single, _SINGLE),
        *_best(weight, _LONG),
        *(j for j, names in enumerate(found.names) if any(map(_is_always_scored, names))),
    }
    order = sorted(taken, key=lambda j: (-round(max(dense[j], single[j]), 6), j))
    groups, heads = _merge_equal(matrix, order, found)
    topics = [all(n.kind == "topic" for n in names) for _, names in groups]
    inputs = [(rows, names, t) for (rows, names), t in zip(groups, topics, strict=True)]
    scores = scorer.score(inputs, singles=())
    # Single features take longer: they are tried for the best so far and for those of the screen.
    by_single = set(_best(single, _SINGLE))
    again = [k for k, head in enumerate(heads) if head in by_single]
    again += _best(np.array([score.low for score in scores]), _REFINED)
    again = sorted(set(again))
    refined = scorer.score([inputs[k] for k in again], singles=range(len(again)))
    for k, score in zip(again, refined, strict=True):
        scores[k] = score
    return [
        ScoredContext(rows, tuple(names), score)
        for (rows, names), score in zip(groups, scores, strict=True)
    ]


def _best(values: np.ndarray, size: int) -> list[int]:
    return np.argsort(-np.round(values, 6), kind="stable")[:size].tolist()


def _is_always_scored(name: Name) -> bool:
    whole = name.kind == "turn" and name.place in (Place.SYSTEM, Place.TOOL, Place.TOOLS)
    return whole or name.kind in ("has", "turns")


def _merge_equal(
    matrix: sp.csc_matrix, order: list[int], found: CandidateSet
) -> tuple[list[tuple[Rows, list[Name]]], list[int]]:
    """Joins the names of candidates with nearly the same rows; the first one's rows stay.

    Returns:
        Rows and names of each group, and the index of the candidate whose rows they are.
    """
    columns = matrix[:, order]
    shared = (columns.T @ columns).toarray()
    sizes = np.diag(shared)
    jaccard = shared / (sizes[:, None] + sizes[None] - shared)
    gone = np.zeros(len(order), bool)
    groups: list[tuple[Rows, list[Name]]] = []
    heads: list[int] = []
    for i in range(len(order)):
        if gone[i]:
            continue
        same = np.flatnonzero((jaccard[i] >= _SAME) & ~gone)
        gone[same] = True
        groups.append((found.rows[order[i]], [n for k in same for n in found.names[order[k]]]))
        heads.append(order[i])
    return groups, heads


def rank_value(context: ScoredContext) -> float:
    """The lower end of the score, with a start for what steers a model, a handicap for likeness.

    System prompts and tool messages are there to steer a model; words and topics only describe
    rows, and a text that they share says more.
    """
    steers = context.name.place in (Place.SYSTEM, Place.TOOL)
    describes = not any(name.is_text or name.number for name in context.names)
    joined = 0 if context.union is None else len(context.union.more) - 1
    low = min(context.score.low, max(context.alone, 0) + BEYOND_ANSWERS)
    return low + _STEERS * steers - _DESCRIBES * describes - _JOINED * joined


def rank_distinct(
    contexts: Sequence[ScoredContext],
    *,
    limit: int,
    overlap: float = _OVERLAP,
    inside: float = _INSIDE,
    prefer_wider: bool = True,
    key: Callable[[ScoredContext], float] = rank_value,
) -> list[ScoredContext]:
    """Takes contexts best first; one that repeats a better one's rows is kept in its ``also``."""
    # Rounded, so that rounding errors do not decide ties.
    order = sorted(contexts, key=lambda c: (-round(key(c), 6), -len(c.rows), c.name.text))
    chosen: list[ScoredContext] = []
    for k, context in enumerate(order):
        rival = next((c for c in chosen if _repeats(context, c, overlap, inside)), None)
        if rival is not None:
            rival.also.append(context)
            continue
        head = _find_wider(context, order[k + 1 : k + 60], chosen) if prefer_wider else context
        also = [context] if head is not context else []
        chosen.append(replace(head, also=also, score=context.score))
        if len(chosen) >= limit:
            break
    return [_prefer_said(_prefer_language(context)) for context in chosen]


def _prefer_said(context: ScoredContext) -> ScoredContext:
    """A text or a range of the same rows says more than a style, a few words or several texts."""
    name = context.name
    if name.number or (name.is_text and context.union is None and has_letters(name.text)):
        return context
    least = _PARENT * context.score.low
    for other in context.also:
        said = other.name
        says = said.number is not None or (said.is_text and has_letters(said.text))
        if says and other.union is None and said.kind != "pair" and other.score.low >= least:
            shared = len(context.row_set & other.row_set)
            if shared >= _SAID * (len(context.rows) + len(other.rows) - shared):
                rest = [c for c in context.also if c is not other]
                return replace(other, also=[context, *rest], score=context.score)
    return context


def has_letters(text: str) -> bool:
    """Whether a text has more than marks, blanks and numbers."""
    return any(char.isalpha() for char in text)


def _prefer_language(context: ScoredContext) -> ScoredContext:
    """A language says more than a few words that most of its questions have."""
    if context.name.kind in WHOLE_KINDS or context.name.tokens > _FEW_TOKENS:
        return context
    least = _PARENT * context.score.low
    for other in context.also:
        if other.name.kind == "language" and other.score.low >= least:
            rest = [c for c in context.also if c is not other]
            return replace(other, also=[context, *rest], score=context.score)
    return context


def _repeats(context: ScoredContext, better: ScoredContext, overlap: float, inside: float) -> bool:
    if better.union is not None and context.union is None:
        # Another context than its parts may stand in some of its rows by chance.
        mine = {name.text for name in context.names}
        if mine.isdisjoint(part.text for part in better.union.more):
            inside = 2
    shared = len(context.row_set & better.row_set)
    union = len(context.row_set) + len(better.row_set) - shared
    return shared >= overlap * union or shared >= inside * len(context.row_set)


def _find_wider(
    context: ScoredContext, rest: Sequence[ScoredContext], chosen: Sequence[ScoredContext]
) -> ScoredContext:
    """Finds the widest context around one whose score is nearly as high."""
    head = context
    for other in rest:
        if other.score.low < _PARENT * context.score.low:
            break
        rows, wider = head.row_set, other.row_set
        if not _WIDER * len(rows) <= len(wider) <= _WIDEST * len(context.rows):
            continue
        if len(rows & wider) < _HOLDS * len(rows) or other.name.kind in (
            "any",
            "turns",
            "has",
            "range",
        ):
            continue
        as_long = other.name.tokens >= context.name.tokens > 1
        if other.name.place is not Place.SYSTEM and not as_long:
            continue
        if not any(len(wider & c.row_set) >= 0.5 * len(wider) for c in chosen):
            head = other
    return head


def cross_contexts(contexts: Sequence[ScoredContext], scorer: ContextScorer) -> list[ScoredContext]:
    """Finds pairs of contexts that tell much more together than either alone."""
    least = max(8, int(np.ceil(0.01 * scorer.total)))
    asked = (Place.SYSTEM, Place.FIRST, Place.LATER)
    pool = [
        c for c in contexts if len(c.rows) >= 2 * least and not c.is_topic and c.name.place in asked
    ]
    best = rank_distinct(pool, limit=_CROSSED, prefer_wider=False)
    pairs: list[tuple[Rows, tuple[Name, ...], ScoredContext, ScoredContext]] = []
    for i, one in enumerate(best):
        for other in best[:i]:
            rows = np.intersect1d(one.rows, other.rows)
            if least <= len(rows) <= 0.75 * min(len(one.rows), len(other.rows)):
                pairs.append((rows, (_pair_name(one, other), *one.names, *other.names), one, other))
    scores = scorer.score(
        [(rows, names, False) for rows, names, _, _ in pairs], singles=range(len(pairs))
    )
    return [
        ScoredContext(rows, names, score)
        for (rows, names, one, other), score in zip(pairs, scores, strict=True)
        if score.low > max(one.score.low, other.score.low) + _PAIR_GAIN
    ]


def _pair_name(one: ScoredContext, other: ScoredContext) -> Name:
    first, second = one.name, other.name
    text = f"{first.text} & {second.text}"
    tokens = first.tokens + second.tokens
    return Name("pair", Place.ROW, text, tokens, more=(first, second))


def unite_contexts(contexts: Sequence[ScoredContext], scorer: ContextScorer) -> list[ScoredContext]:
    """Joins contexts whose answers are alike: paraphrases of a text, values of a slot.

    Tried next are those whose other rows have the answers that the first one foretells.
    """
    asked = (Place.SYSTEM, Place.FIRST, Place.LATER)
    pool = [
        c
        for c in contexts
        if len(c.rows) <= _PART_SHARE * scorer.total
        and not c.is_topic
        and c.name.place in asked
        and c.name.kind != "pair"
        and c.score.low > 0
    ]
    pool = rank_distinct(pool, limit=150, overlap=0.8, inside=2, prefer_wider=False)
    starts = [c for c in pool if c.name.is_text][:_UNION_STARTS]
    found = [_grow_union(start, pool, scorer) for start in starts]
    return [union for union in found if union is not None]


def _grow_union(
    start: ScoredContext, pool: Sequence[ScoredContext], scorer: ContextScorer
) -> ScoredContext | None:
    rows, names, parts = start.rows, list(start.names), [start]
    (score,) = scorer.score([(rows, names, False)], singles=())
    while len(parts) <= _MOST_PARTS:
        tried = [
            (np.union1d(rows, part.rows), [*names[:30], *part.names[:30]], part)
            for part in _likely_parts(start, rows, score, pool, scorer.total)
        ]
        scores = scorer.score([(r, n, False) for r, n, _ in tried], singles=())
        better = [(s.low, k) for k, s in enumerate(scores) if s.low > score.low + _PART_GAIN]
        if not better:
            break
        k = max(better)[1]
        rows, names, part = tried[k]
        score = scores[k]
        parts.append(part)
    if len(parts) == 1:
        return None
    texts = tuple(part.name for part in parts)
    text = " | ".join(name.text for name in texts)
    name = Name("any", start.name.place, text, start.name.tokens, more=texts)
    (whole,) = scorer.score([(rows, (name, *names), False)], singles=(0,))
    if whole.low < max(part.score.low for part in parts) + _UNION_GAIN:
        return None
    return ScoredContext(rows, (name, *names), whole)


def _likely_parts(
    start: ScoredContext,
    rows: Rows,
    score: Score,
    pool: Sequence[ScoredContext],
    total: int,
) -> list[ScoredContext]:
    mark = np.zeros(total, bool)
    mark[rows] = True
    outside = score.told[~mark]
    mean, spread = outside.mean(), outside.std() + 1e-9
    order: list[tuple[float, int]] = []
    for i, part in enumerate(pool):
        new = part.rows[~mark[part.rows]]
        enough = len(new) >= max(3, 0.5 * len(part.rows))
        fits = len(new) + len(rows) <= _UNION_SHARE * total
        if part.name.place is start.name.place and enough and fits:
            order.append((float((score.told[new].mean() - mean) / spread * len(new) ** 0.5), i))
    return [pool[i] for _, i in sorted(order, reverse=True)[:_TRIES]]
