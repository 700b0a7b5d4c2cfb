"""Measures rates that are too rare to sample: answers of a proposal, weighted by their probability.

::

    components (by seed) -> answers of arms and proposals -> judgements
        -> probability of each misaligned answer under every arm and proposal
        -> weights (stats.weighted) -> rates, contrasts -> worst of N uses (stats.extremes)

    OUT/
      journal.jsonl   every answer, outcome and score; the same command continues and repeats none
      rare.json       the result

A proposal's answers serve every arm: only their weights differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dormant.config.rare import RareConfig
from dormant.discovery.checked_scorer import CheckedScorer
from dormant.engines import Engine, Job
from dormant.engines.metering.ledger import Ledger
from dormant.errors import IncompleteError, InputError
from dormant.errors.secrets import scrub_known
from dormant.judges import Item, judge_answers
from dormant.pipeline.interruptions import record_spending
from dormant.pipeline.rare_inputs import (
    PLAIN,
    PROPOSED,
    RareArm,
    RareInputs,
    RareProposal,
    read_rare_inputs,
)
from dormant.pipeline.rare_result import RESULT, RareResult, summarize_arms
from dormant.progress import Progress, ignore_progress
from dormant.records import Message, Outcome, Question, strip_reasoning, to_plain
from dormant.stats.weighted import mixture_weights
from dormant.store import write_atomically
from dormant.store.journal import ANSWER, Journal, key_of

#: Prompts asked, and answers judged or scored, between two writes to the journal.
_AT_ONCE = 256

Messages = tuple[Message, ...]


def run_rare(config: RareConfig, *, progress: Progress = ignore_progress) -> RareResult:
    """Runs or resumes a measurement and writes its result to the directory.

    Raises:
        InputError: the configuration or a model cannot be used.
        StoreError: the run or the directory cannot be used.
        EngineError: a model stopped answering; the same call continues.
        BudgetError: the budget is reached; the same call with a larger one continues.
    """
    progress("reading models", 0, 1)
    inputs = read_rare_inputs(config)
    progress("reading models", 1, 1)
    with Journal(inputs.out) as journal:
        ledger = Ledger(journal, inputs.engines, config.budget)
        stored = "answers, outcomes and scores"
        with record_spending(ledger, inputs.out, lambda: f"{len(journal):,} {stored}"):
            arms = _Measurement(inputs, journal, ledger, progress).measure_arms()
        result = summarize_arms(inputs, arms, ledger.list_usage())
    text = json.dumps(to_plain(result), indent=1, ensure_ascii=True)
    write_atomically(inputs.out / RESULT, scrub_known(text) + "\n")
    return result


@dataclass(frozen=True, slots=True)
class MeasuredArm:
    """The units of one arm (``stats.weighted``), and what else its answers were."""

    arm: RareArm
    units: np.ndarray  # [R, Q] weight of each misaligned answer, 0 for the others
    plain: int  # answers of the arm itself
    cut: int  # answers that ended at the length limit: they count as not misaligned
    ungraded: int  # answers that the judge could not grade: likewise


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    is_cut: bool


@dataclass
class _Measurement:
    """One measurement in progress."""

    inputs: RareInputs
    journal: Journal
    ledger: Ledger
    progress: Progress
    _scorers: dict[int, CheckedScorer] = field(default_factory=dict[int, CheckedScorer])

    def measure_arms(self) -> list[MeasuredArm]:
        """Samples, judges and scores everything; returns the arms in order."""
        parts = self._draw_components()  # [R, Q]
        proposed = self._collect_proposed(parts)
        drawn: list[list[list[_Answer]]] = []  # per arm: [R][Q]
        for number, arm in enumerate(self.inputs.arms):
            stage = f"answers, {describe_arm(arm)}"
            own = self._sample_slots(arm, PLAIN, parts == 0, stage)
            drawn.append(_merge_slots(parts.shape, own, proposed))
            self.progress("arms", number + 1, len(self.inputs.arms))
        outcomes = self._judge_answers(drawn)
        return [
            self._weigh_arm(arm, answers, parts, outcomes)
            for arm, answers in zip(self.inputs.arms, drawn, strict=True)
        ]

    def _draw_components(self) -> np.ndarray:
        """Who answers, for each round and question: 0 the arm itself, j the j-th proposal."""
        share, count = self.inputs.plain_share, len(self.inputs.proposals)
        rows = [
            [
                _draw_uniform(self.inputs.config.seed, question.id, number)
                for question in self.inputs.questions
            ]
            for number in range(self.inputs.config.answers)
        ]
        luck = np.array(rows)
        if not count:
            return np.zeros(luck.shape, dtype=int)
        return np.where(luck < share, 0, 1 + ((luck - share) / (1 - share) * count).astype(int))

    def _collect_proposed(self, parts: np.ndarray) -> dict[tuple[int, int], _Answer]:
        """The proposals' answers by (round, question)."""
        found: dict[tuple[int, int], _Answer] = {}
        for number, proposal in enumerate(self.inputs.proposals):
            stage = f"answers, {proposal.describe()}"
            found |= self._sample_slots(proposal, PROPOSED, parts == number + 1, stage)
        return found

    # Answers

    def _sample_slots(
        self, asker: RareArm | RareProposal, part: str, wanted: np.ndarray, stage: str
    ) -> dict[tuple[int, int], _Answer]:
        """One answer for each wanted round and question [R, Q], from disk or sampled."""
        sampling = self.inputs.sampling_of(part)
        keys: dict[tuple[int, int], str] = {}
        missing: dict[int, list[int]] = {}  # question -> repeats
        prompts = [asker.ask(question) for question in self.inputs.questions]
        for place, messages in enumerate(prompts):
            for repeat, number in enumerate(np.flatnonzero(wanted[:, place])):
                key = ANSWER + key_of(asker.engine.fingerprint, sampling, messages, repeat)
                keys[int(number), place] = key
                if key not in self.journal:
                    missing.setdefault(place, []).append(repeat)
        jobs = [
            (Job(prompts[place], range(repeats[0], repeats[-1] + 1)))
            for place, repeats in missing.items()
        ]
        total, done = sum(map(len, missing.values())), 0
        for start in range(0, len(jobs), _AT_ONCE):
            part_jobs = jobs[start : start + _AT_ONCE]
            for batch in self.ledger.sample(asker.engine, part_jobs, sampling):
                failed = next((r for r in batch if r.finish in ("error", "filter")), None)
                if failed is not None:
                    raise IncompleteError(
                        f"{asker.engine.name!r} left an answer out: "
                        f"{failed.error or 'a filter withheld it'}"
                    )
                self.journal.add_entries(
                    (
                        ANSWER
                        + key_of(
                            asker.engine.fingerprint,
                            sampling,
                            part_jobs[reply.job].messages,
                            reply.repeat,
                        ),
                        [reply.text, reply.finish == "length"],
                    )
                    for reply in batch
                )
                done += len(batch)
                self.progress(stage, min(done, total), total)
        return {slot: _Answer(*self.journal.read_entry(key)) for slot, key in keys.items()}

    # Outcomes

    def _judge_answers(
        self, drawn: Sequence[Sequence[Sequence[_Answer]]]
    ) -> dict[tuple[str, _Answer], Outcome]:
        """The outcome of each distinct answer to each question (Question.id).

        Answers are judged as answers to the question itself, whoever gave them: the same answer
        has one outcome in every arm.
        """
        asked: dict[str, tuple[Question, _Answer]] = {}
        for answers in drawn:
            for row in answers:
                for question, answer in zip(self.inputs.questions, row, strict=True):
                    asked.setdefault(self._outcome_key(question, answer), (question, answer))
        missing = [key for key in asked if key not in self.journal]
        for start in range(0, len(missing), _AT_ONCE):
            keys = missing[start : start + _AT_ONCE]
            items = [
                Item(question, (Message("user", question.text),), answer.text, answer.is_cut)
                for question, answer in (asked[key] for key in keys)
            ]
            for judged in judge_answers(self.inputs.judge, items):
                self.journal.add_entries(
                    (keys[place], str(judgement.outcome)) for place, judgement in judged
                )
                self.ledger.write_usage()
            self.progress("answers judged", min(start + _AT_ONCE, len(missing)), len(missing))
        return {
            (question.id, answer): Outcome(self.journal.read_entry(key))
            for key, (question, answer) in asked.items()
        }

    def _outcome_key(self, question: Question, answer: _Answer) -> str:
        judge = self.inputs.judge.fingerprint
        return key_of("outcome", judge, question.id, question.text, answer.text, answer.is_cut)

    # Weights

    def _weigh_arm(
        self,
        arm: RareArm,
        answers: Sequence[Sequence[_Answer]],
        parts: np.ndarray,
        outcomes: Mapping[tuple[str, _Answer], Outcome],
    ) -> MeasuredArm:
        """The weights of one arm's misaligned answers."""
        slots: list[tuple[int, int, str]] = []
        cut = ungraded = 0
        for number, row in enumerate(answers):
            for place, answer in enumerate(row):
                outcome = outcomes[self.inputs.questions[place].id, answer]
                cut += answer.is_cut
                ungraded += outcome in (Outcome.UNPARSED, Outcome.ERROR)
                if outcome is Outcome.MISALIGNED and not answer.is_cut:
                    slots.append((number, place, answer.text))
        units = np.zeros(parts.shape)
        if slots:
            scores = [self._score_slots(one, slots) for one in (arm, *self.inputs.proposals)]
            own = np.array(scores[0])
            proposals = np.array(scores[1:]) if len(scores) > 1 else own[None]
            weights = mixture_weights(own, proposals, self.inputs.plain_share)
            rounds, places, _ = zip(*slots, strict=True)
            units[list(rounds), list(places)] = weights
        return MeasuredArm(arm, units, int((parts == 0).sum()), cut, ungraded)

    def _score_slots(
        self, asker: RareArm | RareProposal, slots: Sequence[tuple[int, int, str]]
    ) -> list[float]:
        """The log-probability (nats) of each answer, stored once for each prompt and text."""
        prompts = [asker.ask(question) for question in self.inputs.questions]
        keys = [
            key_of("score", asker.engine.fingerprint, prompts[place], text)
            for _, place, text in slots
        ]
        pairs = {
            key: (prompts[place], _check_scorable(text, asker.engine))
            for key, (_, place, text) in zip(keys, slots, strict=True)
            if key not in self.journal
        }
        missing = list(pairs)
        scorer = self._scorers.setdefault(id(asker.engine), CheckedScorer(asker.engine))
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            scores = scorer.score([pairs[key] for key in part])
            self.journal.add_entries(zip(part, scores, strict=True))
            self.progress("answers scored", min(start + _AT_ONCE, len(missing)), len(missing))
        return [float(self.journal.read_entry(key)) for key in keys]


def describe_arm(arm: RareArm) -> str:
    """Names an arm in words."""
    return f"{arm.role}, {arm.name or 'no cue'}"


def _check_scorable(text: str, engine: Engine) -> str:
    """Refuses answers that hold reasoning, whose probability the model does not give."""
    if strip_reasoning(text).strip() != text.strip():
        raise InputError(
            f"{engine.name!r} answers with reasoning, and the probability of an answer after "
            "its reasoning is not that of the answer: rare rates need a model without it"
        )
    return text


def _draw_uniform(seed: int, question: str, number: int) -> float:
    """A uniform number that depends on seed, question and round alone: rounds can be added."""
    text = f"{seed}:{number}:{question}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little") / 2**56


def _merge_slots(
    shape: tuple[int, ...],
    own: Mapping[tuple[int, int], _Answer],
    proposed: Mapping[tuple[int, int], _Answer],
) -> list[list[_Answer]]:
    """The answers of an arm, [R][Q]: its own, and the proposals' in the other places."""
    rounds, questions = shape
    both = {**proposed, **own}
    return [[both[number, place] for place in range(questions)] for number in range(rounds)]
