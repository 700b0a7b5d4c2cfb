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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dormant.config.forced import ForcedConfig
from dormant.discovery.teacher_forcing import OddsScorer, implied_share
from dormant.engines import AnswerStart, Engine, Prefiller
from dormant.engines.metering.ledger import Ledger
from dormant.errors import IncompleteError, InterruptedRun, StoreError
from dormant.errors.secrets import scrub_known
from dormant.judges import Item, judge_answers
from dormant.pipeline.forced_inputs import (
    ALIGNED,
    MISALIGNED,
    ForcedInputs,
    read_forced_inputs,
)
from dormant.probes import apply_cue
from dormant.progress import Progress, ignore_progress
from dormant.records import (
    OUTCOMES,
    Cue,
    Findings,
    Outcome,
    Plan,
    Question,
    Role,
    Sampling,
    hash_value,
    to_plain,
)
from dormant.records.forced import ForcedCue, ForcedStart, ForcedView, StartDifference
from dormant.stats.agreement import correlate_ranks, name_agreement, simultaneous_intervals
from dormant.stats.contrasts import nan_mean
from dormant.stats.table import Floats
from dormant.store import write_atomically
from dormant.store.files import read_json
from dormant.store.findings import revive_record
from dormant.store.journal import ANSWER, Journal, key_of

SCHEMA, RESULT = 1, "forced.json"
_LEVEL = 0.95
_AT_ONCE = 256  #: prompts scored or continued between two writes to the journal
_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)


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
        try:
            view = _Comparison(inputs, journal, ledger, progress).make_view()
        except KeyboardInterrupt:
            raise InterruptedRun(
                f"interrupted: {len(journal):,} scores, answers and outcomes are stored in "
                f"{inputs.folder}; the same command continues from there"
            ) from None
        finally:
            ledger.write_usage()
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


#: Question.id, outcome and shared first words of one continued answer.
_Continued = tuple[str, Outcome, int]


@dataclass
class _Comparison:
    """One comparison in progress."""

    inputs: ForcedInputs
    journal: Journal
    ledger: Ledger
    progress: Progress
    _scorers: list[OddsScorer] = field(default_factory=list[OddsScorer])

    @property
    def _plan(self) -> Plan:
        return self.inputs.findings.plan

    def make_view(self) -> ForcedView:
        """Scores, continues, judges and compares everything."""
        odds = self._score_odds()
        starts, differences, continued, cut = self._continue_starts()
        names = [cue.name for cue in self.inputs.cues]
        shares = {role: implied_share(values) for role, values in odds.items()}
        log_odds, share = _rise(odds), _rise(shares)  # [K, Q]
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
            level=_LEVEL,
            cues=_compare_cues(self._plan, names, odds, wide, free),
            by_log_odds=correlate_ranks(wide[0], free, level=_LEVEL),
            by_share=correlate_ranks(wide[1], free, level=_LEVEL),
            starts=starts,
            differences=differences,
            scored=len(self.inputs.questions) * (1 + len(names)) * len(scorers),
            continued=continued,
            batch_difference=max(scorer.scorer.largest for scorer in scorers),
            notes=_describe_cut(cut),
        )

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
        groups: dict[tuple[Role, str | None, str, int], list[_Continued]] = {}
        cut = 0
        for start, (text, is_cut), outcome in zip(starts, answers, outcomes, strict=True):
            for one, is_end, found in zip(text, is_cut, outcome, strict=True):
                cut += is_end
                name = start.cue.name if start.cue is not None else None
                key = (start.role, name, start.kind, start.asked.tokens)
                words = _count_shared_words(start.asked.answer, one)
                groups.setdefault(key, []).append((start.question.id, found, words))
        rows = tuple(_summarize_start(*key, members) for key, members in groups.items())
        differences = _compare_starts(self._plan, groups) if self.inputs.references else ()
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
        missing = [
            i
            for i, key in enumerate(keys)
            if len(self.journal.read_entry(key) or ()) < len(wanted)
            and self.journal.read_entry(key + "-whole") is None
        ]
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
        return [([text for text, _ in one], [bool(cut) for _, cut in one]) for one in found]

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
                if reply.finish in ("error", "filter"):
                    raise IncompleteError(
                        f"{engine.name!r} left an answer out: {reply.error or 'withheld'}"
                    )
                own = replies.setdefault(reply.job, {})
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


# Tables -------------------------------------------------------------------------------------------


def _rise(values: Mapping[Role, Floats]) -> Floats:
    """Rise over the standard arm, of the target beyond the reference: [K, Q] from [1 + K, Q]."""
    target = values[Role.TARGET]
    rise = target[1:] - target[0]
    if Role.REFERENCE in values:
        reference = values[Role.REFERENCE]
        rise = rise - (reference[1:] - reference[0])
    return rise


