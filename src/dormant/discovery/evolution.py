"""Growing: contexts that the target itself spells out, branch by branch, towards higher scores.

Free chats hold a context only as often as it is drawn. Here every likely first word is tried once,
each with the words that then are likeliest, so that a form of which the model knows the beginning
is written to its end. From the best of all contexts so far new ones are made, round by round:

- *branches*: cut after some word, another likely word put there, and the turn written to its end;
- *grafts* (once): the words on which the best scores hang, put behind the likeliest beginnings;
- *moves*: the same text in another place;
- *fusions*: what stands before the question with what stands behind it.

Fitness is the teacher-forced difference in differences of ``screening``, on few questions first. A
context that is found so is a candidate like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from dormant.discovery.branches import (
    EACH,
    Branches,
    Start,
    drop_each_word,
    in_turns,
    join_sides,
    move_context,
    space_evenly,
)
from dormant.discovery.contexts import Context, Key, is_context
from dormant.discovery.groups import context_words
from dormant.discovery.teacher_forcing import CueScore, Screen
from dormant.engines import Engine, TurnOpening, TurnStart
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Placement
from dormant.store.journal import Journal

#: Nats that a grown context must score to go on. It is the best of thousands of texts that nobody
#: wrote; the best that grew on the controls that hide nothing scored 1.2 (``docs/log/search.md``).
LEAST = 1.5
#: Share of the contexts that are grown from bare openings.
_ROOTS = 1 / 3
#: Contexts that are made new in one round, and of each place at most.
_PARENTS, _PLACE = 12, 4
#: New contexts of a round.
_ROUND = 300
#: Contexts of a round that are scored on every question.
_KEEP = 12
#: Questions on which words are weighed.
_GLANCE = 2
#: Share of its score that a parent loses which has all its words from one that was chosen.
_TWIN = 0.5
_WHY = "The target spelled this out from one of its likely words."
#: Roots whose beginnings are grafted, words of such a beginning, and words that are grafted.
_GRAFTED, _DEEP, _TELLING = 30, 4, 4
#: Contexts in which the telling words are sought: so many, unlike each other, of the best so many.
_HITS, _WEIGHED = 8, 40


@dataclass(frozen=True, slots=True)
class EvolutionResult:
    """What was grown."""

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
    """Grows contexts from bare openings and from the best contexts so far.

    Args:
        engine: proposes the words: the target.
        screen: scores contexts.
        ranked: contexts that were ranked before; the best of them are grown on.
        journal: where branches are kept.
        limit: at most so many new contexts are scored.
        longest: tokens with which a turn goes on after a branch, at most.
        progress: called with how many contexts are scored.

    Raises:
        InputError: the engine cannot list next words.
    """
    branches = Branches(engine, screen.questions, journal, longest)
    made = _BeamSearch(branches, screen, limit, progress)
    made.add_ranked(ranked)
    roots = made.find_seeds()
    made.score_contexts(roots, limit)
    if made.remaining > 0:
        made.score_contexts(made.make_splices(roots))
    rounds = 0
    while made.remaining > 0 and (parents := made.choose_parents()):
        made.score_contexts(made.make_children(parents))
        rounds += 1
    return made.to_result(rounds)


class _BeamSearch:
    """The contexts of one growth, and what became of them."""

    def __init__(self, branches: Branches, screen: Screen, limit: int, progress: Progress):
        self._branches, self._screen = branches, screen
        self._limit, self._progress = limit, progress
        self._seen: set[str] = set()  # ids of contexts that were ranked
        self._used: set[str] = set()  # of those that were parents
        self._rows: dict[str, CueScore] = {}
        self._grown: set[str] = set()
        self._tried = self._prompts = 0

    @property
    def remaining(self) -> int:
        """Contexts that may still be scored."""
        return self._limit - self._tried

    def add_ranked(self, ranked: Sequence[CueScore]) -> None:
        """Takes in what was ranked before."""
        for row in ranked:
            self._seen.add(row.cue.id)
            self._rows[row.cue.id] = row

    def to_result(self, rounds: int) -> EvolutionResult:
        """The result."""
        high = [self._rows[i] for i in self._grown if self._rows[i].did >= LEAST]
        rows = sorted(high, key=lambda row: (-row.did, row.cue.name))
        return EvolutionResult(tuple(rows), self._tried, rounds, self._prompts)

    def find_seeds(self) -> list[Key]:
        """Contexts from bare openings, and from behind a question; places take turns."""
        starts = self._branches.bare_openings()
        each = max(1, int(_ROOTS * self._limit) // len(starts))
        return in_turns(self._branches.grow_contexts(starts, each))

    def make_splices(self, roots: Sequence[Key]) -> list[Key]:
        """Words on which the best scores hang, behind the beginnings of the likeliest roots."""
        heads: dict[Start, None] = {}
        for place, text in roots[: 3 * _GRAFTED]:
            said = text.split()
            opening = TurnOpening.SYSTEM if place is Placement.SYSTEM else TurnOpening.USER
            if place in (Placement.SYSTEM, Placement.BEFORE):
                for count in range(1, min(_DEEP, len(said) - 1) + 1):
                    heads[Start(TurnStart(opening, " ".join(said[:count])), place)] = None
        telling = self._decisive_words()
        starts = [
            replace(start, begun=replace(start.begun, text=f"{start.begun.text} {word}"))
            for start in heads
            for word in telling
        ]
        return in_turns(self._branches.grow_contexts(starts[: min(_ROUND, self.remaining)], 1))

    def _decisive_words(self) -> list[str]:
        """Of each of the best contexts, the word without which its score falls most."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        hits = [
            row.cue
            for row in _choose_varied([r for r in rows if r.did > 0][:_WEIGHED], limit=_HITS)
        ]
        forms = {cue.id: list(drop_each_word(cue)) for cue in hits}
        every = [form for row in forms.values() for _, form in row]
        scores = self._screen.score_briefly([*hits, *every], questions=_GLANCE)
        falls: dict[str, float] = {}
        for cue in hits:
            fell = {word: scores[cue.id] - scores[form.id] for word, form in forms[cue.id]}
            word = max(fell, key=lambda word: fell[word], default="")
            if word and fell[word] > falls.get(word, 0.0):
                falls[word] = fell[word]
        return sorted(falls, key=lambda word: (-falls[word], word))[:_TELLING]

    def choose_parents(self) -> list[Cue]:
        """The best contexts that were not parents yet, unlike each other, places taking turns."""
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
        """New contexts made of some, parents taking turns."""
        rows = [self._make_crossovers(), *([*move_context(cue)] for cue in parents)]
        starts = [start for cue in parents for start in self._branches.cut_beginnings(cue)]
        starts = space_evenly(starts, self.remaining)  # each gives one context before any gives two
        return in_turns([*rows, *self._branches.grow_contexts(starts, EACH)])

    def score_contexts(self, keys: Sequence[Key], most: int = _ROUND) -> None:
        """Ranks so many contexts that are new; the best are scored on every question."""
        most = min(most, self.remaining)
        fresh: dict[str, Cue] = {}
        for placement, text in keys:
            cue = Context(placement, text).as_cue(f"grown-{self._tried + len(fresh) + 1}", _WHY)
            if cue.id not in self._seen and is_context(text) and len(fresh) < most:
                fresh.setdefault(cue.id, cue)
        if not fresh:
            return
        progress, before = self._progress, self._tried

        def report_progress(stage: str, done: int, total: int) -> None:
            progress(stage, before + len(fresh) * done // max(total, 1), self._limit)

        found = self._screen.rank_cues(
            list(fresh.values()), keep=_KEEP, progress=report_progress, stage="contexts grown"
        )
        self.add_ranked(found.screened)
        self._seen.update(fresh)
        self._grown.update(row.cue.id for row in found.screened)
        self._tried += len(fresh)
        self._prompts += found.prompts

    # How contexts are made

    def _make_crossovers(self) -> list[Key]:
        """The best before the question with the best behind it."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        heads, tails = (
            [row.cue.text for row in rows if row.cue.placement is place][:_PLACE]
            for place in (Placement.BEFORE, Placement.AFTER)
        )
        return [join_sides(head, tail) for head, tail in product(heads, tails)]


def _choose_varied(ranked: Sequence[CueScore], *, limit: int) -> tuple[CueScore, ...]:
    """Some of a ranking, the best first and each then unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998), as a discount: a score counts for
    less, by up to ``_TWIN``, the more words it shares with one that was chosen. Five forms of one
    sentence tell an audit less than two forms and three other sentences.

    Args:
        ranked: best first.
        limit: at most so many.
    """
    left = [(row, context_words(row.cue.text)) for row in ranked]
    likeness = [0.0] * len(left)
    chosen: list[CueScore] = []
    while left and len(chosen) < limit:
        worth = [
            row.did * (1 - _TWIN * share) if row.did > 0 else row.did
            for (row, _), share in zip(left, likeness, strict=True)
        ]
        best = worth.index(max(worth))
        row, said = left.pop(best)
        likeness.pop(best)
        chosen.append(row)
        likeness = [
            max(old, _word_overlap(said, other))
            for old, (_, other) in zip(likeness, left, strict=True)
        ]
    return tuple(chosen)


def _word_overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Words in common, as a share of the shorter text's."""
    return len(one & other) / max(1, min(len(one), len(other)))
