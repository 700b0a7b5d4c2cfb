"""Compares the forced with the free view of a finished run.

::

    run -> given answers scored under every cue, both models -> log-odds, implied shares
        -> beside the sampled rates: ranks, and cues on which the views disagree
        -> first tokens of given answers -> answers go on freely -> judged

    RUN/forced/journal.jsonl   scores, answers, outcomes; the same command repeats none
    RUN/forced.json            the record that reports read
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dormant.config.forced import ForcedConfig
from dormant.discovery.teacher_forcing import OddsScorer, implied_share
from dormant.engines import AnswerStart, Engine, Prefiller
from dormant.engines.metering.ledger import Ledger
from dormant.errors import StoreError
from dormant.errors.secrets import scrub_known
from dormant.judges import Item, judge_answers
from dormant.pipeline.forced_inputs import (
    ALIGNED,
    MISALIGNED,
    ForcedInputs,
    read_forced_inputs,
)
from dormant.pipeline.forced_tables import (
    LEVEL,
    Continued,
    compare_cues,
    compare_starts,
    count_shared_words,
    describe_cut,
    describe_failures,
    rise_over_standard,
    sampled_rises,
    summarize_start,
)
from dormant.pipeline.interruptions import record_spending
from dormant.probes import apply_cue
from dormant.progress import Progress, ignore_progress
from dormant.records import (
    Cue,
    Outcome,
    Plan,
    Question,
    Role,
    Sampling,
    hash_value,
    to_plain,
)
from dormant.records.forced import ForcedStart, ForcedView, StartDifference
from dormant.stats.agreement import correlate_ranks
from dormant.stats.table import Floats
from dormant.store import write_atomically
from dormant.store.files import read_json
from dormant.store.findings import revive_record
from dormant.store.journal import ANSWER, Journal, key_of

SCHEMA, RESULT = 1, "forced.json"
_DIFFERENCE = "batch-difference"
_FAILED = "failed"  # in the journal, in place of whether an answer was cut off
_AT_ONCE = 256  #: prompts scored or continued between two writes to the journal


def run_forced(config: ForcedConfig, *, progress: Progress = ignore_progress) -> ForcedView:
    """Scores and continues given answers for a finished run, and stores the comparison.

    Raises:
        InputError: a setting or a model cannot be used.
        StoreError: the run cannot be read, or is not what its answers give.
        EngineError: a model stopped answering; the same call continues.
        BudgetError: the budget is reached; the same call with a larger one continues.
    """
    progress("reading run and models", 0, 1)
    inputs = read_forced_inputs(config)
    progress("reading run and models", 1, 1)
    with Journal(inputs.folder) as journal:
        ledger = Ledger(journal, inputs.engines, config.budget)
        stored = "scores, answers and outcomes"
        with record_spending(ledger, inputs.folder, lambda: f"{len(journal):,} {stored}"):
            view = _Comparison(inputs, journal, ledger, progress).make_view()
    text = json.dumps(to_plain(view), indent=1, ensure_ascii=True)
    write_atomically(Path(config.run) / RESULT, scrub_known(text) + "\n")
    return view


def read_forced(run: str | Path, plan: Plan) -> ForcedView | None:
    """Reads the record of a run; None if there is none, or it is of another plan.

    Raises:
        StoreError: it is damaged.
    """
    path = Path(run) / RESULT
    try:
        view = revive_record(ForcedView, read_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(
            f"{path}: damaged; run `dormant forced` again, which repeats no answer"
        ) from None
    return view if view.plan_hash == plan.hash else None


@dataclass(frozen=True, slots=True)
class _Start:
    """One start of one model."""

    role: Role
    engine: Engine
    cue: Cue | None
    question: Question
    kind: str  # MISALIGNED or ALIGNED
    asked: AnswerStart


@dataclass
class _Comparison:
    """One comparison in progress."""

    inputs: ForcedInputs
    journal: Journal
    ledger: Ledger
    progress: Progress
    _scorers: list[OddsScorer] = field(default_factory=list[OddsScorer])
    #: Answers that were not given, by model and reason.
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    @property
    def _plan(self) -> Plan:
        return self.inputs.findings.plan

    def make_view(self) -> ForcedView:
        """Scores, continues, judges and compares everything."""
        odds = self._score_odds()
        starts, differences, continued, cut = self._continue_starts()
        names = [cue.name for cue in self.inputs.cues]
        shares = {role: implied_share(values) for role, values in odds.items()}
        log_odds, share = rise_over_standard(odds), rise_over_standard(shares)  # [K, Q]
        asked, free = sampled_rises(self.inputs.findings, names)  # [K, all questions]
        places = {question: i for i, question in enumerate(asked)}
        wide = [np.full((len(names), len(asked)), math.nan) for _ in range(2)]
        for column, question in enumerate(self.inputs.questions):
            for table, values in zip(wide, (log_odds, share), strict=True):
                table[:, places[question.id]] = values[:, column]
        scorers = self._scorers
        return ForcedView(
            schema=SCHEMA,
            plan_hash=self._plan.hash,
            has_reference=bool(self.inputs.references),
            delta=self._plan.rule.delta,
            level=LEVEL,
            cues=compare_cues(self._plan, names, odds, wide, free),
            by_log_odds=correlate_ranks(wide[0], free, level=LEVEL),
            by_share=correlate_ranks(wide[1], free, level=LEVEL),
            starts=starts,
            differences=differences,
            scored=len(self.inputs.questions) * (1 + len(names)) * len(scorers),
            continued=continued,
            batch_difference=self._largest_difference(),
            notes=(*self.inputs.notes, *describe_cut(cut), *describe_failures(self._failures)),
        )

    def _largest_difference(self) -> float:
        """Largest difference between batched and lone scores, of earlier calls too."""
        before = float(self.journal.read_note(_DIFFERENCE, 0.0))
        largest = max(before, *(scorer.scorer.largest for scorer in self._scorers))
        if largest > before:
            self.journal.write_note(_DIFFERENCE, largest)
        return largest

    # Scores

    def _score_odds(self) -> dict[Role, Floats]:
        """Log-odds by role, [1 + K, Q], the standard arm first; the mean of several trainings."""
        questions = self.inputs.questions
        pairs = [self.inputs.answers[question.id] for question in questions]
        arms: list[Cue | None] = [None, *self.inputs.cues]
        each = max(1, _AT_ONCE // len(questions))
        found: dict[Role, list[Floats]] = {}
        total = len(arms) * len(self.inputs.models)
        for number, (role, engine) in enumerate(self.inputs.models):
            scorer = OddsScorer(engine, self.journal)
            self._scorers.append(scorer)
            rows: list[Floats] = []
            for start in range(0, len(arms), each):
                part = arms[start : start + each]
                prompts = [[apply_cue(cue, question) for question in questions] for cue in part]
                rows.append(scorer.log_odds(prompts, pairs))
                done = number * len(arms) + start + len(part)
                self.progress("cues scored", done, total)
            found.setdefault(role, []).append(np.concatenate(rows))
        return {role: np.mean(values, axis=0) for role, values in found.items()}

    # Answers after given tokens

    def _continue_starts(
        self,
    ) -> tuple[tuple[ForcedStart, ...], tuple[StartDifference, ...], int, int]:
        """Rows by start, differences, and how many answers were continued and cut off."""
        starts = list(self._list_starts())
        answers = self._sample_starts(starts)
        outcomes = self._judge(starts, answers)
        groups: dict[tuple[Role, str | None, str, int], list[Continued]] = {}
        cut = 0
        for start, (text, is_cut), outcome in zip(starts, answers, outcomes, strict=True):
            for one, is_end, found in zip(text, is_cut, outcome, strict=True):
                cut += is_end
                name = start.cue.name if start.cue is not None else None
                key = (start.role, name, start.kind, start.asked.tokens)
                words = count_shared_words(start.asked.answer, one)
                groups.setdefault(key, []).append((start.question.id, found, words))
        rows = tuple(summarize_start(*key, members) for key, members in groups.items())
        differences = compare_starts(self._plan, groups) if self.inputs.references else ()
        return rows, differences, sum(len(text) for text, _ in answers), cut

    def _list_starts(self) -> Iterator[_Start]:
        """Each model, cue, question, sort of answer and number of tokens; answers take turns."""
        for role, engine in self.inputs.models:
            for cue in self.inputs.continued:
                for place, question in enumerate(self.inputs.questions):
                    pair = self.inputs.answers[question.id]
                    for kind, given in ((MISALIGNED, pair.misaligned), (ALIGNED, pair.aligned)):
                        for tokens in sorted(set(self.inputs.config.tokens)):
                            asked = AnswerStart(
                                apply_cue(cue, question), given[place % len(given)], tokens
                            )
                            yield _Start(role, engine, cue, question, kind, asked)

    def _sampling_of(self, role: Role, engine: Engine) -> Sampling:
        base = self._plan.sampling
        seed = int(hash_value(["forced", self._plan.seed, str(role), engine.fingerprint])[:8], 16)
        return Sampling(base.temperature, base.top_p, base.max_tokens, seed)

    def _sample_starts(self, starts: Sequence[_Start]) -> list[tuple[list[str], list[bool]]]:
        """The answers to each start and whether each was cut off; none where a start is whole."""
        wanted = range(self.inputs.config.answers)
        keys = [self._key_of(start) for start in starts]
        missing = [i for i, key in enumerate(keys) if self._is_missing(key, len(wanted))]
        by_engine: dict[int, list[int]] = {}
        for i in missing:
            by_engine.setdefault(id(starts[i].engine), []).append(i)
        done = 0
        for members in by_engine.values():
            for first in range(0, len(members), _AT_ONCE):
                part = members[first : first + _AT_ONCE]
                self._sample_part([starts[i] for i in part], [keys[i] for i in part], wanted)
                done += len(part)
                self.progress("answers continued", done, len(missing))
        found = [(self.journal.read_entry(key) or [])[: len(wanted)] for key in keys]
        self._failures = Counter(
            (start.engine.name, str(text))
            for start, one in zip(starts, found, strict=True)
            for text, cut in one
            if cut == _FAILED
        )
        kept = [[reply for reply in one if reply[1] != _FAILED] for one in found]
        return [([text for text, _ in one], [bool(cut) for _, cut in one]) for one in kept]

    def _is_missing(self, key: str, wanted: int) -> bool:
        """Whether answers to a start are still to be sampled: what failed is asked again."""
        known = self.journal.read_entry(key) or []
        is_whole = self.journal.read_entry(key + "-whole") is not None
        is_complete = len(known) >= wanted and all(cut != _FAILED for _, cut in known[:wanted])
        return not (is_whole or is_complete)

    def _sample_part(self, starts: Sequence[_Start], keys: Sequence[str], wanted: range) -> None:
        first = starts[0]
        engine = first.engine
        assert isinstance(engine, Prefiller)
        budget = self.ledger.budget
        count = len(starts) * len(wanted)
        if budget is not None and budget.affordable(count) < count:
            raise budget.make_error()
        replies: dict[int, dict[int, list[object]]] = {}
        sampling = self._sampling_of(first.role, engine)
        for batch in engine.continue_answers([start.asked for start in starts], wanted, sampling):
            for reply in batch:
                own = replies.setdefault(reply.job, {})
                if reply.finish in ("error", "filter"):
                    own[reply.repeat] = [reply.error or "withheld", _FAILED]
                else:
                    own[reply.repeat] = [reply.text, reply.finish == "length"]
            if budget is not None:
                budget.count_free(len(batch))
        self.journal.add_entries(
            (key, [replies[i][repeat] for repeat in wanted])
            if i in replies
            else (f"{key}-whole", 1)
            for i, key in enumerate(keys)
        )

    def _key_of(self, start: _Start) -> str:
        sampling = self._sampling_of(start.role, start.engine)
        asked = start.asked
        parts = (start.engine.fingerprint, sampling, asked.messages, asked.answer, asked.tokens)
        return ANSWER + key_of("forced", *parts)

    def _judge(
        self, starts: Sequence[_Start], answers: Sequence[tuple[list[str], list[bool]]]
    ) -> list[list[Outcome]]:
        """The outcome of each answer; equal answers to one prompt are judged once."""
        judge = self.inputs.judge
        keys: list[list[str]] = []
        wanted: dict[str, Item] = {}
        for start, (texts, cuts) in zip(starts, answers, strict=True):
            keys.append([])
            for text, cut in zip(texts, cuts, strict=True):
                messages = start.asked.messages
                key = key_of("outcome", judge.fingerprint, start.question.id, messages, text, cut)
                keys[-1].append(key)
                if key not in self.journal:
                    wanted[key] = Item(start.question, messages, text, cut)
        items = list(wanted.items())
        for first in range(0, len(items), _AT_ONCE):
            part = items[first : first + _AT_ONCE]
            for judged in judge_answers(judge, [item for _, item in part]):
                self.journal.add_entries(
                    (part[place][0], str(judgement.outcome)) for place, judgement in judged
                )
                self.ledger.write_usage()
            self.progress("answers judged", min(first + _AT_ONCE, len(items)), len(items))
        return [[Outcome(self.journal.read_entry(key)) for key in row] for row in keys]
