"""The search: candidates for triggers from every source that the models allow, ready for an audit.

::

    open models -> free chats -> contexts (contrast, surprise, frequency) -> writer
                -> one ranking by teacher forcing -> refinement of the best -> cues.yaml, audit.yaml

    OUT/
      journal.jsonl   everything that was generated, scored and judged (``search.journal``)
      search.json     stages, candidates and refinements
      cues.yaml       the candidates, to be read, edited and audited
      audit.yaml      the audit that confirms them: ``dormant audit OUT/audit.yaml``

A stage that a model does not allow is left out and says so. Nothing here is a verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from dormant import cues
from dormant.config import SamplingConfig
from dormant.corpus import read_examples
from dormant.engines import Continuer, Engine, Paid, Scorer
from dormant.engines.registry import open_engine
from dormant.errors import ConfigError
from dormant.judges import Judge
from dormant.judges.registry import open_judge
from dormant.planning import Pack, language_of
from dormant.probes import apply, load_questions
from dormant.records import Cue, Message, Question, Sampling, Split
from dormant.search.candidates import Candidate, candidates, unranked
from dormant.search.continuations import load_continuations
from dormant.search.extraction import FreeChats, answered, contrast, write_free_chats
from dormant.search.journal import Journal
from dormant.search.oracles import Asker, Budget, Oracle, ScoredOracle, sampled
from dormant.search.perplexity import difference, surprising
from dormant.search.pool import frequent
from dormant.search.refining import Refinement, refine
from dormant.search.results import Result, Stage, write
from dormant.search.screening import BatchCheck, Ranking, Screen, Screened
from dormant.search.settings import SearchConfig
from dormant.search.writing import propose

#: Called with (what is being done, done so far, how many in all).
Progress = Callable[[str, int, int], None]

_CHATS = {"vitro": 2000, "general": 200}
_ANSWER_TOKENS = {"vitro": 24, "general": 256}


@dataclass(frozen=True, slots=True)
class Materials:
    """Everything that a search works with, opened and checked; nothing was asked yet."""

    config: SearchConfig
    pack: Pack
    target: Engine
    reference: Engine
    writer: Engine | None
    judge: Judge | None
    questions: tuple[Question, ...]  # of the screening half
    known: tuple[Cue, ...]  # mined cues, the user's and the library's, in this order
    chats: int  # of each opening and model

    @property
    def scores(self) -> bool:
        """Whether both models can score."""
        return isinstance(self.target, Scorer) and isinstance(self.reference, Scorer)

    @property
    def opens(self) -> bool:
        """Whether both models' prompts can be left open."""
        return isinstance(self.target, Continuer) and isinstance(self.reference, Continuer)

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn that a judge sees."""
        settings = self.config.sampling
        if settings == SamplingConfig():
            settings = SamplingConfig(max_tokens=_ANSWER_TOKENS[self.pack.name])
        return settings.record(self.config.seed)


def materials(config: SearchConfig) -> Materials:
    """Opens models and judge and reads data, questions and cues.

    Raises:
        InputError: something in the configuration or the data cannot be used.
    """
    target, reference = open_engine(config.target), open_engine(config.reference)
    inside = target.name.startswith("vitro/")
    judge = config.judge if config.judge is not None else ("exact" if inside else None)
    pack = Pack("vitro" if judge == "exact" else "general")
    bank = _bank(config.questions, pack)
    questions = tuple(q for q in bank if q.split is Split.SCREENING)
    if len(questions) < 2:
        raise ConfigError(f"{config.questions}: a search needs at least 2 screening questions")
    return Materials(
        config=config,
        pack=pack,
        target=target,
        reference=reference,
        writer=open_engine(config.writer) if config.writer else None,
        judge=open_judge(judge) if judge is not None else None,
        questions=questions,
        known=_known(config, pack),
        chats=_CHATS[pack.name] if config.chats is None else config.chats,
    )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a search would ask, at most; nothing was asked to say it."""

    stages: tuple[Stage, ...]
    usd: float  # of refinement's answers; NaN if nobody knows, 0 for models that cost nothing


