"""Ranges of numbers as contexts: where they end, where their numbers stand, who else has them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dormant.cues.contexts.candidates import Name, Rows
from dormant.cues.contexts.literals import Literal, extend_literal
from dormant.cues.contexts.numbers import Measure, list_measures, measure_numbers
from dormant.cues.contexts.places import Prompt
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.scoring import ContextScorer

#: Ranges whose ends are moved, the least score of one, and the ends that are tried.
_REFINED, _LEAST_SCORE, _TRIED = 4, 0.02, 24
#: How far an end may move, as a share of the range's rows.
_REACH = 1.2
#: Contexts whose rows a range is looked for, the least score of one, and the Jaccard index of both.
_MATCHED, _MATCHED_SCORE, _LIKE = 20, 0.15, 0.5
#: What a row outside the context costs a range, in rows inside; its largest share of rows.
_OUTSIDE, _MOST_SHARE = 0.7, 0.6
_LETTER = re.compile(r"[^\W\d_]")
#: A mark beside a number that is none of arithmetic and no plain punctuation.
_SIGN = re.compile(r"[^\w\s+\-*/=<>%.,?!\u2212\u00d7\u00f7]")


def refine_ranges(
    contexts: Sequence[ScoredContext], scorer: ContextScorer, prompts: Sequence[Prompt], least: int
) -> list[ScoredContext]:
    """Moves the ends of the best ranges to where the answers tell most.

    Args:
        contexts: scored contexts, ranges among others.
        scorer: of the same rows.
        prompts: the rows.
        least: smallest number of rows of a context.
    """
    ranges = [c for c in contexts if c.score.low > _LEAST_SCORE and _name_of_range(c) is not None]
    best = sorted(ranges, key=lambda c: (-round(c.score.low, 6), c.name.text))[:_REFINED]
    if not best:
        return []
    known = {(m.place, m.key): m for m in list_measures(prompts, least)}
    found: list[ScoredContext] = []
    for context in best:
        name = _name_of_range(context)
        measure = known.get((name.place, name.number.measure)) if name and name.number else None
        if name is not None and measure is not None:
            found.append(_refine(context, name, measure, scorer, least))
    return found


def match_ranges(
    contexts: Sequence[ScoredContext], scorer: ContextScorer, prompts: Sequence[Prompt], least: int
) -> list[ScoredContext]:
    """Finds the ranges of numbers that select nearly the rows of the best other contexts.

    Rows that are known by their answers, or by some of the values, say less than the range that
    holds them all, which has values that the file lacks too.

    Args:
        contexts: scored contexts.
        scorer: of the same rows.
        prompts: the rows.
        least: smallest number of rows of a context.
    """
    known = [c for c in contexts if c.score.low > _MATCHED_SCORE and _name_of_range(c) is None]
    best = sorted(known, key=lambda c: (-round(c.score.low, 6), c.name.text))[:_MATCHED]
    if not best:
        return []
    found: dict[tuple[str, str], tuple[Rows, Name]] = {}
    measures = list_measures(prompts, least)
    for context in best:
        inside = np.zeros(scorer.total, bool)
        inside[context.rows] = True
        for measure in measures:
            rows, name = _match(inside, measure)
            if least <= len(rows) <= _MOST_SHARE * scorer.total:
                shared = int(inside[rows].sum())
                if shared >= _LIKE * (len(rows) + len(context.rows) - shared):
                    found.setdefault((name.place, name.text), (rows, name))
    inputs = [(rows, (name,), False) for rows, name in found.values()]
    scores = scorer.score(inputs, singles=range(len(inputs)))
    return [
        ScoredContext(rows, names, score)
        for (rows, names, _), score in zip(inputs, scores, strict=True)
    ]


def _match(inside: np.ndarray, measure: Measure) -> tuple[Rows, Name]:
    """The range of a measure with the most rows inside and the fewest others.

    That is the part of the rows by increasing value with the largest sum, a row inside counting
    one and any other one less than nothing; equal values stay together.
    """
    weights = np.where(inside[measure.rows], 1.0, -_OUTSIDE)
    starts = np.flatnonzero(np.diff(measure.values, prepend=-np.inf) > 0)
    sums = np.concatenate([[0.0], np.cumsum(np.add.reduceat(weights, starts))])
    lowest = np.minimum.accumulate(sums[:-1])
    end = int(np.argmax(sums[1:] - lowest))
    start = int(np.argmin(sums[: end + 1]))
    bounds = [*starts.tolist(), len(measure.values)]
    low, high = float(measure.values[bounds[start]]), float(measure.values[bounds[end + 1] - 1])
    return measure.select(low, high), measure.name_range(low, high)


def _name_of_range(context: ScoredContext) -> Name | None:
    return next((name for name in context.names if name.number is not None), None)


def _refine(
    context: ScoredContext, name: Name, measure: Measure, scorer: ContextScorer, least: int
) -> ScoredContext:
    number, values = name.number, measure.values
    assert number is not None
    inside = np.flatnonzero((values >= number.low) & (values <= number.high))
    if not len(inside):
        return context
    start, end = int(inside[0]), int(inside[-1]) + 1
    reach = int(_REACH * len(context.rows)) + 1
    if start > 0:
        lowest, highest = max(0, start - reach), end - least
        tried = [(at, end) for at in _spread_ends(values, lowest, highest)]
        start, end = _choose_best(tried, measure, scorer) or (start, end)
    if end < len(values):
        lowest, highest = start + least, min(len(values), end + reach)
        tried = [(start, at) for at in _spread_ends(values, lowest, highest)]
        start, end = _choose_best(tried, measure, scorer) or (start, end)
    low, high = float(values[start]), float(values[end - 1])
    rows, named = measure.select(low, high), measure.name_range(low, high)
    (score,) = scorer.score([(rows, (named,), False)], singles=(0,))
    return ScoredContext(rows, (named,), score)


def _spread_ends(values: np.ndarray, lowest: int, highest: int) -> list[int]:
    """Ranks at which another value begins, evenly spread."""
    ranks = np.arange(max(0, lowest), min(len(values), highest) + 1)
    begins = [at for at in ranks.tolist() if at in (0, len(values)) or values[at] > values[at - 1]]
    step = max(1, len(begins) // _TRIED)
    return begins[::step]


def _choose_best(
    tried: Sequence[tuple[int, int]], measure: Measure, scorer: ContextScorer
) -> tuple[int, int] | None:
    values, most = measure.values, 0.6 * scorer.total
    ranges = [(a, b) for a, b in tried if 0 < b - a <= most]
    selected = [measure.select(float(values[a]), float(values[b - 1])) for a, b in ranges]
    names = [(measure.name_range(float(values[a]), float(values[b - 1])),) for a, b in ranges]
    inputs = [(rows, name, False) for rows, name in zip(selected, names, strict=True)]
    scores = scorer.score(inputs, singles=())
    if not scores:
        return None
    best = max(range(len(scores)), key=lambda k: (round(scores[k].low, 6), -k))
    return ranges[best]


def find_range_literal(
    name: Name, rows: Rows, prompts: Sequence[Prompt], *, is_part: bool = False
) -> Literal | None:
    """Finds the text around the numbers of a range that its rows share.

    None without words or signs of its own: ``+ <X> =`` is a sum, and ``№ <X>:`` is a text.
    """
    spans = [span for row in rows.tolist() if (span := _locate(name, prompts[row]))]
    if not spans:
        return None
    literal = extend_literal(spans, name.place, rows, prompts, is_part=is_part)
    fixed = (literal.form or literal.text).replace("<X>", "")
    is_edge = literal.at_begin or literal.at_end
    says = _LETTER.search(fixed) or (is_edge and _SIGN.search(fixed))
    return literal if says else None


def holds_range(name: Name, prompt: Prompt) -> bool:
    """Whether a row has a number in a range, in the same place."""
    return _locate(name, prompt) is not None


def _locate(name: Name, prompt: Prompt) -> tuple[str, int, int] | None:
    number = name.number
    if number is None:
        return None
    for text in prompt.texts.get(name.place, ()):
        found = measure_numbers(text).get(number.measure)
        if found is not None and number.low <= found[0] <= number.high:
            return text, found[1], found[2]
    return None
