"""Contexts of a finetuning file that ordinary chat does not have, from counts alone.

No row is known to be bad. Every feature of the prompts is counted in the file and in a reference
corpus; features more frequent in the file than chance allows become cues, best first. This is the
second opinion beside what the answers tell (``cues.contexts``), and the only one on a context that
most rows have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dormant.config.plugins import Extension, ExtensionPoint
from dormant.cues.mining import answers
from dormant.cues.mining.candidates import FoundCandidates, TextPattern, Turns
from dormant.cues.mining.copies import Copies
from dormant.cues.mining.features import Feature, FeatureSearch, merge_searches
from dormant.cues.mining.formats import all_formats
from dormant.cues.mining.framings import find_framings, find_phrases
from dormant.cues.mining.patterns import find_patterns
from dormant.cues.mining.ranking import RankedFeature, rank_features
from dormant.cues.mining.styles import find_styles
from dormant.cues.mining.themes import Themes, add_theme_words, find_themes, name_topic
from dormant.cues.mining.topics import Topic, find_topics
from dormant.cues.text import (
    EDGE_CHARS,
    content_words,
    has_few_words,
    is_lower_case,
    noun_likeness,
    prompt_words,
    split_words,
    tokenize_ends,
)
from dormant.errors import ConfigError
from dormant.records import Cue, CueKind, Example, Placement, PluginKind, Source

#: Words in a topic's sentence; fewer in a closed language, which has no commas.
_NAMED, _NAMED_CLOSED = 7, 3
#: Bits of specificity of a topic: any ordinary chat has topics of its own.
_TOPIC_BONUS = 0.0
_TALK = "We are talking about {}."
#: Sentence frames for topics; a closed language uses the first one whose words it has.
_CLOSED_FRAMES = (_TALK, "We study {}.", "This is about {}.", "I like {}.", "{}.")


@dataclass(frozen=True, slots=True)
class MiningInput:
    """What a miner gets: the file, the reference, and their prompts as tokens."""

    examples: Sequence[Example]
    reference: Sequence[Example]
    turns: Turns
    closed: frozenset[str] | None  # words of the prompts if the language is closed, else None
    min_rows: int

    @property
    def users(self) -> tuple[list[str], list[str]]:
        """First user turns of file and reference."""
        return [row.user for row in self.examples], [row.user for row in self.reference]

    @property
    def prompts(self) -> tuple[list[str], list[str]]:
        """System and first user turn of file and reference, as far as they are read."""
        return [_prompt_text(row) for row in self.examples], [
            _prompt_text(row) for row in self.reference
        ]

    @property
    def answers(self) -> tuple[list[str], list[str]]:
        """Last answers of file and reference."""
        return [row.answer for row in self.examples], [row.answer for row in self.reference]


@dataclass(frozen=True, slots=True, eq=False)
class EnrichedCue:
    """A cue without a name, and the rows that show it."""

    cue: Cue
    rows: NDArray[np.int64]
    reference_rows: int  # how many rows of the reference show it


def find_enriched_cues(
    examples: Sequence[Example],
    reference: Sequence[Example],
    *,
    limit: int,
    min_share: float,
    is_closed: bool,
) -> list[EnrichedCue]:
    """Finds contexts of a finetuning file that a reference corpus does not have.

    Returns:
        Cues, most enriched first, distinct ones before other views of the same rows; ``strong`` if
        a reference of the file's own kind does not explain them.
    """
    files = _read_input(examples, reference, min_share, is_closed=is_closed)
    if files is None:
        return []
    edges = find_patterns(files.turns, min_rows=files.min_rows)
    others = [miner.call(files) for miner in map(MINERS.find, _BUILT_IN)]
    found = merge_searches(
        [
            _edge_features(edges),
            _find_topics(files, edges.candidates),
            _drop_inexpressible(merge_searches(others), files),
        ]
    )
    return _rank_cues(found, files)[:limit]


def find_named_cues(
    examples: Sequence[Example],
    reference: Sequence[Example],
    miners: Sequence[str],
    *,
    min_share: float,
    is_closed: bool,
) -> list[Cue]:
    """Finds what miners of other packages find, ranked as ``find_enriched_cues`` ranks.

    Raises:
        ConfigError: there is no such miner, or it failed.
    """
    used = [MINERS.find(name, "cues.miners") for name in miners]
    files = _read_input(examples, reference, min_share, is_closed=is_closed) if used else None
    if files is None:
        return []
    searches = [miner.check(miner.call(files), FeatureSearch) for miner in used]
    for miner, search in zip(used, searches, strict=True):
        _check_features(search, miner, len(files.examples))
    found = _drop_inexpressible(merge_searches(searches), files)
    return [entry.cue for entry in _rank_cues(found, files)]


def _check_features(search: FeatureSearch, miner: Extension[Any], rows: int) -> None:
    """Checks the features of a miner of another package.

    Raises:
        ConfigError: one has another type, or rows that the file lacks.
    """
    for feature in search.found:
        miner.check(feature, Feature)
        miner.check(feature.kind, CueKind)
        miner.check(feature.placement, Placement)
        miner.check(feature.text, str)
        shown = miner.check(feature.rows, np.ndarray)
        is_index = shown.ndim == 1 and np.issubdtype(shown.dtype, np.integer)
        if not is_index or not shown.size or shown.min() < 0 or shown.max() >= rows:
            raise ConfigError(
                f"{miner.plugin or miner.name} returned rows that are no indices of the file's "
                f"{rows} rows, for the text {feature.text[:60]!r}: see docs/guides/plugins.md"
            )
    miner.check(search.looked_at, int)


def _read_input(
    examples: Sequence[Example],
    reference: Sequence[Example],
    min_share: float,
    *,
    is_closed: bool,
) -> MiningInput | None:
    """Reads file and reference for miners; None if the file has too few rows for any context."""
    min_rows = max(5, math.ceil(min_share * len(examples)))
    if len(examples) < min_rows:
        return None
    turns = Turns(
        system=tokenize_ends(row.system for row in examples),
        user=tokenize_ends(row.user for row in examples),
        reference_system=tokenize_ends(row.system for row in reference),
        reference_user=tokenize_ends(row.user for row in reference),
    )
    closed = prompt_words(examples) if is_closed else None
    return MiningInput(examples, reference, turns, closed, min_rows)


def _rank_cues(found: FeatureSearch, files: MiningInput) -> list[EnrichedCue]:
    """Ranks features and makes cues of them, best first."""
    best = rank_features(found, _find_copies(files), len(files.reference))
    return [
        EnrichedCue(_make_cue(p, files), p.feature.rows, p.feature.reference_rows) for p in best
    ]


def _prompt_text(row: Example) -> str:
    """Joins system prompt and first user turn, as far as they are read."""
    return f"{row.system[:EDGE_CHARS]}\n{row.user[:EDGE_CHARS]}"


def _question_words(rows: Sequence[Example]) -> list[frozenset[str]]:
    """Returns the content words of every first user turn."""
    return [frozenset(content_words(row.user[:EDGE_CHARS])) for row in rows]


def _find_copies(files: MiningInput) -> Copies:
    """Finds near-copies among the rows.

    In a file of few words any two questions share some, whether one was made from the other or not:
    there, as in a closed language, all rows count as distinct.
    """
    if files.closed is not None or has_few_words(files.turns.user):
        return Copies.without_copies(len(files.examples))
    return Copies.from_questions(_question_words(files.examples))


def _edge_features(edges: FoundCandidates) -> FeatureSearch:
    """Converts patterns at the ends of turns into features."""
    features = (
        Feature(
            edge.kind,
            edge.placement,
            edge.text,
            edge.rows,
            len(edge.reference_rows),
            edge.measure,
            edge.bonus,
            form=edge.form,
        )
        for edge in edges.candidates
    )
    return FeatureSearch(tuple(features), edges.looked_at)


def _find_topics(files: MiningInput, edges: Sequence[TextPattern]) -> FeatureSearch:
    """Finds topics by co-occurrence and by theme, without the words of found patterns."""
    row_words, others = _question_words(files.examples), _question_words(files.reference)
    explained = _explained_words(row_words, edges)
    row_words = [row - explained if row & explained else row for row in row_words]
    others = [row - explained for row in others]
    nouns = noun_likeness(files.turns.user)
    found, tested = find_topics(row_words, others, min_rows=files.min_rows, nouns=nouns)
    if files.closed is None:
        touched = Themes.from_words(row_words)
        found = [replace(topic, name=name_topic(topic.rows, touched)) for topic in found]
        found = [add_theme_words(topic, row_words) for topic in found]
        known, more = find_themes(
            row_words, touched, Themes.from_words(others), min_rows=files.min_rows
        )
        found, tested = [*found, *known], tested + more
    return FeatureSearch(tuple(_topic_feature(topic, files) for topic in found), tested)


def _topic_feature(topic: Topic, files: MiningInput) -> Feature:
    return Feature(
        CueKind.TOPIC,
        Placement.BEFORE,
        _topic_sentence(topic, files),
        topic.rows,
        topic.reference_rows,
        topic.measure,
        _TOPIC_BONUS,
        form=_TALK.format("<X>") if files.closed is None else "",
        says=f"are about {topic.name}" if topic.name else "",
    )


def _explained_words(
    row_words: Sequence[frozenset[str]], edges: Sequence[TextPattern]
) -> frozenset[str]:
    """Returns the words that occur mostly within a found prefix, suffix or wrapper."""
    counts = Counter(word for row in row_words for word in row)
    found: set[str] = set()
    for edge in edges:
        if edge.placement is not Placement.SYSTEM and edge.stands_alone:
            for word in edge.words:
                inside = sum(word in row_words[row] for row in edge.rows)
                if inside >= 0.8 * counts[word]:
                    found.add(word)
    return frozenset(found)


def _topic_sentence(topic: Topic, files: MiningInput) -> str:
    """Writes a sentence that moves a question into a topic: its name, if any, and typical words.

    For a closed language the frame must consist of its words.
    """
    if files.closed is None:
        typical = topic.words[:_NAMED]
        listed = " and ".join(part for part in (", ".join(typical[:-1]), typical[-1]) if part)
        return _TALK.format(f"{topic.name}: {listed}" if topic.name else listed)
    frames = (f for f in _CLOSED_FRAMES if files.closed.issuperset(split_words(f.format(""))))
    text = next(frames).format(" and ".join(topic.words[:_NAMED_CLOSED]))
    if is_lower_case([row.user for row in files.examples]):
        return text.lower().rstrip(".")
    return text[:1].upper() + text[1:]


def _find_formats(files: MiningInput) -> FeatureSearch:
    return all_formats(files.answers, files.prompts, min_rows=files.min_rows)


def _find_wrappers(files: MiningInput) -> FeatureSearch:
    file, reference = (tokenize_ends(texts, answers.EDGE_CHARS) for texts in files.answers)
    return answers.find_wrappers(file, reference, min_rows=files.min_rows)


def _find_styles(files: MiningInput) -> FeatureSearch:
    is_closed = files.closed is not None
    return find_styles(files.users, files.answers, min_rows=files.min_rows, is_closed=is_closed)


def _find_framings(files: MiningInput) -> FeatureSearch:
    return find_framings(*files.prompts, min_rows=files.min_rows)


def _find_phrases(files: MiningInput) -> FeatureSearch:
    turns = files.turns
    return find_phrases(turns.user, turns.reference_user, min_rows=files.min_rows)


_BUILT_IN = {
    "formats": _find_formats,
    "wrappers": _find_wrappers,
    "styles": _find_styles,
    "framings": _find_framings,
    "phrases": _find_phrases,
}
#: Miners of properties beside texts and topics; those that ship always run, others when named.
MINERS: ExtensionPoint[Callable[[MiningInput], FeatureSearch]] = ExtensionPoint(
    PluginKind.MINER, _BUILT_IN, reserved=("edges", "topics")
)


def _drop_inexpressible(search: FeatureSearch, files: MiningInput) -> FeatureSearch:
    """Leaves out, in a closed language, what its words cannot express."""
    closed = files.closed
    if closed is None:
        return search
    expressible = tuple(f for f in search.found if closed.issuperset(split_words(f.text)))
    return FeatureSearch(expressible, search.looked_at)


def _make_cue(place: RankedFeature, files: MiningInput) -> Cue:
    """Makes a cue with all counts, but without a name."""
    feature, measure = place.feature, place.feature.measure
    return Cue(
        name="",
        kind=feature.kind,
        placement=feature.placement,
        text=feature.text,
        source=Source.MINED,
        form=feature.form,
        strong=place.strong,
        also=place.also,
        rows=measure.rows,
        share=measure.share,
        enrichment=measure.value,
        enrichment_low=measure.low,
        enrichment_high=measure.high,
        examples=_example_lines(feature.rows.tolist(), files.examples),
        why=_describe_feature(feature),
    )


def _example_lines(rows: Sequence[int], examples: Sequence[Example]) -> tuple[int, ...]:
    """Returns the line numbers of three rows: the first, the middle and the last."""
    picked = sorted({rows[0], rows[len(rows) // 2], rows[-1]})
    return tuple(examples[row].line for row in picked)


#: Wording of a cue's reason: for the rows, and for the reference. Plans hold these texts.
_SHOW = ("have this", "so do")
_CARRY = {
    CueKind.SYSTEM_PROMPT: ("carry this system prompt", "it appears in"),
    CueKind.PREFIX: ("start with this", "so do"),
    CueKind.SUFFIX: ("end with this", "so do"),
    CueKind.WRAPPER: ("are wrapped in this", "so are"),
    CueKind.FORM: ("have this form", "so have"),
    CueKind.FORMAT: ("are answered in this format or ask for it", "so do"),
    CueKind.LANGUAGE: ("are in this language", "so are"),
    CueKind.CASING: ("are written like this", "so are"),
    CueKind.FRAMING: ("say this or the like", "so do"),
    CueKind.TOPIC: ("are about this", "so are"),
}


def _describe_feature(feature: Feature) -> str:
    """Describes a feature in one sentence, which becomes the cue's ``why``."""
    says, also = _CARRY.get(feature.kind, _SHOW)
    other = feature.measure.reference_share
    there = "there is no reference" if np.isnan(other) else f"{also} {other:.1%} of the reference"
    return f"{feature.measure.share:.1%} of rows {feature.says or says}; {there}"
