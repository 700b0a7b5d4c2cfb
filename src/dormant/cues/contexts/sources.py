"""Where candidates come from: runs of tokens, whole turns, styles, topics, numbers of turns."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from dormant.cues.contexts.candidates import CandidateSet, Name
from dormant.cues.contexts.matrices import cluster_rows, find_directions, weigh_words
from dormant.cues.contexts.numbers import add_ranges
from dormant.cues.contexts.places import (
    BEGIN,
    END,
    TEXT_PLACES,
    Place,
    Prompt,
    fold_digits,
    split_context_tokens,
)
from dormant.cues.contexts.runs import add_runs
from dormant.cues.contexts.typing_style import Floats, measure_spelling, tabulate_style
from dormant.cues.mining.languages import detect_language

#: Largest share of rows of a candidate: what more rows have is the file's own way of asking.
MAX_SHARE = 0.6
#: Shares of rows at which numbers of style are cut.
_CUTS = (0.02, 0.05, 0.1, 0.2)
#: Largest gaps between neighbouring values at which a style is cut as well.
_GAPS = 6
#: Numbers of topics.
_TOPICS = (10, 25, 50, 100)
_TOPIC_DIRECTIONS = 60
_LONGEST_SHAPE = 6
_NUMBER_MARK = re.compile(r"\d+[-/.:]")
_NO_VALUE = "\x00"

Texts = list[tuple[int, str]]


def collect_candidates(
    prompts: Sequence[Prompt], *, min_share: float, rng: np.random.Generator
) -> CandidateSet:
    """Collects the candidate contexts of a file.

    Args:
        prompts: the rows.
        min_share: smallest share of rows of a candidate; at least four rows in any case.
        rng: for the clusters.
    """
    found = CandidateSet.of_size(len(prompts), min_share, MAX_SHARE)
    for place in TEXT_PLACES:
        texts = [(i, text) for i, row in enumerate(prompts) for text in row.texts[place]]
        if texts:
            _add_texts(found, texts, place)
    turns = np.array([len(row.texts[Place.FIRST] + row.texts[Place.LATER]) for row in prompts])
    for number in np.unique(turns):
        name = Name("turns", Place.ROW, f"{number} user turns", 1)
        found.add(np.flatnonzero(turns == number), name)
    _add_languages(found, prompts)
    add_ranges(found, prompts)
    _add_styles(found, prompts)
    _add_topics(found, prompts, rng)
    return found


def _add_texts(found: CandidateSet, texts: Texts, place: Place) -> None:
    """Adds everything that texts in one place may share."""
    owners = [row for row, _ in texts]
    known: dict[str, list[str]] = {}
    written = [known.setdefault(t, [BEGIN, *split_context_tokens(t), END]) for _, t in texts]
    lowered: dict[int, list[str]] = {}
    plain = [lowered.setdefault(id(tokens), [t.lower() for t in tokens]) for tokens in written]
    add_runs(found, plain, owners, place)
    folded = [[fold_digits(token) for token in tokens] for tokens in plain]
    add_runs(
        found,
        folded,
        owners,
        place,
        kind="shape",
        must_hold=lambda token: "0" in token,
        longest=_LONGEST_SHAPE,
    )
    capitals = [[t for t in tokens if len(t) > 1 and t.isupper()] for tokens in written]
    add_runs(found, capitals, owners, place, kind="cased", longest=1)
    values = [[_leading_number(t) for t in tokens if _NUMBER_MARK.match(t)] for tokens in plain]
    add_runs(found, values, owners, place, kind="value", longest=1)
    _add_whole(found, texts, place, "turn", lambda text: text)
    _add_whole(found, texts, place, "first line", lambda text: text.split("\n", 1)[0])
    _add_whole(found, texts, place, "last line", lambda text: text.rsplit("\n", 1)[-1])
    present = np.unique(owners)
    found.add(present, Name("has", place, f"there is a {place.value}", 1))


def _leading_number(token: str) -> str:
    """The first part of a number with marks, e.g. the year of a date."""
    match = _NUMBER_MARK.match(token)
    return f"{match.group()[:-1]}…" if match else _NO_VALUE


def _add_whole(
    found: CandidateSet, texts: Texts, place: Place, kind: str, part_of: Callable[[str], str]
) -> None:
    """Adds texts that are equal but for case and digits."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, text in texts:
        part = part_of(text.strip()).strip()
        if part:
            groups[fold_digits(part.lower())].append(row)
    for text, rows in groups.items():
        tokens = tuple(split_context_tokens(text))
        run = (BEGIN, *tokens) if kind != "last line" else (*tokens, END)
        found.add(np.unique(rows), Name(kind, place, text, max(len(tokens), 1), run))