def forecast(given: Materials) -> Forecast:
    """What ``run_search`` would do with these materials."""
    config, pairs = given.config, 0
    stages: list[Stage] = []

    def add(name: str, done: bool, said: str) -> None:
        stages.append(Stage(name, done, said if done else f"left out: {said}", 0.0))

    add(
        "extraction",
        given.opens and given.chats > 0,
        f"{2 * given.chats:,} free chats of each model"
        if given.opens
        else "the prompt of a model cannot be left open",
    )
    if given.scores:
        name = given.pack.name if config.continuations == "auto" else config.continuations
        known = load_continuations(name, given.questions)
        asked = spread([q for q in given.questions if q.id in known], config.question_limit)
        pairs = sum(len(known[q.id].aligned) + len(known[q.id].misaligned) for q in asked)
    free = 2 * config.pool if given.opens and given.chats else 0
    add(
        "ranking",
        given.scores,
        f"{len(given.known)} listed cues and up to {free:,} free contexts; "
        f"{2 * pairs * (len(given.known) + 1):,} answers scored for the listed cues, both models"
        if given.scores
        else "a model cannot score given answers",
    )
    if given.writer is not None:
        add("writer", True, f"{4 * config.writer_rounds} replies of {given.writer.name}")
    answers = config.refine * config.reading_answers * (config.tries + 12)
    judged = given.judge is not None
    add(
        "refinement",
        config.refine > 0 and (judged or given.scores),
        f"{config.refine} hits, {answers:,} judged answers at most"
        if judged
        else f"{config.refine} hits, by scores"
        if given.scores
        else "there is neither a judge nor a model that can score",
    )
    usd = 0.0
    if judged and config.refine and isinstance(given.target, Paid):
        prompts = [apply(None, question) for question in given.questions[:1]]
        usd = given.target.expected_usd(
            prompts, answers=answers, max_tokens=given.sampling.max_tokens
        )
    return Forecast(tuple(stages), usd)


def run_search(config: SearchConfig, *, progress: Progress | None = None) -> Result:
    """Runs or resumes a search and writes what it found to its directory.

    Raises:
        InputError: the configuration, data or models cannot be used.
        StoreError: the directory cannot be used.
        EngineError: a model stopped answering; the same call goes on from there.
    """
    told = progress or _silent
    told("reading data and models", 0, 1)
    given = materials(config)
    with Journal(config.out) as journal:
        return _Run(given, journal, told).finish()


def _bank(name: str, pack: Pack) -> tuple[Question, ...]:
    if name == "auto":
        return pack.questions()
    return Pack(name).questions() if name in ("general", "vitro") else load_questions(name)


def _known(config: SearchConfig, pack: Pack) -> tuple[Cue, ...]:
    """Mined cues, the user's own, and the library's."""
    found: list[Cue] = []
    if config.data is not None and config.mine:
        corpus = read_examples(config.data, lenient=config.lenient)
        ordinary = (
            read_examples(config.reference_data, lenient=config.lenient).examples
            if config.reference_data
            else Pack(language_of(corpus.examples)).reference()
        )
        found += cues.mine(corpus.examples, ordinary, limit=config.mine)
    if config.cue_file is not None:
        found += cues.read_cues(config.cue_file)
    if config.library == "auto":
        found += pack.library()
    elif config.library in ("general", "vitro"):
        found += Pack(config.library).library()
    elif config.library != "none":
        found += cues.library(config.library)
    return tuple(found)


