"""The audit: sample, judge, estimate, confirm, decide; resumable at every step.

::

    prepare (plan) -> what to ask next (decision) -> answers -> judgements -> counts
                            ^-------------------------------------------------------/
                       -> verdict -> report

Every answer is in the store before it counts, and every later number is a pure function of the
store and the plan; so the same command resumes after any interruption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dormant.banks.bank import spread_families
from dormant.banks.continuations import match_continuations
from dormant.calibration import add_labels, check_judge, write_agreement
from dormant.config import AuditConfig, format_duration
from dormant.decision import Ask, Decision, bound_plan, start_design
from dormant.discovery.teacher_forcing import Screen
from dormant.engines import Engine, HasNotes, Job
from dormant.engines.metering.ledger import Ledger
from dormant.errors import BudgetError, InputError, InterruptedRun
from dormant.judges import Judge, list_judges
from dormant.pipeline.grader import AnswerGrader, forget_failures
from dormant.pipeline.plan import PreparedAudit, Subject, prepare_audit
from dormant.pipeline.recompute import answers_wanted, check_stored, count_outcomes, read_ranking
from dormant.pipeline.sections import write_run_report
from dormant.probes import pair_probes
from dormant.progress import WAITING, Progress, ignore_progress
from dormant.records import (
    Cell,
    Completion,
    Expense,
    Findings,
    ModelCard,
    Plan,
    Probe,
    Role,
    Verdict,
    warn_of_drift,
)
from dormant.report.notebook import NotebookDisplay
from dormant.store import Store
from dormant.store.files import read_lock
from dormant.store.findings import (
    read_findings,
    sampling_of,
    source_of,
    write_verdict,
)
from dormant.store.journal import Journal
from dormant.store.replies import Replies
from dormant.store.salvage import explain_damage

#: Maximum number of questions that teacher forcing scores, families taking turns.
_SCORED_QUESTIONS = 8


@dataclass(frozen=True, repr=False)
class AuditResult(NotebookDisplay):
    """A finished audit.

    Attributes:
        findings: plan, verdict, counts and transcripts, as the report reads them.
        path: the run directory.
        files: the reports written there.
        spent: usage of each paid model, over all resumptions.
    """

    findings: Findings
    path: Path
    files: tuple[Path, ...]
    spent: tuple[Expense, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What the audit concludes."""
        return self.findings.verdict

    def _read_findings(self) -> Findings:
        return self.findings

    def __repr__(self) -> str:
        return f"<AuditResult: {self.findings!r} in {self.path}>"


def run_audit(
    config: AuditConfig,
    *,
    progress: Progress = ignore_progress,
    amend: bool = False,
    confirm: Callable[[PreparedAudit], None] | None = None,
) -> AuditResult:
    """Runs or resumes an audit.

    Args:
        config: what to audit and how.
        progress: called with (stage, done, total).
        amend: continue a run directory that holds another plan; the change is recorded.
        confirm: called before a run is begun; may raise to prevent it. Not where it goes on.

    Raises:
        InputError: the configuration, data or models cannot be used.
        StoreError: the run directory holds another plan, or another process writes there.
        EngineError: a model stopped answering; the same call continues.
        BudgetError: the budget is reached; the same call with a larger one continues.
        InterruptedRun: the run was interrupted; the same call continues.
    """
    if config.labels is not None and not Path(config.labels).is_file():
        raise InputError(f"labels: {config.labels}: no such file")
    progress("reading data and models", 0, 1)
    prepared = prepare_audit(config, progress=progress, amend=amend)
    progress("reading data and models", 1, 1)
    if confirm is not None and not _has_begun(prepared):
        confirm(prepared)
    prepared.judge.load_code()
    with Store(prepared.out) as store, explain_damage(store):
        try:
            result = AuditRun(prepared, store, progress).run_to_verdict(amend=amend)
        except KeyboardInterrupt:
            raise InterruptedRun(
                f"interrupted: {store.count_answers():,} answers and {store.count_judgements():,} "
                f"judgements are stored in {prepared.out}; the same command continues from there"
            ) from None
    return result if config.labels is None else _add_labels(result, Path(config.labels))


def _add_labels(result: AuditResult, file: Path) -> AuditResult:
    """Adds what people's labels say to verdict and report."""
    found = add_labels(result.path, result.findings, file)
    return replace(result, findings=found, files=write_run_report(found, result.path))


def _has_begun(prepared: PreparedAudit) -> bool:
    """Whether the run directory holds answers of this plan."""
    if not (prepared.out / "run.sqlite").is_file():
        return False
    lock = read_lock(prepared.out / "plan.lock.json")
    if lock is None or lock["hash"] != prepared.plan.hash:
        return False
    with Store(prepared.out) as store:
        return store.count_answers() > 0


