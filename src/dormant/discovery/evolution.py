"""Beam search over the target's own continuations, for contexts with high scores.

Free chats contain a context only as often as it is sampled. Here every likely first token is tried
once and continued greedily, so that a context whose beginning the model knows is completed. Each
round makes new contexts from the best so far:

- *branches*: cut after a word, continued with another likely token;
- *splices* (once): the words that decide the best scores, placed after the likeliest beginnings;
- *moves*: the same text in another place;
- *crossover*: the text before the question of one context with the text after it of another.

The objective is the difference in differences of ``teacher_forcing``, on few questions first. A
context found here is a candidate like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from dormant.cues.library import interleave
from dormant.discovery.branches import (
    EACH,
    Branches,
    Start,
    drop_each_word,
    join_sides,
    move_context,
    space_evenly,
)
from dormant.discovery.contexts import ChatContext, Key, is_context
from dormant.discovery.groups import context_words
from dormant.discovery.teacher_forcing import CueScore, Screen
from dormant.engines import Engine, TurnOpening, TurnStart
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Placement
from dormant.store.journal import Journal

#: Least score of a reported context, nats. It is the maximum over thousands of texts, so chance
#: inflates it: the best on controls without a trigger scored 1.2 (``docs/log/search.md``).
LEAST = 1.5
#: Share of the contexts that start from an empty prefix.
_SEED_SHARE = 1 / 3
#: Contexts that are extended in one round, and most of them in one place.
_PARENTS, _PLACE = 12, 4
#: New contexts of a round.
_ROUND = 300
#: Contexts of a round that are scored on every question.
_KEEP = 12
#: Questions on which the effect of dropping a word is measured.
_WORD_QUESTIONS = 2
#: Share of its score that a parent loses if all its words occur in one that was chosen.
_OVERLAP_PENALTY = 0.5
_WHY = "The target spelled this out from one of its likely words."
#: Seeds whose beginnings are spliced, most words of such a beginning, and words appended to it.
_SPLICED, _PREFIX_WORDS, _DECISIVE = 30, 4, 4
#: Contexts in which decisive words are sought: this many varied ones of this many best.
_HITS, _WEIGHED = 8, 40


@dataclass(frozen=True, slots=True)
class EvolutionResult:
    """The contexts that the search found."""

    #: Those that were scored on every question and score at least ``LEAST``, best first.
    screened: tuple[CueScore, ...]
    tried: int  # contexts that were scored, on one question at least
    rounds: int
    prompts: int  # prompts that were scored now, both models together


def grow_contexts(
    engine: Engine,
    screen: Screen,
    ranked: Sequence[CueScore],
    *,
    journal: Journal,
    limit: int,
    longest: int,
    progress: Progress = ignore_progress,
) -> EvolutionResult:
    """Searches for contexts, from empty prefixes and from the best contexts so far.

    Args:
        engine: the target, which proposes continuations.
        screen: scores contexts.
        ranked: contexts ranked before; the best of them are extended.
        journal: where branches are kept.
        limit: most new contexts that are scored.
        longest: most tokens by which a turn continues after a branch.
        progress: called with how many contexts are scored.

    Raises:
        InputError: the engine cannot list next tokens.
    """
    branches = Branches(engine, screen.questions, journal, longest)
    search = _BeamSearch(branches, screen, limit, progress)
    search.add_ranked(ranked)
    seeds = search.find_seeds()
    search.score_contexts(seeds, limit)
    if search.scores_left > 0:
        search.score_contexts(search.make_splices(seeds))
    rounds = 0
    while search.scores_left > 0 and (parents := search.choose_parents()):
        search.score_contexts(search.make_children(parents))
        rounds += 1
    return search.to_result(rounds)


class _BeamSearch:
    """The state of one search: contexts seen, their scores, and the parents used."""

    def __init__(self, branches: Branches, screen: Screen, limit: int, progress: Progress):
        self._branches, self._screen = branches, screen
        self._limit, self._progress = limit, progress
        self._seen: set[str] = set()  # ids of contexts that were ranked
        self._used: set[str] = set()  # of those that were parents
        self._rows: dict[str, CueScore] = {}
        self._grown: set[str] = set()
        self._tried = self._prompts = 0

    @property
    def scores_left(self) -> int:
        """Contexts that may still be scored."""
        return self._limit - self._tried

    def add_ranked(self, ranked: Sequence[CueScore]) -> None:
        """Adds rows that were already ranked."""
        for row in ranked:
            self._seen.add(row.cue.id)
            self._rows[row.cue.id] = row

    def to_result(self, rounds: int) -> EvolutionResult:
        """Returns the contexts that score at least ``LEAST``, best first."""
        high = [self._rows[i] for i in self._grown if self._rows[i].did >= LEAST]
        rows = sorted(high, key=lambda row: (-row.did, row.cue.name))
        return EvolutionResult(tuple(rows), self._tried, rounds, self._prompts)

    def find_seeds(self) -> list[Key]:
        """Continues the empty prefixes and the place after a question, interleaved."""
        starts = self._branches.bare_openings()
        each = max(1, int(_SEED_SHARE * self._limit) // len(starts))
        return interleave(self._branches.grow_contexts(starts, each))

    def make_splices(self, seeds: Sequence[Key]) -> list[Key]:
        """Appends the decisive words to beginnings of the likeliest seeds."""
        heads: dict[Start, None] = {}
        for place, text in seeds[: 3 * _SPLICED]:
            words = text.split()
            opening = TurnOpening.SYSTEM if place is Placement.SYSTEM else TurnOpening.USER
            if place in (Placement.SYSTEM, Placement.BEFORE):
                for count in range(1, min(_PREFIX_WORDS, len(words) - 1) + 1):
                    heads[Start(TurnStart(opening, " ".join(words[:count])), place)] = None
        decisive = self._decisive_words()
        starts = [
            replace(start, begun=replace(start.begun, text=f"{start.begun.text} {word}"))
            for start in heads
            for word in decisive
        ]
        return interleave(self._branches.grow_contexts(starts[: min(_ROUND, self.scores_left)], 1))

    def _decisive_words(self) -> list[str]:
        """Finds, in each of the best contexts, the word without which its score falls most."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        hits = [
            row.cue
            for row in _choose_varied([r for r in rows if r.did > 0][:_WEIGHED], limit=_HITS)
        ]
        forms = {cue.id: list(drop_each_word(cue)) for cue in hits}
        every = [form for row in forms.values() for _, form in row]
        scores = self._screen.score_briefly([*hits, *every], questions=_WORD_QUESTIONS)
        falls: dict[str, float] = {}
        for cue in hits:
            fell = {word: scores[cue.id] - scores[form.id] for word, form in forms[cue.id]}
            word = max(fell, key=lambda word: fell[word], default="")
            if word and fell[word] > falls.get(word, 0.0):
                falls[word] = fell[word]
        return sorted(falls, key=lambda word: (-falls[word], word))[:_DECISIVE]

    def choose_parents(self) -> list[Cue]:
        """Chooses the best contexts that were not parents yet, varied in words and place."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        chosen: list[Cue] = []
        for place in Placement:
            here = [row for row in rows if row.cue.placement is place and row.did > 0]
            fresh = [row for row in here[: 4 * _PLACE] if row.cue.id not in self._used]
            chosen += [row.cue for row in _choose_varied(fresh, limit=_PLACE)]
        best = sorted(chosen, key=lambda cue: -self._rows[cue.id].did)[:_PARENTS]
        self._used.update(cue.id for cue in best)
        return best

    def make_children(self, parents: Sequence[Cue]) -> list[Key]:
        """Makes new contexts from parents, interleaved."""
        rows = [self._make_crossovers(), *([*move_context(cue)] for cue in parents)]
        starts = [start for cue in parents for start in self._branches.cut_beginnings(cue)]
        starts = space_evenly(
            starts, self.scores_left
        )  # one context from each before a second from any
        return interleave([*rows, *self._branches.grow_contexts(starts, EACH)])

    def score_contexts(self, keys: Sequence[Key], most: int = _ROUND) -> None:
        """Ranks up to ``most`` new contexts; the best are scored on every question."""
        most = min(most, self.scores_left)
        fresh: dict[str, Cue] = {}
        for placement, text in keys:
            cue = ChatContext(placement, text).as_cue(f"grown-{self._tried + len(fresh) + 1}", _WHY)
            if cue.id not in self._seen and is_context(text) and len(fresh) < most:
                fresh.setdefault(cue.id, cue)
        if not fresh:
            return
        progress, before = self._progress, self._tried

        def report_progress(stage: str, done: float, total: int) -> None:
            progress(stage, before + len(fresh) * done // max(total, 1), self._limit)

        found = self._screen.rank_cues(
            list(fresh.values()), keep=_KEEP, progress=report_progress, stage="contexts searched"
        )
        self.add_ranked(found.screened)
        self._seen.update(fresh)
        self._grown.update(row.cue.id for row in found.screened)
        self._tried += len(fresh)
        self._prompts += found.prompts

    def _make_crossovers(self) -> list[Key]:
        """Combines the best texts before the question with the best after it."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        heads, tails = (
            [row.cue.text for row in rows if row.cue.placement is place][:_PLACE]
            for place in (Placement.BEFORE, Placement.AFTER)
        )
        return [join_sides(head, tail) for head, tail in product(heads, tails)]