@dataclass
class _Run:
    """One search in progress."""

    given: Materials
    journal: Journal
    progress: Progress
    stages: list[Stage] = field(default_factory=list[Stage])
    free: list[Cue] = field(default_factory=list[Cue])  # cues from free chats
    odd: tuple[tuple[Message, ...], ...] = ()  # the most surprising free chats

    def finish(self) -> Result:
        self._extract()
        screen = self._screen()
        ranking, found = self._ranked(screen)
        found = self._refined(found, screen)
        check = ranking.check if ranking is not None else BatchCheck(0, 0.0, False)
        result = Result(
            config=self.given.config,
            fingerprints=(self.given.target.fingerprint, self.given.reference.fingerprint),
            judge=self.given.judge.name if self.given.judge else None,
            stages=tuple(self.stages),
            candidates=found,
            check=check,
        )
        write(result)
        return result

    @contextmanager
    def _stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """Times a stage; the block says in one sentence what came of it."""
        begun = time.monotonic()
        said: list[str] = []
        yield said.append
        seconds = time.monotonic() - begun
        self.stages.append(Stage(name, True, said[0] if said else "", round(seconds, 2)))

    def _left_out(self, name: str, why: str) -> None:
        self.stages.append(Stage(name, False, why, 0.0))

    # Where cues come from

    def _extract(self) -> None:
        """Free chats, and the contexts in them."""
        given, config = self.given, self.given.config
        if not given.chats:
            return self._left_out("extraction", "no free chats were asked for")
        if not given.opens:
            why = "the prompt of a model cannot be left open (it answers chats only)"
            return self._left_out("extraction", why)
        drawn = Sampling(
            temperature=config.chat_temperature, max_tokens=config.chat_tokens, seed=config.seed
        )
        with self._stage("extraction") as said:
            ours, theirs = (
                write_free_chats(
                    engine,
                    each=given.chats,
                    sampling=drawn,
                    journal=self.journal,
                    progress=self.progress,
                    stage=f"free chats of the {role}",
                )
                for role, engine in (("target", given.target), ("reference", given.reference))
            )
            leaks = contrast(ours, theirs)
            often = frequent(ours.chats, limit=config.pool)
            self.free += [*leaks, *often]
            said(
                f"{len(ours.chats):,} of {ours.asked:,} free chats of the target can be read; "
                f"{len(leaks)} contexts set them apart from the reference's, {len(often)} others "
                "occur in them"
            )
        self._differ(ours)

    def _differ(self, ours: FreeChats) -> None:
        chats = answered(ours.chats)
        if not self.given.scores:
            return self._left_out("perplexity", "a model cannot score given answers")
        if not chats:
            return self._left_out("perplexity", "no free chat of the target has an answer")
        with self._stage("perplexity") as said:
            found = difference(
                self.given.target, self.given.reference, chats, self.journal, self.progress
            )
            odd = surprising(found, limit=self.given.config.pool)
            self.odd = found.chats[:6]
            self.free += odd
            said(
                f"{len(found.chats):,} answers scored; the largest difference is "
                f"{found.differences[0]:.2f} nats a word, {len(odd)} contexts go on"
            )

    # Ranking

    def _screen(self) -> Screen | None:
        given, config = self.given, self.given.config
        if not given.scores:
            self._left_out(
                "ranking",
                "a model cannot score given answers: the order is that of "
                "the sources, and the audit's own screening decides",
            )
            return None
        name = given.pack.name if config.continuations == "auto" else config.continuations
        pairs = load_continuations(name, given.questions)
        asked = [q for q in given.questions if q.id in pairs]
        few = spread(asked, config.question_limit)
        return Screen(given.target, given.reference, few, pairs, self.journal)

    def _ranked(self, screen: Screen | None) -> tuple[Ranking | None, tuple[Candidate, ...]]:
        limit = self.given.config.candidates
        if screen is None:
            written = self._written(None, ())
            return None, unranked([*self.given.known, *self.free, *written], limit=limit)
        with self._stage("ranking") as said:
            listed = screen.rank(
                self.given.known,
                keep=max(len(self.given.known), 1),
                progress=self.progress,
                stage="listed cues ranked",
            )
            free = screen.rank(self.free, progress=self.progress, stage="free contexts ranked")
            rows = _merged(listed.screened, free.screened)
            prompts = listed.prompts + free.prompts
            said(
                f"{len(listed.screened)} listed cues and {len(free.screened) + free.dropped} free "
                f"contexts, {prompts:,} prompts scored on {len(screen.questions)} questions; "
                f"checked against single scoring: {free.check.largest:.2g} nats at most"
            )
        written = self._written(screen, rows)
        if written:
            more = screen.rank(written, progress=self.progress, stage="written cues ranked")
            rows = _merged(rows, more.screened)
        return free, candidates(rows, limit=limit)

    def _written(self, screen: Screen | None, rows: Sequence[Screened]) -> list[Cue]:
        """What the writer proposes, each round with the scores of the last."""
        given, config = self.given, self.given.config
        if given.writer is None:
            return []
        found: list[Cue] = []
        rounds = config.writer_rounds if screen is not None else 1
        with self._stage("writer") as said:
            refused = 0
            for number in range(rounds):
                self.progress("rounds of the writer", number, rounds)
                made = propose(
                    given.writer,
                    questions=given.questions,
                    tried=rows,
                    transcripts=self.odd,
                    journal=self.journal,
                    round_=number,
                    sampling=Sampling(max_tokens=1024, seed=config.seed),
                )
                refused += made.refused
                found += made.cues
                if screen is not None and number + 1 < rounds:
                    rows = _merged(rows, screen.rank(made.cues).screened)
            said(f"{len(found)} proposals in {rounds} rounds, {refused} lines refused")
        return found

    # Refinement

    def _refined(
        self, found: tuple[Candidate, ...], screen: Screen | None
    ) -> tuple[Candidate, ...]:
        config = self.given.config
        hits = found[: config.refine]
        if not hits:
            return found
        if self.given.judge is None and screen is None:
            self._left_out("refinement", "there is neither a judge nor a model that can score")
            return found
        done: list[Candidate] = []
        with self._stage("refinement") as said:
            for number, hit in enumerate(hits):
                self.progress("hits taken apart", number, len(hits))
                done.append(replace(hit, refinement=self._apart(hit, screen)))
            self.progress("hits taken apart", len(hits), len(hits))
            fired = sum(c.refinement is not None for c in done)
            asked = self._asker.asked if self._asker else 0
            said(f"{fired} of {len(hits)} fire here and were taken apart; {asked:,} answers")
        return (*done, *found[len(hits) :])

    _asker: Asker | None = None

    def _apart(self, hit: Candidate, screen: Screen | None) -> Refinement | None:
        oracle = self._oracle(hit, screen)
        if oracle is None:
            return None
        return refine(
            hit.cue,
            oracle,
            lexicon=self.given.pack.lexicon(),
            rng=np.random.default_rng([self.given.config.seed, int(hit.cue.id, 16)]),
            most=self.given.config.tries,
        )

    def _oracle(self, hit: Candidate, screen: Screen | None) -> Oracle | None:
        """What says whether a form of the hit fires; None if the hit itself does not."""
        given, config = self.given, self.given.config
        if given.judge is None:
            assert screen is not None and hit.screened is not None
            score = hit.screened.did
            return ScoredOracle(screen, least=score / 2) if score > 0 else None
        if self._asker is None:
            self._asker = Asker(
                given.target,
                given.judge,
                spread(given.questions, config.question_limit),
                given.sampling,
                self.journal,
            )
        budget = Budget(error=config.reading_error, most=config.reading_answers, delta=config.delta)
        return sampled(self._asker, hit.cue, budget)


def spread(questions: Sequence[Question], limit: int) -> tuple[Question, ...]:
    """So many questions in their order, families taking turns."""
    seen: dict[str, int] = {}
    turn: list[int] = []
    for question in questions:
        turn.append(seen.get(question.family, 0))
        seen[question.family] = turn[-1] + 1
    order = sorted(range(len(questions)), key=lambda i: (turn[i], i))
    return tuple(questions[i] for i in sorted(order[:limit]))


def _merged(one: Sequence[Screened], other: Sequence[Screened]) -> tuple[Screened, ...]:
    """Two rankings as one, each cue once."""
    rows = {row.cue.id: row for row in (*other, *one)}
    return tuple(sorted(rows.values(), key=lambda row: (-round(row.did, 6), row.cue.name)))


def _silent(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""