class AuditRun:
    """One audit in progress: the stages in order."""

    def __init__(self, prepared: PreparedAudit, store: Store, progress: Progress):
        self.prepared, self.store, self.progress = prepared, store, progress
        self.plan: Plan = prepared.plan
        self.judge: Judge = prepared.judge
        self.sources = {
            subject: source_of(self.plan, subject.card) for subject in prepared.subjects
        }

    def run_to_verdict(self, *, amend: bool) -> AuditResult:
        """Runs the design of the plan, from whatever is stored, and writes verdict and report."""
        self.store.lock_plan(self.plan, settings=self.prepared.settings, amend=amend)
        check_stored(self.store, self.plan)
        forgotten = forget_failures(self.store, self.judge, self.plan)
        if not self.judge.grades_cut_answers:
            forgotten += self.store.forget_grades_of_cut_answers(self.judge.fingerprint)
        if forgotten:  # the store is no longer that of an earlier verdict
            (self.store.path / "verdict.json").unlink(missing_ok=True)
        self.begun, self.seconds_before = time.monotonic(), self.store.read_note("seconds", 0.0)
        self.ledger = Ledger(self.store, self.prepared.engines, self.prepared.budget)
        self.replies = Replies(self.store, self.ledger.write_usage)
        self.grader = AnswerGrader(
            self.store,
            self.plan,
            self.judge,
            self.replies,
            progress=self.progress,
            check_time=self._check_time,
        )
        if self.store.read_note("started") is None:
            self.store.write_note("started", datetime.now(UTC).isoformat(timespec="seconds"))
        design = start_design(self.plan, self._rank_cues())
        ask = next(design)
        while True:
            try:
                ask = design.send(self._ask_models(ask))
            except StopIteration as end:
                return self._write_results(end.value)

    # Asking

    def _rank_cues(self) -> tuple[str, ...]:
        """Orders the cues by teacher forcing, once; empty without it."""
        if self.plan.sequential is None or self.plan.sequential.screening == "none":
            return ()
        noted = self.store.read_note("ranking", {})
        if self.plan.hash not in noted:
            engines = {s.card: s.engine for s in self.prepared.subjects}
            with Journal(self.store.path) as journal:
                found = rank_cues(self.plan, engines, journal, progress=self.progress)
            self.store.write_note(
                "ranking", {self.plan.hash: [[name, score] for name, score in found]}
            )
        return read_ranking(self.store, self.plan)

    def _ask_models(self, ask: Ask) -> tuple[Cell, ...]:
        """Samples and judges the missing answers of a request, then counts all of them."""
        probes = pair_probes(ask.questions, ask.cues)
        wanted = answers_wanted(ask, probes)
        rows = self.store.add_probes(probes)
        cells: list[Cell] = []
        for subject in self.prepared.subjects:
            self._count_time(
                lambda s=subject: self._sample_answers(s, probes, rows, wanted, ask.stage)
            )
        # All models' answers together, so that no drift divides them.
        self._count_time(lambda: self.grader.judge_pending(probes, ask.stage))
        for subject in self.prepared.subjects:
            cells += count_outcomes(self.store, self.plan, subject.card, probes, wanted)
        return tuple(cells)

    def _count_time(self, step: Callable[[], None]) -> None:
        """Takes a step and stores how long it took, also where it fails.

        No context manager: a signal on its entry would leave the rest to a store that is closed.
        """
        begun = time.monotonic()
        try:
            step()
        finally:
            self.store.add_seconds(time.monotonic() - begun)
            self.ledger.write_usage()
            self._keep_server_notes()

    def _keep_server_notes(self) -> None:
        """Stores what servers were found to refuse, for the report."""
        noted = self.store.read_note("server_notes", [])
        engines = (engine for engine in self.prepared.engines.values())
        found = [note for e in engines if isinstance(e, HasNotes) for note in e.notes]
        if set(found) - set(noted):
            self.store.write_note("server_notes", list(dict.fromkeys((*noted, *found))))

    def _sample_answers(
        self,
        subject: Subject,
        probes: Sequence[Probe],
        rows: Mapping[str, int],
        wanted: Mapping[str, int],
        stage: str,
    ) -> None:
        key = self.sources[subject]
        source = self.store.source_row(key)
        unique = list({probe.id: probe for probe in probes}.values())
        have = self.store.stored_repeats(source)
        jobs, asked = _missing_jobs(unique, have, wanted)
        total = sum(wanted.values())
        done = total - sum(len(job.repeats) for job in jobs)
        stage = f"{stage} answers of the {subject.label}"
        self.progress(stage, done, total)
        for batch in _sample_completions(self.ledger, subject, jobs, asked, self.plan):
            self.store.add_completions(source, rows, batch)
            done += len(batch)
            waits = f"{WAITING} of the {subject.label}"
            self.progress(stage if batch else waits, done, total)
            self._check_time()

    def _check_time(self) -> None:
        """Ends the run when its time is used up, over all resumptions; what is stored stays."""
        most = self.prepared.budget.time
        if most is None:
            return
        used = self.seconds_before + time.monotonic() - self.begun
        if used > most:
            raise BudgetError(
                f"the budget is reached ({format_duration(used)} of {format_duration(most)}): "
                "answers so far are kept, and the same command with a larger --budget-time, or "
                "budget.time in the file, continues from here"
            )

    # Writing

    def _write_results(self, decision: Decision) -> AuditResult:
        self._count_time(self.grader.judge_early_again)
        estimates = decision.verdict.estimates
        check = check_judge(self.store, self.plan, decision.cells, estimates)
        write_verdict(
            self.store,
            self.plan,
            warn_of_drift(decision.verdict, check),
            decision.cells,
            path=decision.path,
            e_values=decision.e_values,
            bounds=bound_plan(self.plan, decision.cells),
            judge_check=check,
        )
        found = self._compare_judges(read_findings(self.store))
        files = write_run_report(found, self.store.path)
        return AuditResult(found, self.store.path, files, self.ledger.list_usage())

    def _compare_judges(self, found: Findings) -> Findings:
        """Adds the agreement of two judges, if a second one graded the answers."""
        if self.judge.second is None:
            return found
        agreement = write_agreement(
            self.store.path,
            found.transcripts,
            plan_hash=self.plan.hash,
            judges=[judge.name for judge in list_judges(self.judge)],
            triggers=found.verdict.triggers,
        )
        return replace(found, second_judge=agreement)


