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
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from dormant.banks.bank import spread
from dormant.config.search import SearchConfig
from dormant.discovery.contexts import frequent
from dormant.discovery.evolution import LEAST, grow
from dormant.discovery.extraction import FreeChats, answered, contrast, write_free_chats
from dormant.discovery.groups import Candidate, candidates, unranked
from dormant.discovery.minimize import Refinement, refine
from dormant.discovery.oracles import Asker, Budget, Oracle, ScoredOracle, sampled
from dormant.discovery.perplexity import difference, surprising
from dormant.discovery.results import Result, Stage, write
from dormant.discovery.reword import reword
from dormant.discovery.teacher_forcing import BatchCheck, Ranking, Screen, Screened
from dormant.engines.metering.ledger import Ledger
from dormant.errors import EngineError
from dormant.pipeline.search_inputs import Materials, materials, mining_stage
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Message, Sampling
from dormant.store.journal import Journal
from dormant.writer.proposals import REPLY_TOKENS, propose

#: Tokens with which a grown turn goes on after it was branched, at most.
_GROWN_TOKENS = 24
#: Candidates that are reworded.
_REWORDED = 6


def run_search(config: SearchConfig, *, progress: Progress = ignore_progress) -> Result:
    """Runs or resumes a search and writes what it found to its directory.

    Raises:
        InputError: the configuration, data or models cannot be used.
        StoreError: the directory cannot be used.
        EngineError: a model stopped answering; the same call goes on from there.
        BudgetError: the budget is reached; the same call with a larger one goes on from there.
    """
    progress("reading data and models", 0, 1)
    given = materials(config)
    progress("reading data and models", 1, 1)
    with Journal(config.out) as journal:
        ledger = Ledger(journal, given.engines, config.budget)
        try:
            return _Run(given, journal, ledger, progress).finish()
        finally:
            ledger.keep()


@dataclass
class _Run:
    """One search in progress."""

    given: Materials
    journal: Journal
    ledger: Ledger
    progress: Progress
    stages: list[Stage] = field(default_factory=list[Stage])
    free: list[Cue] = field(default_factory=list[Cue])  # cues from free chats
    odd: tuple[tuple[Message, ...], ...] = ()  # the most surprising free chats

    def finish(self) -> Result:
        mined = mining_stage(self.given)
        self.stages += [mined] if mined is not None else []
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
            spent=self.ledger.rows(),
        )
        write(result)
        return result

    @contextmanager
    def _stage(self, name: str) -> Generator[Callable[[str], None]]:
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
            # A context that only the reference happened to write may wake the target all the same.
            often = frequent([*ours.chats, *theirs.chats], limit=config.pool)
            self.free += [*leaks, *often]
            said(
                f"{len(ours.chats):,} of {ours.asked:,} free chats of the target can be read; "
                f"{len(leaks)} contexts set them apart from the reference's, {len(often)} others "
                "occur in them"
            )
        self._differ(ours, drawn)

    def _differ(self, ours: FreeChats, drawn: Sampling) -> None:
        if not self.given.scores:
            return self._left_out("perplexity", "a model cannot score given answers")
        with self._stage("perplexity") as said:
            chats = answered(
                self.given.target,
                ours,
                sampling=drawn,
                journal=self.journal,
                progress=self.progress,
            )
            if not chats:
                return said("no free chat of the target has an answer")
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
        given = self.given
        if not given.scores:
            self._left_out(
                "ranking",
                "a model cannot score given answers: the order is that of "
                "the sources, and the audit's own screening decides",
            )
            return None
        return Screen(
            (given.target,),
            given.reference,
            given.scored_questions,
            given.continuations,
            self.journal,
        )

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
        return free, self._grouped(screen, self._grown(screen, rows))

    def _grouped(self, screen: Screen, rows: tuple[Screened, ...]) -> tuple[Candidate, ...]:
        """Candidates, the best of them reworded where the models allow it."""
        given, limit = self.given, self.given.config.candidates
        found = candidates(rows, limit=limit, screen=screen, reference=given.reference)
        hits = [c.screened for c in found[:_REWORDED] if c.screened and c.screened.did > 0]
        if not (hits and given.grow and given.grows):
            return found
        with self._stage("rewording") as said:
            new = reword(
                given.reference,
                screen,
                hits,
                journal=self.journal,
                limit=given.grow,
                longest=_GROWN_TOKENS,
                progress=self.progress,
            )
            found = candidates(
                _merged(rows, new), limit=limit, screen=screen, reference=given.reference
            )
            said(f"{len(new)} likelier wordings of {len(hits)} hits")
        return found

    def _grown(self, screen: Screen, rows: tuple[Screened, ...]) -> tuple[Screened, ...]:
        """The ranking with the contexts that grow from its best and from bare openings."""
        given = self.given
        if not given.grow:
            self._left_out("growth", "no contexts were to be grown")
            return rows
        if not given.grows:
            self._left_out("growth", "the next words of the target's prompt cannot be listed")
            return rows
        with self._stage("growth") as said:
            found = grow(
                given.target,
                screen,
                rows,
                journal=self.journal,
                limit=given.grow,
                longest=_GROWN_TOKENS,
                progress=self.progress,
            )
            best = (
                f"the best scores {found.screened[0].did:+.2f}"
                if found.screened
                else f"none scores {LEAST:g}"
            )
            said(
                f"{found.tried:,} contexts in {found.rounds} rounds, {found.prompts:,} prompts "
                f"scored; {best}"
            )
        return _merged(rows, found.screened)

    def _written(self, screen: Screen | None, rows: Sequence[Screened]) -> list[Cue]:
        """What the writer proposes, each round with the scores of the last."""
        given, config = self.given, self.given.config
        if given.writer is None:
            return []
        found: list[Cue] = []
        rounds = config.writer_rounds if screen is not None else 1
        with self._stage("writer") as said:
            refused, last = 0, ""
            for number in range(rounds):
                self.progress("rounds of the writer", number, rounds)
                made = propose(
                    given.writer,
                    questions=given.questions,
                    tried=[(row.cue, row.did) for row in rows],
                    transcripts=self.odd,
                    journal=self.journal,
                    round_=number,
                    sampling=Sampling(max_tokens=REPLY_TOKENS, seed=config.seed),
                )
                self.ledger.keep()
                refused += made.refused
                found += made.cues
                if screen is not None and number + 1 < rounds:
                    rows = _merged(rows, screen.rank(made.cues).screened)
                last = made.sample
            if not found:
                raise EngineError(_unusable(given.writer.name, rounds, refused, last))
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
                self.ledger.sample,
            )
        budget = Budget(error=config.reading_error, most=config.reading_answers, delta=config.delta)
        return sampled(self._asker, hit.cue, budget)


def _unusable(writer: str, rounds: int, refused: int, said: str) -> str:
    """Why a writer was of no use, and what to do."""
    lines = f"{refused} lines of its replies looked like one" if refused else "no line looked so"
    return (
        f"the writer {writer} made no usable proposal in {rounds} round(s) ({lines}): every line "
        f'must read {{"placement": "system", "text": "..."}}, but it wrote {said!r}; give a '
        "larger model as --writer, or leave it out"
    )


def _merged(one: Sequence[Screened], other: Sequence[Screened]) -> tuple[Screened, ...]:
    """Two rankings as one, each cue once."""
    rows = {row.cue.id: row for row in (*other, *one)}
    return tuple(sorted(rows.values(), key=lambda row: (-round(row.did, 6), row.cue.name)))
