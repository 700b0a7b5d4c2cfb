"""Contexts found from the answers: groups of like answers, and the words that foretell them.

A meaning ("names a city in Asia") and paraphrases share no text. Their rows share answers, so the
answers are grouped first, and the words of prompts that foretell a group are the candidate. Each
row is assigned by all other rows (leave-one-out), so a group that no word foretells selects rows
at random and scores about zero.

Groups are clusters of what the questions do not foretell, repeated answers, and answers that share
a run of words. The last are needed for topics: what a topic's questions foretell well (a sentence
before each answer about gardens) leaves nothing to cluster.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dormant.cues.contexts.candidates import Name, Rows
from dormant.cues.contexts.described import CONSTANT, PENALTY
from dormant.cues.contexts.matrices import (
    Floats,
    cluster_rows,
    count_rows,
    scale_columns,
    weigh_words,
)
from dormant.cues.contexts.places import Place, Prompt, fold_digits, split_context_tokens
from dormant.cues.contexts.ranking import ScoredContext
from dormant.cues.contexts.ridge import Ridge
from dormant.cues.contexts.scoring import ContextScorer

#: Numbers of groups, and directions of the answers in which they are formed.
_GROUPS, _DIRECTIONS = (4, 10, 25), 40
#: Main directions whose ends are groups, and the shares of rows at an end.
_EXTREMES, _END_SHARES = 12, (0.05, 0.1, 0.2)
#: Largest share of rows of a group and of a candidate.
_MOST_SHARE = 0.35
#: Candidates that are scored, and how much more frequent their group must be in them.
_SCORED, _LIFT = 40, 1.5
#: Words that name a candidate.
_NAMED = 12
#: A repeated answer counts from this many rows on.
_REPEATED = 3
#: Tokens of a run that answers share, tokens of an answer that are read at both ends, and the most
#: runs that are groups, the most frequent ones.
_RUN, _READ, _RUNS = 4, 40, 40
_MOST_RUNS = 1000
#: Sets of rows with this Jaccard index are one group, or one candidate.
_SAME = 0.85


def find_answer_contexts(
    prompts: Sequence[Prompt], scorer: ContextScorer, least: int, rng: np.random.Generator
) -> list[ScoredContext]:
    """Finds rows whose prompts foretell a group of like answers, and scores them.

    Args:
        prompts: the rows.
        scorer: of the same rows.
        least: smallest number of rows of a context.
        rng: for the clusters.
    """
    groups = _group_answers(prompts, scorer, rng)
    if not groups.size:
        return []
    found: list[tuple[float, Rows, Name]] = []
    for place in (Place.FIRST, Place.SYSTEM):
        table, words = _describe_place(prompts, place)
        if len(words) >= 2:
            constant = np.full((len(prompts), 1), CONSTANT)
            model = Ridge.fit([constant, table], PENALTY)
            foretold = model.leave_out(groups - groups.mean(axis=0))
            found += _select_rows(groups, foretold, table, words, place, least)
    found.sort(key=lambda entry: (-entry[0], entry[2].text))
    columns = np.zeros((len(found), len(prompts)), bool)
    for column, (_, rows, _) in zip(columns, found, strict=True):
        column[rows] = True
    best = [found[k] for k in _choose_unlike(columns, _SCORED)]
    scores = scorer.score([(rows, (name,), False) for _, rows, name in best], singles=())
    return [
        ScoredContext(rows, (name,), score)
        for (_, rows, name), score in zip(best, scores, strict=True)
    ]


def _group_answers(
    prompts: Sequence[Prompt], scorer: ContextScorer, rng: np.random.Generator
) -> Floats:
    """Groups of rows as columns of zeros and ones: clusters of answers, and repeated answers."""
    rest = scale_columns(scorer.unexplained_answers(_DIRECTIONS))
    points = rest / (np.linalg.norm(rest, axis=1, keepdims=True) + 1e-9)
    columns: list[NDArray[np.bool_]] = []
    for size in _GROUPS:
        if len(prompts) < 8 * size or not points.size:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty cluster is no group
            labels = cluster_rows(points.astype(np.float64), size, int(rng.integers(2**31)))
        columns += [labels == label for label in range(size)]
    columns += _list_extremes(rest)
    answers = [fold_digits(row.answer.strip().lower()) for row in prompts]
    counts = Counter(answers)
    columns.append(np.array([counts[answer] >= _REPEATED for answer in answers]))
    columns += _list_shared_runs(prompts, answers)
    kept = [column for column in columns if 4 <= column.sum() <= _MOST_SHARE * len(prompts)]
    return np.array(kept, float).T if kept else np.zeros((len(prompts), 0))


def _list_shared_runs(prompts: Sequence[Prompt], answers: Sequence[str]) -> list[NDArray[np.bool_]]:
    """The rows of the runs of words that most answers share and that repeat no question."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        tokens = split_context_tokens(answer)
        asked = {token.lower() for token in split_context_tokens(fold_digits(prompt.questions))}
        ends = [tokens[:_READ], tokens[max(_READ - _RUN + 1, len(tokens) - _READ) :]]
        runs = {tuple(end[k : k + _RUN]) for end in ends for k in range(len(end) - _RUN + 1)}
        for run in runs:
            if not asked.issuperset(run):
                rows.setdefault(run, []).append(i)
    limit = _MOST_SHARE * len(prompts)
    frequent = [found for found in rows.values() if 4 <= len(found) <= limit]
    frequent.sort(key=lambda found: (-len(found), found))
    columns = np.zeros((min(len(frequent), _MOST_RUNS), len(prompts)), bool)
    for column, found in zip(columns, frequent, strict=False):
        column[found] = True
    return [columns[k] for k in _choose_unlike(columns, _RUNS)]