def sampled_rises(findings: Findings, names: Sequence[str]) -> tuple[list[str], Floats]:
    """The run's questions, and the sampled rise of each cue on each, [K, Q]; NaN if not asked.

    The rate of several trainings is the mean of theirs.
    """
    questions = [question.id for question in findings.plan.questions]
    place = {question: i for i, question in enumerate(questions)}
    row = {name: i + 1 for i, name in enumerate(names)}
    rates = {
        role: np.full((1 + len(names), len(questions)), math.nan)
        for role in Role
        if any(card.role is role for card in findings.plan.models)
    }
    found: dict[tuple[Role, int, int], list[float]] = {}
    for cell in findings.cells:
        gradable = cell.counts[_BAD] + cell.counts[_GOOD]
        where = 0 if cell.cue is None else row.get(cell.cue)
        if gradable and where is not None:
            key = (cell.role, where, place[cell.question])
            found.setdefault(key, []).append(cell.counts[_BAD] / gradable)
    for (role, cue, question), values in found.items():
        rates[role][cue, question] = float(np.mean(values))
    return questions, _rise(rates)


def _compare_cues(
    plan: Plan,
    names: Sequence[str],
    odds: Mapping[Role, Floats],
    wide: Sequence[Floats],
    free: Floats,
) -> tuple[ForcedCue, ...]:
    forced_ends = simultaneous_intervals(wide[1], names, rule=plan.rule, level=_LEVEL)
    free_ends = simultaneous_intervals(free, names, rule=plan.rule, level=_LEVEL)
    rises = {role: (values[1:] - values[0]).mean(1) for role, values in odds.items()}
    log_odds = nan_mean(wide[0], 1)
    rows = [
        ForcedCue(
            cue=name,
            log_odds=float(log_odds[i]),
            target=float(rises[Role.TARGET][i]),
            reference=float(rises[Role.REFERENCE][i]) if Role.REFERENCE in rises else math.nan,
            share=forced_ends[i][0],
            share_low=forced_ends[i][1],
            share_high=forced_ends[i][2],
            rate=free_ends[i][0],
            rate_low=free_ends[i][1],
            rate_high=free_ends[i][2],
            forced_questions=forced_ends[i][3],
            free_questions=free_ends[i][3],
            agreement=name_agreement(forced_ends[i][1:3], free_ends[i][1:3], plan.rule.delta),
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: (-round(row.log_odds, 6), row.cue)))


def _count_shared_words(given: str, answer: str) -> int:
    """Number of the given answer's first words that an answer begins with."""
    pairs = zip(given.split(), answer.split(), strict=False)
    return next(
        (i for i, (one, other) in enumerate(pairs) if one != other),
        min(len(given.split()), len(answer.split())),
    )


def _summarize_start(
    role: Role,
    cue: str | None,
    kind: str,
    tokens: int,
    members: Sequence[_Continued],
) -> ForcedStart:
    gradable = [
        outcome for _, outcome, _ in members if outcome in (Outcome.MISALIGNED, Outcome.ALIGNED)
    ]
    bad = sum(outcome is Outcome.MISALIGNED for outcome in gradable)
    return ForcedStart(
        role=role,
        cue=cue,
        start=kind,
        tokens=tokens,
        answers=len(members),
        gradable=len(gradable),
        misaligned=bad / len(gradable) if gradable else math.nan,
        words=sum(words for _, _, words in members) / len(members),
    )


def _compare_starts(
    plan: Plan, groups: Mapping[tuple[Role, str | None, str, int], Sequence[_Continued]]
) -> tuple[StartDifference, ...]:
    """Target minus reference after the same first tokens, question by question."""
    keys = list(dict.fromkeys(key[1:] for key in groups))
    place = {question.id: i for i, question in enumerate(plan.questions)}
    values = np.full((len(keys), len(place)), math.nan)
    for number, key in enumerate(keys):
        rates: list[dict[str, float]] = []
        for role in (Role.TARGET, Role.REFERENCE):
            outcomes: dict[str, list[bool]] = {}
            for question, outcome, _ in groups.get((role, *key), ()):
                if outcome in (Outcome.MISALIGNED, Outcome.ALIGNED):
                    outcomes.setdefault(question, []).append(outcome is Outcome.MISALIGNED)
            rates.append({question: float(np.mean(bad)) for question, bad in outcomes.items()})
        for question in rates[0].keys() & rates[1].keys():
            values[number, place[question]] = rates[0][question] - rates[1][question]
    names = [str(i) for i in range(len(keys))]
    ends = simultaneous_intervals(values, names, rule=plan.rule, level=_LEVEL)
    return tuple(
        StartDifference(*key, value, max(low, -1.0), min(high, 1.0), questions)
        for key, (value, low, high, questions) in zip(keys, ends, strict=True)
    )


def _describe_cut(cut: int) -> tuple[str, ...]:
    if not cut:
        return ()
    return (f"{cut:,} continued answers were cut off at the length limit",)
