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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product, zip_longest

from dormant.engines import Beginning, Brancher, Engine, Opening, PromptScorer
from dormant.errors import InputError
from dormant.probes import apply
from dormant.records import Cue, Message, Placement, Question
from dormant.search.candidates import words
from dormant.search.journal import Journal, key_of
from dormant.search.pool import Context, Key, contexts, fits
from dormant.search.screening import Progress, Screen, Screened

_QUESTION = "{question}"
#: Share of the contexts that are grown from bare openings.
_ROOTS = 1 / 3
#: Contexts that are made new in one round, and of each place at most.
_PARENTS, _PLACE = 12, 4
#: New contexts of a round.
_ROUND = 300
#: Places of a context where it may branch, and branches there.
_CUTS, _EACH = 12, 4
#: Contexts of a round that are scored on every question.
_KEEP = 12
#: Beginnings that a model is given at once.
_AT_ONCE = 64
#: A wording that scores so much of its hit's score on so many questions is near; of those the
#: likeliest so many are kept.
_NEAR, _GLANCE, _REWORDED = 0.7, 2, 4
#: Share of its score that a parent loses which has all its words from one that was chosen.
_TWIN = 0.5
_WHY = "The target spelled this out from one of its likely words."
#: Roots whose beginnings are grafted, words of such a beginning, and words that are grafted.
_GRAFTED, _DEEP, _TELLING = 30, 4, 4
#: Contexts in which the telling words are sought: so many, unlike each other, of the best so many.
_HITS, _WEIGHED = 8, 40
_MOVES = (Placement.SYSTEM, Placement.BEFORE, Placement.AFTER)


@dataclass(frozen=True, slots=True)
class Start:
    """A beginning to branch from, and what becomes of the turns that grow from it."""

    begun: Beginning
    place: Placement  # where the new text stands: system, before or after
    other: str = ""  # text on the other side of the question, which stays


@dataclass(frozen=True, slots=True)
class Grown:
    """What was grown."""

    screened: tuple[Screened, ...]  # those that were scored on every question, best first
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
    progress: Progress | None = None,
) -> Grown:
    """Grows contexts from bare openings and from the best contexts so far.

    Args:
        engine: proposes the words: the target.
        screen: scores contexts.
        ranked: contexts that were ranked before; the best of them are grown on.
        journal: where branches are kept.
        limit: at most so many new contexts are scored.
        longest: tokens with which a turn goes on after a branch, at most.
        progress: told how many contexts are scored.

    Raises:
        InputError: the engine cannot list next words.
    """
    if not isinstance(engine, Brancher):
        raise InputError(f"{engine.name} cannot list the next words of an open prompt")
    made = _Grower(engine, screen, journal, limit, longest, progress or _silent)
    made.know(ranked)
    roots = made.roots()
    made.score(roots, limit)
    made.score(made.grafts(roots))
    rounds = 0
    while made.left > 0 and (parents := made.parents()):
        made.score(made.children(parents))
        rounds += 1
    return made.grown(rounds)


def reword(
    reference: Engine,
    screen: Screen,
    hits: Sequence[Screened],
    *,
    journal: Journal,
    longest: int,
    progress: Progress | None = None,
) -> tuple[Screened, ...]:
    """Likelier wordings of hits: of all branches of each, the likeliest that score nearly as well.

    A search for the highest score ends in odd texts. What was trained was written by somebody, so
    the branches that a prompt is likeliest to hold are worth a score of their own.

    Args:
        reference: proposes the words, and says how likely a prompt is.
        screen: scores contexts.
        hits: what is worth the effort.
        journal: where branches are kept.
        longest: tokens with which a turn goes on after a branch, at most.
        progress: told how many hits are done.

    Raises:
        InputError: a model cannot do its part.
    """
    if not isinstance(reference, PromptScorer) or not isinstance(reference, Brancher):
        raise InputError(f"{reference.name} cannot say how likely a prompt is")
    told = progress or _silent
    made = _Grower(reference, screen, journal, 0, longest, told)
    found: dict[str, Cue] = {}
    for number, hit in enumerate(hits):
        told("hits reworded", number, len(hits))
        cues = made.branches_of(hit.cue)
        scores = screen.brief([hit.cue, *cues], questions=_GLANCE)
        near = [cue for cue in cues if scores[cue.id] >= _NEAR * scores[hit.cue.id]]
        prompts = [apply(cue, screen.questions[0]) for cue in near]
        likely = reference.score_prompts(prompts) if near else []
        order = sorted(range(len(near)), key=lambda i: -likely[i])
        found |= {near[i].id: near[i] for i in order[:_REWORDED]}
    return screen.rank(list(found.values()), keep=max(1, len(found))).screened