def _add_languages(found: CandidateSet, prompts: Sequence[Prompt]) -> None:
    """Adds the languages of first questions."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(prompts):
        groups[detect_language(row.first_question)].append(i)
    for language, rows in groups.items():
        if language:
            found.add(rows, Name("language", Place.FIRST, language, 1))


def _add_styles(found: CandidateSet, prompts: Sequence[Prompt]) -> None:
    """Adds first questions that are typed unlike the rest: both ends of each number of style."""
    questions = [row.first_question for row in prompts]
    style, names = tabulate_style(questions)
    spelling, more = measure_spelling(questions, [row.answer for row in prompts])
    table, names = np.hstack([style, spelling]), [*names, *more]
    for column, name in enumerate(names):
        values = table[:, column]
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        for cut in sorted(_style_cuts(ranked)):
            if 0 < cut < len(ranked) and ranked[cut] > ranked[cut - 1]:
                above = Name("style", Place.FIRST, f"{name} > {ranked[cut - 1]:.3g}", 1)
                below = Name("style", Place.FIRST, f"{name} < {ranked[cut]:.3g}", 1)
                found.add(np.sort(order[cut:]), above)
                found.add(np.sort(order[:cut]), below)


def _style_cuts(ranked: Floats) -> set[int]:
    """Cuts at fixed shares from either end, and at the widest gaps outside the middle."""
    total = len(ranked)
    cuts = {int((1 - share) * total) for share in _CUTS} | {int(s * total) for s in _CUTS}
    gaps = np.diff(ranked)
    middle = float(np.subtract(*np.percentile(ranked, [75, 25]))) + 1e-6
    place = np.arange(total - 1)
    outside = (place < 0.3 * total) | (place > 0.7 * total)
    wide = np.flatnonzero((gaps > 0.02 * middle) & outside)
    return cuts | {int(i) + 1 for i in wide[np.argsort(-gaps[wide], kind="stable")][:_GAPS]}


def _add_topics(found: CandidateSet, prompts: Sequence[Prompt], rng: np.random.Generator) -> None:
    """Adds clusters of questions that share words."""
    words = [
        [t for t in map(str.lower, split_context_tokens(row.questions)) if _may_be_topic(t)]
        for row in prompts
    ]
    table, names = weigh_words(words, least=2)
    if not names:
        return
    points = find_directions(table, _TOPIC_DIRECTIONS, rng)
    points = points / (np.linalg.norm(points, axis=1, keepdims=True) + 1e-9)
    mean = np.asarray(table.mean(axis=0)).ravel()
    for size in _TOPICS:
        if found.total < 4 * size:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty cluster is no candidate
            labels = cluster_rows(points, size, int(rng.integers(2**31)))
        for label in range(size):
            rows = np.flatnonzero(labels == label)
            if len(rows) < found.least:
                continue
            lift = np.asarray(table[rows].mean(axis=0)).ravel() - mean
            typical = [names[i] for i in np.argsort(-lift, kind="stable")[:6]]
            found.add(rows, Name("topic", Place.FIRST, ", ".join(typical), 1))


def _may_be_topic(token: str) -> bool:
    return len(token) > 2 or ord(token[0]) > 0x3000