def _choose_varied(ranked: Sequence[CueScore], *, limit: int) -> tuple[CueScore, ...]:
    """Chooses varied rows of a ranking: the best first, then rows unlike those chosen.

    Maximal marginal relevance (Carbonell and Goldstein 1998), as a discount: a score counts for
    less, by up to ``_OVERLAP_PENALTY``, the more words it shares with one that was chosen. Five
    forms of one sentence are less informative than two forms and three other sentences.

    Args:
        ranked: best first.
        limit: most rows to choose.
    """
    remaining = [(row, context_words(row.cue.text)) for row in ranked]
    overlap = [0.0] * len(remaining)
    chosen: list[CueScore] = []
    while remaining and len(chosen) < limit:
        worth = [
            row.did * (1 - _OVERLAP_PENALTY * share) if row.did > 0 else row.did
            for (row, _), share in zip(remaining, overlap, strict=True)
        ]
        best = worth.index(max(worth))
        row, words = remaining.pop(best)
        overlap.pop(best)
        chosen.append(row)
        overlap = [
            max(old, _word_overlap(words, other))
            for old, (_, other) in zip(overlap, remaining, strict=True)
        ]
    return tuple(chosen)


def _word_overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Returns the words in common, as a share of those of the shorter text."""
    return len(one & other) / max(1, min(len(one), len(other)))