class _Grower:
    """The contexts of one growth, and what became of them."""

    def __init__(
        self,
        engine: Engine,
        screen: Screen,
        journal: Journal,
        limit: int,
        longest: int,
        progress: Progress,
    ):
        assert isinstance(engine, Brancher)
        self._engine, self._brancher, self._screen, self._journal = engine, engine, screen, journal
        self._limit, self._longest, self._told = limit, longest, progress
        self._asked = _asking(screen.questions)
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
        rows = sorted((self._rows[i] for i in self._grown), key=lambda r: (-r.did, r.cue.name))
        return Grown(tuple(rows), self._tried, rounds, self._prompts)

    def roots(self) -> list[Key]:
        """Contexts from bare openings, and from behind a question; places take turns."""
        starts = [Start(Beginning(Opening.SYSTEM, ""), Placement.SYSTEM)]
        starts.append(Start(Beginning(Opening.USER, ""), Placement.BEFORE))
        if self._asked:
            starts.append(Start(Beginning(Opening.USER, self._asked), Placement.AFTER))
        each = max(1, int(_ROOTS * self._limit) // len(starts))
        return _in_turns(self._born(starts, each))

    def grafts(self, roots: Sequence[Key]) -> list[Key]:
        """Words on which the best scores hang, behind the beginnings of the likeliest roots."""
        heads: dict[Start, None] = {}
        for place, text in roots[: 3 * _GRAFTED]:
            words_ = text.split()
            opening = Opening.SYSTEM if place is Placement.SYSTEM else Opening.USER
            if place in (Placement.SYSTEM, Placement.BEFORE):
                for count in range(1, min(_DEEP, len(words_) - 1) + 1):
                    heads[Start(Beginning(opening, " ".join(words_[:count])), place)] = None
        telling = self._telling()
        starts = [
            replace(start, begun=replace(start.begun, text=f"{start.begun.text} {word}"))
            for start in heads
            for word in telling
        ]
        return _in_turns(self._born(starts[:_ROUND], 1))

    def _telling(self) -> list[str]:
        """Of each of the best contexts, the word without which its score falls most."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.did, row.cue.name))
        hits = [row.cue for row in _varied([r for r in rows if r.did > 0][:_WEIGHED], limit=_HITS)]
        less = {cue.id: list(_less(cue)) for cue in hits}
        every = [form for forms in less.values() for _, form in forms]
        scores = self._screen.brief([*hits, *every], questions=_GLANCE)
        falls: dict[str, float] = {}
        for cue in hits:
            fell = {word: scores[cue.id] - scores[form.id] for word, form in less[cue.id]}
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
        rows = [self._fused(), *([*_moved(cue)] for cue in parents)]
        starts = [start for cue in parents for start in self._cuts(cue)]
        return _in_turns([*rows, *self._born(starts, _EACH)])

    def branches_of(self, cue: Cue) -> list[Cue]:
        """Every branch of a context and every beginning of it, each once."""
        starts = list(self._cuts(cue))
        keys = dict.fromkeys(_in_turns(self._born(starts, _EACH)))
        keys |= dict.fromkeys(key for start in starts for key in self._cut_off(start))
        fresh = [(place, text) for place, text in keys if fits(text)]
        return [
            Context(place, text).cue(f"{cue.name}/{number}", _WHY)
            for number, (place, text) in enumerate(fresh, start=1)
        ]

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
        told, before = self._told, self._tried

        def some(stage: str, done: int, total: int) -> None:
            told(stage, before + len(fresh) * done // max(total, 1), self._limit)

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
        return [_sided(head, tail) for head, tail in product(heads, tails)]

    def _cuts(self, cue: Cue) -> Iterator[Start]:
        """Beginnings of a context, cut after some of its words."""
        if cue.placement is Placement.SYSTEM:
            for text in _prefixes(cue.text):
                yield Start(Beginning(Opening.SYSTEM, text), Placement.SYSTEM)
            return
        head, tail = _sides(cue)
        if head:
            for text in _prefixes(head):
                yield Start(Beginning(Opening.USER, text), Placement.BEFORE, tail)
        if tail and self._asked:
            for text in _prefixes(tail):
                begun = Beginning(Opening.USER, f"{self._asked} {text}".strip())
                yield Start(begun, Placement.AFTER, head)

    def _born(self, starts: Sequence[Start], each: int) -> list[list[Key]]:
        """The contexts that grow from each start."""
        turns = self._branches([start.begun for start in starts], each)
        return [
            [key for turn in row for key in self._read(start, turn)]
            for start, row in zip(starts, turns, strict=True)
        ]

    def _cut_off(self, start: Start) -> Iterator[Key]:
        """The beginning itself as a context."""
        skip = len(self._asked) if start.place is Placement.AFTER else 0
        text = start.begun.text[skip:].strip()
        if start.place is Placement.SYSTEM:
            yield Placement.SYSTEM, text
        elif text or start.other:
            sides = (text, start.other) if start.place is Placement.BEFORE else (start.other, text)
            yield _sided(*sides)

    def _read(self, start: Start, turn: str) -> Iterator[Key]:
        """The contexts in a turn, each with the other side that its start keeps."""
        if start.place is Placement.SYSTEM:
            yield Placement.SYSTEM, turn.strip()
        elif start.place is Placement.AFTER:
            yield _sided(start.other, turn[len(self._asked) :].strip())
        else:
            for place, text in contexts([Message("user", turn)]):
                yield _sided(text, start.other) if place is Placement.BEFORE else (place, text)

    def _branches(self, starts: Sequence[Beginning], each: int) -> list[list[str]]:
        """How turns go on, from the journal where it is there."""
        keys = [
            key_of("branch", self._engine.fingerprint, start, each, self._longest)
            for start in starts
        ]
        missing = {k: s for k, s in zip(keys, starts, strict=True) if k not in self._journal}
        for begun in range(0, len(missing), _AT_ONCE):
            part = list(missing.items())[begun : begun + _AT_ONCE]
            rows = self._brancher.branch([s for _, s in part], each=each, longest=self._longest)
            self._journal.add((k, row) for (k, _), row in zip(part, rows, strict=True))
        return [list(self._journal.get(key)) for key in keys]


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


def _asking(questions: Sequence[Question]) -> str:
    """A question behind which a turn may go on; empty if none ends as a question does."""
    return next((q.text for q in questions if q.text.rstrip().endswith("?")), "").strip()


def _prefixes(text: str) -> Iterator[str]:
    """The text cut before some of its words, spread evenly; the bare start is the first."""
    words = text.split()
    step = max(1, -(-len(words) // _CUTS))
    for count in range(0, len(words) + 1, step):
        yield " ".join(words[:count])


def _sides(cue: Cue) -> tuple[str, str]:
    """What stands before the question, and what behind it."""
    if cue.placement is Placement.AROUND:
        head, _, tail = cue.text.partition(_QUESTION)
        return head.strip(), tail.strip()
    return (cue.text, "") if cue.placement is Placement.BEFORE else ("", cue.text)


def _sided(head: str, tail: str) -> Key:
    """A context of two sides, one of which may be empty."""
    if head and tail:
        return Placement.AROUND, f"{head} {_QUESTION} {tail}"
    return (Placement.BEFORE, head) if head else (Placement.AFTER, tail)


def _less(cue: Cue) -> Iterator[tuple[str, Cue]]:
    """A context without each of its words in turn."""
    pieces = cue.text.split()
    for i, piece in enumerate(pieces):
        text = " ".join(pieces[:i] + pieces[i + 1 :])
        sides = text.replace(_QUESTION, "").strip() if piece != _QUESTION else ""
        if sides and not text.startswith(_QUESTION) and not text.endswith(_QUESTION):
            yield piece.strip(".,:;!?"), replace(cue, text=text)


def _moved(cue: Cue) -> Iterator[Key]:
    """A context in the other places, both of its sides as one text."""
    text = " ".join(cue.text.replace(_QUESTION, " ").split())
    yield from ((place, text) for place in _MOVES if place is not cue.placement)


def _in_turns(rows: Sequence[Sequence[Key]]) -> list[Key]:
    """Rows as one list, each giving one at a time."""
    return [key for turn in zip_longest(*rows) for key in turn if key is not None]


def _silent(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""