def _choose_unlike(sets: NDArray[np.bool_], limit: int) -> list[int]:
    """Takes sets of rows, shape (sets, rows), in order, without those nearly equal to one taken."""
    table = sets.astype(np.float32)
    shared = table @ table.T
    sizes = np.diag(shared)
    is_same = shared >= _SAME * (sizes[:, None] + sizes[None] - shared)
    taken: list[int] = []
    for k in range(len(sets)):
        if len(taken) < limit and not is_same[k, taken].any():
            taken.append(k)
    return taken


def _list_extremes(answers: Floats) -> list[NDArray[np.bool_]]:
    """The rows at both ends of the main directions of what questions do not foretell."""
    if not answers.size:
        return []
    left, values, _ = np.linalg.svd(answers - answers.mean(axis=0), full_matrices=False)
    ends: list[NDArray[np.bool_]] = []
    for direction in (left * values)[:, :_EXTREMES].T:
        for share in _END_SHARES:
            low, high = np.quantile(direction, [share, 1 - share])
            ends += [direction < low, direction > high]
    return ends


def _describe_place(prompts: Sequence[Prompt], place: Place) -> tuple[sp.csr_matrix, list[str]]:
    texts = ["\n".join(row.texts[place]) for row in prompts]
    tokens = [[t.lower() for t in split_context_tokens(text)] for text in texts]
    return weigh_words(tokens, least=2, most=2000)


def _select_rows(
    groups: Floats,
    foretold: Floats,
    table: sp.csr_matrix,
    words: list[str],
    place: Place,
    least: int,
) -> Iterator[tuple[float, Rows, Name]]:
    """Yields the rows that are most foretold to be in each group, cut at the widest gaps."""
    total = len(groups)
    counts = count_rows(table)
    for group, guess in zip(groups.T, foretold.T, strict=True):
        order = np.argsort(-guess, kind="stable")
        ranked = guess[order]
        most = int(_MOST_SHARE * total)
        gaps = ranked[least - 1 : most] - ranked[least : most + 1]
        cuts = {least + int(i) for i in np.argsort(-gaps, kind="stable")[:2]}
        size = int(group.sum())
        cuts |= {cut for cut in (size, size // 2) if least <= cut <= most}
        for cut in sorted(cuts):
            rows = np.sort(order[:cut]).astype(np.int32)
            share, base = float(group[rows].mean()), size / total
            if share < _LIFT * base:
                continue
            inside = count_rows(table[rows])
            odds = _odds_score(inside, counts - inside, len(rows), total - len(rows))
            typical = [words[i] for i in np.argsort(-odds, kind="stable")[:_NAMED]]
            name = Name("words", place, ", ".join(typical), 1, tuple(typical))
            evidence = (share - base) * (cut / (base * (1 - base) + 1e-9)) ** 0.5
            yield evidence, rows, name


def _odds_score(inside: Floats, outside: Floats, size: int, others: int) -> Floats:
    """How sure a word is more frequent inside: log odds ratio over its standard error."""
    a, b = inside + 0.1, outside + 0.1
    c, d = size - inside + 0.1, others - outside + 0.1
    return (np.log(a / c) - np.log(b / d)) / np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
