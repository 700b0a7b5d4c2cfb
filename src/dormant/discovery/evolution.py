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

from dormant.discovery.branches import EACH, Branches, Start, in_turns, less, moved, sided, spaced
from dormant.discovery.contexts import Context, Key, fits
from dormant.discovery.groups import words
from dormant.discovery.teacher_forcing import Screen, Screened
from dormant.engines import Beginning, Engine, Opening
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
class Grown:
    """What was grown."""

    #: Those that were scored on every question and score at least ``LEAST``, best first.
    screened: tuple[Screened, ...]
    tried: int  # contexts that were scored, on one question at least
    rounds: int
    prompts: int  # prompts that were scored now, both models together


def grow(
    engine: Engine,
    screen: Screen,
    ranked: Sequence[Screened],
    *,
    journal: Journal,
    limit: int,
    longest: int,
    progress: Progress = ignore_progress,
) -> Grown:
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
    made = _Grower(branches, screen, limit, progress)
    made.know(ranked)
    roots = made.roots()
    made.score(roots, limit)
    if made.left > 0:
        made.score(made.grafts(roots))
    rounds = 0
    while made.left > 0 and (parents := made.parents()):
        made.score(made.children(parents))
        rounds += 1
    return made.grown(rounds)


class _Grower:
    """The contexts of one growth, and what became of them."""

    def __init__(self, branches: Branches, screen: Screen, limit: int, progress: Progress):
        self._branches, self._screen = branches, screen
        self._limit, self._progress = limit, progress
        self._seen: set[str] = set()  # ids of contexts that were ranked
        self._used: set[str] = set()  # of those that were parents
        self._rows: dict[str, Screened] = {}
        self._grown: set[str] = set()
        self._tried = self._prompts = 0

    @property
    def left(self) -> int:
        """Contexts that may still be scored."""
        return self._limit - self._tried

    def know(self, ranked: Sequence[Screened]) -> None:
        """Takes in what was ranked before."""
        for row in ranked:
            self._seen.add(row.cue.id)
            self._rows[row.cue.id] = row

    def grown(self, rounds: int) -> Grown:
        """The result."""
        high = [self._rows[i] for i in self._grown if self._rows[i].did >= LEAST]
        rows = sorted(high, key=lambda row: (-row.did, row.cue.name))
        return Grown(tuple(rows), self._tried, rounds, self._prompts)

    def roots(self) -> list[Key]:
        """Contexts from bare openings, and from behind a question; places take turns."""
        starts = self._branches.openings()
        each = max(1, int(_ROOTS * self._limit) // len(starts))
        return in_turns(self._branches.born(starts, each))

    def grafts(self, roots: Sequence[Key]) -> list[Key]:
        """Words on which the best scores hang, behind the beginnings of the likeliest roots."""
        heads: dict[Start, None] = {}
        for place, text in roots[: 3 * _GRAFTED]:
            said = text.split()
            opening = Opening.SYSTEM if place is Placement.SYSTEM else Opening.USER
            if place in (Placement.SYSTEM, Placement.BEFORE):
                for count in range(1, min(_DEEP, len(said) - 1) + 1):
                    heads[Start(Beginning(opening, " ".join(said[:count])), place)] = None
        telling = self._telling()
        starts = [
            replace(start, begun=replace(start.begun, text=f"{start.begun.text} {word}"))
            for start in heads
            for word in telling
        ]
        return in_turns(self._branches.born(starts[: min(_ROUND, self.left)], 1))

    def _telling(self) -> list[str]:
        """Of each of the best contexts, the word without which its score falls most."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        hits = [row.cue for row in _varied([r for r in rows if r.did > 0][:_WEIGHED], limit=_HITS)]
        forms = {cue.id: list(less(cue)) for cue in hits}
        every = [form for row in forms.values() for _, form in row]
        scores = self._screen.brief([*hits, *every], questions=_GLANCE)
        falls: dict[str, float] = {}
        for cue in hits:
            fell = {word: scores[cue.id] - scores[form.id] for word, form in forms[cue.id]}
            word = max(fell, key=lambda word: fell[word], default="")
            if word and fell[word] > falls.get(word, 0.0):
                falls[word] = fell[word]
        return sorted(falls, key=lambda word: (-falls[word], word))[:_TELLING]

    def parents(self) -> list[Cue]:
        """The best contexts that were not parents yet, unlike each other, places taking turns."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        chosen: list[Cue] = []
        for place in Placement:
            here = [row for row in rows if row.cue.placement is place and row.did > 0]
            fresh = [row for row in here[: 4 * _PLACE] if row.cue.id not in self._used]
            chosen += [row.cue for row in _varied(fresh, limit=_PLACE)]
        best = sorted(chosen, key=lambda cue: -self._rows[cue.id].did)[:_PARENTS]
        self._used.update(cue.id for cue in best)
        return best

    def children(self, parents: Sequence[Cue]) -> list[Key]:
        """New contexts made of some, parents taking turns."""
        rows = [self._fused(), *([*moved(cue)] for cue in parents)]
        starts = [start for cue in parents for start in self._branches.cuts(cue)]
        starts = spaced(starts, self.left)  # each gives one context before any gives two
        return in_turns([*rows, *self._branches.born(starts, EACH)])

    def score(self, keys: Sequence[Key], most: int = _ROUND) -> None:
        """Ranks so many contexts that are new; the best are scored on every question."""
        most = min(most, self.left)
        fresh: dict[str, Cue] = {}
        for placement, text in keys:
            cue = Context(placement, text).cue(f"grown-{self._tried + len(fresh) + 1}", _WHY)
            if cue.id not in self._seen and fits(text) and len(fresh) < most:
                fresh.setdefault(cue.id, cue)
        if not fresh:
            return
        progress, before = self._progress, self._tried

        def some(stage: str, done: int, total: int) -> None:
            progress(stage, before + len(fresh) * done // max(total, 1), self._limit)

        found = self._screen.rank(
            list(fresh.values()), keep=_KEEP, progress=some, stage="contexts grown"
        )
        self.know(found.screened)
        self._seen.update(fresh)
        self._grown.update(row.cue.id for row in found.screened)
        self._tried += len(fresh)
        self._prompts += found.prompts

    # How contexts are made

    def _fused(self) -> list[Key]:
        """The best before the question with the best behind it."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        heads, tails = (
            [row.cue.text for row in rows if row.cue.placement is place][:_PLACE]
            for place in (Placement.BEFORE, Placement.AFTER)
        )
        return [sided(head, tail) for head, tail in product(heads, tails)]


def _varied(ranked: Sequence[Screened], *, limit: int) -> tuple[Screened, ...]:
    """Some of a ranking, the best first and each then unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998), as a discount: a score counts for
    less, by up to ``_TWIN``, the more words it shares with one that was chosen. Five forms of one
    sentence tell an audit less than two forms and three other sentences.

    Args:
        ranked: best first.
        limit: at most so many.
    """
    left = [(row, words(row.cue.text)) for row in ranked]
    likeness = [0.0] * len(left)
    chosen: list[Screened] = []
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
            max(old, _shared(said, other)) for old, (_, other) in zip(likeness, left, strict=True)
        ]
    return tuple(chosen)


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    """Words in common, as a share of the shorter text's."""
    return len(one & other) / max(1, min(len(one), len(other)))