def rank_cues(
    plan: Plan,
    engines: Mapping[ModelCard, Engine],
    journal: Journal,
    *,
    progress: Progress = ignore_progress,
) -> list[tuple[str, float]]:
    """Orders the cues of a plan by teacher forcing; the scores decide nothing else.

    Args:
        plan: the frozen audit, with continuations.
        engines: the engine of each model; all can score.
        journal: stores scores, so that an interrupted ranking resumes.
        progress: called with (stage, cues done, total).

    Returns:
        Names and scores (mean difference in differences of log-odds, nats) of the cues, placebos
        left out, the highest first; equal scores in the plan's order.

    Raises:
        InputError: no screening question has continuations, or a model cannot score.
    """
    assert plan.sequential is not None
    matched = match_continuations(plan.questions, plan.sequential.continuations)
    asked = spread_families([q for q in plan.questions if q.id in matched], _SCORED_QUESTIONS)
    targets = [engine for card, engine in engines.items() if card.role is Role.TARGET]
    reference = next(engine for card, engine in engines.items() if card.role is Role.REFERENCE)
    tried = [cue for cue in plan.cues if not cue.is_placebo]
    ranked = Screen(targets, reference, asked, matched, journal).rank_cues(
        tried,
        keep=len(tried),  # every cue needs a rank, so earlier rounds drop none
        progress=progress,
        stage="screening by teacher forcing",
    )
    scores = {row.cue.id: row.did for row in ranked.screened}
    order = sorted(tried, key=lambda cue: -round(scores[cue.id], 6))
    return [(cue.name, scores[cue.id]) for cue in order]


def _missing_jobs(
    probes: Sequence[Probe], have: Mapping[str, set[int]], wanted: Mapping[str, int]
) -> tuple[list[Job], list[Probe]]:
    """Makes jobs for the repeats that are not on disk, each with its probe."""
    jobs: list[Job] = []
    asked: list[Probe] = []
    for probe in probes:
        for gap in _find_gaps(have.get(probe.id, set()), wanted[probe.id]):
            jobs.append(Job(probe.messages, gap))
            asked.append(probe)
    return jobs, asked


def _find_gaps(have: set[int], answers: int) -> Iterator[range]:
    """Yields the ranges of missing indices below ``answers``."""
    start = None
    for index in range(answers + 1):
        absent = index < answers and index not in have
        if absent and start is None:
            start = index
        elif not absent and start is not None:
            yield range(start, index)
            start = None


def _sample_completions(
    ledger: Ledger, subject: Subject, jobs: Sequence[Job], asked: Sequence[Probe], plan: Plan
) -> Iterator[list[Completion]]:
    source = source_of(plan, subject.card)
    for replies in ledger.sample(subject.engine, jobs, sampling_of(plan, subject.card)):
        yield [
            Completion(
                source=source,
                probe=asked[reply.job].id,
                repeat=reply.repeat,
                text=reply.text,
                finish=reply.finish,
                tokens=reply.tokens,
                error=reply.error,
                settings=reply.settings,
            )
            for reply in replies
        ]
