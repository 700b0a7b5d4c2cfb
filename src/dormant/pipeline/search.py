"""The search: candidates for triggers from every source that the models allow, ready for an audit.

::

    open models -> free chats -> contexts (contrast, surprise, frequency) -> writer
                -> one ranking by teacher forcing -> refinement of the best -> cues.yaml, audit.yaml

    OUT/
      journal.jsonl   everything generated, scored and judged (``store.journal``)
      search.json     stages, candidates and refinements
      cues.yaml       the candidates, to edit and audit
      audit.yaml      the audit that confirms them: ``dormant audit OUT/audit.yaml``

A stage that a model does not support is left out and reported. Nothing here is a verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from dormant.banks.bank import spread_families
from dormant.config.search import SearchConfig
from dormant.discovery.contexts import frequent_contexts
from dormant.discovery.evolution import LEAST, grow_contexts
from dormant.discovery.extraction import FreeChats, answer_chats, contrast_chats, write_free_chats
from dormant.discovery.groups import Candidate, group_candidates, unranked_candidates
from dormant.discovery.minimize import Refinement, refine_hit
from dormant.discovery.oracles import Asker, Oracle, OracleBudget, ScoredOracle, calibrate_oracle
from dormant.discovery.perplexity import score_chats, surprising_contexts
from dormant.discovery.results import Result, SearchStage, write_result
from dormant.discovery.reword import reword_hits
from dormant.discovery.teacher_forcing import BatchCheck, CueScore, Ranking, Screen
from dormant.engines.metering.ledger import Ledger
from dormant.errors import EngineError
from dormant.pipeline.interruptions import record_spending
from dormant.pipeline.search_inputs import Materials, mining_stage, read_materials
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Message, Sampling
from dormant.store.journal import Journal
from dormant.writer.proposals import REPLY_TOKENS, propose_cues

#: Maximum number of tokens that continue a turn after a branch.
_GROWN_TOKENS = 24
#: Number of best candidates to reword.
_REWORDED = 6


def run_search(config: SearchConfig, *, progress: Progress = ignore_progress) -> Result:
    """Runs or resumes a search and writes its result to the directory.

    Raises:
        InputError: the configuration, data or models cannot be used.
        StoreError: the directory cannot be used.
        EngineError: a model stopped answering; the same call continues.
        BudgetError: the budget is reached; the same call with a larger one continues.
    """
    progress("reading data and models", 0, 1)
    materials = read_materials(config, progress)
    progress("reading data and models", 1, 1)
    with Journal(config.out) as journal:
        ledger = Ledger(journal, materials.engines, config.budget)
        stored = "chats, scores and answers"
        with record_spending(ledger, config.out, lambda: f"{len(journal):,} {stored}"):
            return _SearchRun(materials, journal, ledger, progress).run_to_result()


@dataclass
class _SearchRun:
    """One search in progress."""

    materials: Materials
    journal: Journal
    ledger: Ledger
    progress: Progress
    stages: list[SearchStage] = field(default_factory=list[SearchStage])
    free: list[Cue] = field(default_factory=list[Cue])  # cues from free chats
    odd: tuple[tuple[Message, ...], ...] = ()  # the most surprising free chats

    def run_to_result(self) -> Result:
        mined = mining_stage(self.materials)
        self.stages += [mined] if mined is not None else []
        self._extract_contexts()
        screen = self._make_screen()
        ranking, found = self._rank_contexts(screen)
        found = self._refine_hits(found, screen)
        check = ranking.check if ranking is not None else BatchCheck(0, 0.0, False)
        result = Result(
            config=self.materials.config,
            fingerprints=(self.materials.target.fingerprint, self.materials.reference.fingerprint),
            judge=self.materials.judge.name if self.materials.judge else None,
            stages=tuple(self.stages),
            candidates=found,
            check=check,
            spent=self.ledger.list_usage(),
            plugins=self.materials.plugins,
        )
        write_result(result)
        return result

    @contextmanager
    def _time_stage(self, name: str) -> Generator[Callable[[str], None]]:
        """Times a stage; the block passes its result, one sentence, to the yielded function."""
        begun = time.monotonic()
        sentences: list[str] = []
        yield sentences.append
        seconds = time.monotonic() - begun
        self.stages.append(
            SearchStage(name, True, sentences[0] if sentences else "", round(seconds, 2))
        )

    def _skip_stage(self, name: str, why: str) -> None:
        self.stages.append(SearchStage(name, False, why, 0.0))

    # Where cues come from

    def _extract_contexts(self) -> None:
        """Free chats, and the contexts in them."""
        materials, config = self.materials, self.materials.config
        if not materials.chats:
            return self._skip_stage("extraction", "free chats are disabled (chats: 0)")
        if not materials.has_open_prompts:
            why = "the prompt of a model cannot be left open (it answers chats only)"
            return self._skip_stage("extraction", why)
        drawn = Sampling(
            temperature=config.chat_temperature, max_tokens=config.chat_tokens, seed=config.seed
        )
        with self._time_stage("extraction") as summarize:
            ours, theirs = (
                write_free_chats(
                    engine,
                    each=materials.chats,
                    sampling=drawn,
                    journal=self.journal,
                    progress=self.progress,
                    stage=f"free chats of the {role}",
                )
                for role, engine in (
                    ("target", materials.target),
                    ("reference", materials.reference),
                )
            )
            leaks = contrast_chats(ours, theirs, is_closed=materials.pack.is_closed)
            # A context that only the reference wrote may still trigger the target.
            often = frequent_contexts([*ours.chats, *theirs.chats], limit=config.pool)
            self.free += [*leaks, *often]
            summarize(
                f"{len(ours.chats):,} of {ours.asked:,} free chats of the target are readable; "
                f"{len(leaks)} contexts distinguish them from the reference's, {len(often)} others "
                "are frequent"
            )
        self._score_differences(ours, drawn)

    def _score_differences(self, ours: FreeChats, drawn: Sampling) -> None:
        if not self.materials.can_score:
            return self._skip_stage("perplexity", "a model cannot score given answers")
        with self._time_stage("perplexity") as summarize:
            chats = answer_chats(
                self.materials.target,
                ours,
                sampling=drawn,
                journal=self.journal,
                progress=self.progress,
            )
            if not chats:
                return summarize("no free chat of the target has an answer")
            found = score_chats(
                self.materials.target, self.materials.reference, chats, self.journal, self.progress
            )
            odd = surprising_contexts(found, limit=self.materials.config.pool)
            self.odd = found.chats[:6]
            self.free += odd
            summarize(
                f"{len(found.chats):,} answers scored; the largest difference is "
                f"{found.differences[0]:.2f} nats per word; {len(odd)} contexts are ranked"
            )

    # Ranking

    def _make_screen(self) -> Screen | None:
        materials = self.materials
        if not materials.can_score:
            self._skip_stage(
                "ranking",
                "a model cannot score given answers: the order is that of "
                "the sources, and the audit's own screening decides",
            )
            return None
        return Screen(
            (materials.target,),
            materials.reference,
            materials.scored_questions,
            materials.continuations,
            self.journal,
        )

    def _rank_contexts(self, screen: Screen | None) -> tuple[Ranking | None, tuple[Candidate, ...]]:
        limit = self.materials.config.candidates
        if screen is None:
            written = self._ask_writer(None, ())
            return None, unranked_candidates(
                [*self.materials.known, *self.free, *written], limit=limit
            )
        with self._time_stage("ranking") as summarize:
            listed = screen.rank_cues(
                self.materials.known,
                keep=max(len(self.materials.known), 1),
                progress=self.progress,
                stage="listed cues ranked",
            )
            free = screen.rank_cues(self.free, progress=self.progress, stage="free contexts ranked")
            rows = _merge_rankings(listed.screened, free.screened)
            prompts = listed.prompts + free.prompts
            summarize(
                f"{len(listed.screened)} listed cues and {len(free.screened) + free.dropped} free "
                f"contexts, {prompts:,} prompts scored on {len(screen.questions)} questions; "
                f"checked against single scoring: {free.check.largest:.2g} nats at most"
            )
        written = self._ask_writer(screen, rows)
        if written:
            more = screen.rank_cues(written, progress=self.progress, stage="written cues ranked")
            rows = _merge_rankings(rows, more.screened)
        return free, self._group_candidates(screen, self._grow_contexts(screen, rows))

    def _group_candidates(
        self, screen: Screen, rows: tuple[CueScore, ...]
    ) -> tuple[Candidate, ...]:
        """Groups candidates and rewords the best, if the models support it."""
        materials, limit = self.materials, self.materials.config.candidates
        found = group_candidates(rows, limit=limit, screen=screen, reference=materials.reference)
        hits = [c.screened for c in found[:_REWORDED] if c.screened and c.screened.did > 0]
        if not (hits and materials.grow and materials.can_grow):
            return found
        with self._time_stage("rewording") as summarize:
            new = reword_hits(
                materials.reference,
                screen,
                hits,
                journal=self.journal,
                limit=materials.grow,
                longest=_GROWN_TOKENS,
                progress=self.progress,
            )
            found = group_candidates(
                _merge_rankings(rows, new),
                limit=limit,
                screen=screen,
                reference=materials.reference,
            )
            summarize(f"{len(new)} likelier wordings of {len(hits)} hits")
        return found

    def _grow_contexts(self, screen: Screen, rows: tuple[CueScore, ...]) -> tuple[CueScore, ...]:
        """Extends the ranking by beam search from its best contexts and from bare openings."""
        materials = self.materials
        if not materials.grow:
            self._skip_stage("growth", "beam search is disabled (grow: 0)")
            return rows
        if not materials.can_grow:
            self._skip_stage("growth", "the next words of the target's prompt cannot be listed")
            return rows
        with self._time_stage("growth") as summarize:
            found = grow_contexts(
                materials.target,
                screen,
                rows,
                journal=self.journal,
                limit=materials.grow,
                longest=_GROWN_TOKENS,
                progress=self.progress,
            )
            best = (
                f"the best scores {found.screened[0].did:+.2f}"
                if found.screened
                else f"none scores {LEAST:g}"
            )
            summarize(
                f"{found.tried:,} contexts in {found.rounds} rounds, {found.prompts:,} prompts "
                f"scored; {best}"
            )
        return _merge_rankings(rows, found.screened)

    def _ask_writer(self, screen: Screen | None, rows: Sequence[CueScore]) -> list[Cue]:
        """Collects the writer's proposals, each round with the scores of the last."""
        materials, config = self.materials, self.materials.config
        if materials.writer is None:
            return []
        found: list[Cue] = []
        rounds = config.writer_rounds if screen is not None else 1
        with self._time_stage("writer") as summarize:
            refused, last = 0, ""
            for number in range(rounds):
                self.progress("rounds of the writer", number, rounds)
                proposals = propose_cues(
                    materials.writer,
                    questions=materials.questions,
                    tried=[(row.cue, row.did) for row in rows],
                    transcripts=self.odd,
                    journal=self.journal,
                    round_=number,
                    sampling=Sampling(max_tokens=REPLY_TOKENS, seed=config.seed),
                )
                self.ledger.write_usage()
                refused += proposals.refused
                found += proposals.cues
                if screen is not None and number + 1 < rounds:
                    rows = _merge_rankings(rows, screen.rank_cues(proposals.cues).screened)
                last = proposals.sample
            if not found:
                raise EngineError(
                    _explain_useless_writer(materials.writer.name, rounds, refused, last)
                )
            summarize(f"{len(found)} proposals in {rounds} rounds, {refused} lines refused")
        return found

    # Refinement

    def _refine_hits(
        self, found: tuple[Candidate, ...], screen: Screen | None
    ) -> tuple[Candidate, ...]:
        config = self.materials.config
        hits = found[: config.refine]
        if not hits:
            return found
        if self.materials.judge is None and screen is None:
            self._skip_stage("refinement", "needs a judge, or models that can score")
            return found
        done: list[Candidate] = []
        with self._time_stage("refinement") as summarize:
            for number, hit in enumerate(hits):
                self.progress("hits minimized", number, len(hits))
                done.append(replace(hit, refinement=self._refine_hit(hit, screen)))
            self.progress("hits minimized", len(hits), len(hits))
            fired = sum(c.refinement is not None for c in done)
            asked = self._asker.asked if self._asker else 0
            summarize(f"{fired} of {len(hits)} reproduce and were minimized; {asked:,} answers")
        return (*done, *found[len(hits) :])

    _asker: Asker | None = None

    def _refine_hit(self, hit: Candidate, screen: Screen | None) -> Refinement | None:
        oracle = self._make_oracle(hit, screen)
        if oracle is None:
            return None
        return refine_hit(
            hit.cue,
            oracle,
            lexicon=self.materials.pack.make_lexicon(),
            rng=np.random.default_rng([self.materials.config.seed, int(hit.cue.id, 16)]),
            most=self.materials.config.tries,
        )

    def _make_oracle(self, hit: Candidate, screen: Screen | None) -> Oracle | None:
        """Makes the oracle for forms of a hit; None if the hit itself does not fire."""
        materials, config = self.materials, self.materials.config
        if materials.judge is None:
            assert screen is not None and hit.screened is not None
            score = hit.screened.did
            return ScoredOracle(screen, least=score / 2) if score > 0 else None
        if self._asker is None:
            self._asker = Asker(
                materials.target,
                materials.judge,
                spread_families(materials.questions, config.question_limit),
                materials.sampling,
                self.journal,
                self.ledger.sample,
            )
        budget = OracleBudget(
            error=config.reading_error, most=config.reading_answers, delta=config.delta
        )
        return calibrate_oracle(self._asker, hit.cue, budget)


def _explain_useless_writer(writer: str, rounds: int, refused: int, reply: str) -> str:
    """Explains why no proposal was usable, with the fix."""
    lines = f"{refused} malformed lines" if refused else "no proposal lines"
    return (
        f"the writer {writer} made no usable proposal in {rounds} round(s) ({lines}): every line "
        f'must read {{"placement": "system", "text": "..."}}, but it wrote {reply!r}; give a '
        "larger model as --writer, or leave it out"
    )


def _merge_rankings(one: Sequence[CueScore], other: Sequence[CueScore]) -> tuple[CueScore, ...]:
    """Merges two rankings; each cue occurs once."""
    rows = {row.cue.id: row for row in (*other, *one)}
    return tuple(sorted(rows.values(), key=lambda row: (-round(row.did, 6), row.cue.name)))
