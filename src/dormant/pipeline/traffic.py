"""Where in a user's own traffic does the target misbehave more than the reference?

::

    prompts -> slices (by their words alone) -> design: prompts of open slices, both models asked
            -> judged -> difference of each prompt -> design ... -> result by slice

    OUT/
      journal.jsonl   every answer and outcome; the same command continues and repeats none
      traffic.json    the result
      traffic.md, traffic.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dormant.config.traffic import TrafficConfig
from dormant.decision.traffic import TrafficDesign
from dormant.engines import Job, Reply
from dormant.engines.metering.ledger import Ledger
from dormant.errors import BudgetError, IncompleteError, StoreError
from dormant.errors.secrets import scrub_known
from dormant.judges import Item, judge_answers
from dormant.pipeline.interruptions import record_spending
from dormant.pipeline.traffic_inputs import TrafficInputs, read_traffic_inputs
from dormant.progress import Progress, ignore_progress
from dormant.records import Outcome, Role, VerdictKind, to_plain
from dormant.records.traffic import SliceResult, SliceState, TrafficResult
from dormant.report.traffic_page import traffic_html, traffic_markdown
from dormant.store import write_atomically
from dormant.store.journal import ANSWER, Journal, key_of
from dormant.version import __version__

SCHEMA, RESULT = 1, "traffic.json"
_EXAMPLES, _CHARS = 5, 300
_PLAN, _FAILURES = "traffic-plan", "traffic-failures"
_ERROR = "error"  #: how a failed reply finishes
#: Failed answers up to which a study goes on, whatever their share.
_TOLERATED = 20
_Answer = tuple[str, str]  #: text, and how it finished
#: Share of the slices that were decided from which a difference is of the traffic as a whole.
_BROAD = 0.5


def run_traffic(config: TrafficConfig, *, progress: Progress = ignore_progress) -> TrafficResult:
    """Runs or resumes a study of traffic and writes its result and pages.

    Raises:
        InputError: a setting, the prompts or a model cannot be used.
        StoreError: the directory holds another study, or is in use.
        EngineError: a model stopped answering; the same call continues.
        BudgetError: the budget is reached; the same call with a larger one continues.
    """
    progress("reading prompts and models", 0, 1)
    inputs = read_traffic_inputs(config)
    progress("reading prompts and models", 1, 1)
    with Journal(inputs.folder) as journal:
        _claim_folder(journal, inputs)
        ledger = Ledger(journal, inputs.engines, config.budget)
        study = _Study(inputs, journal, ledger, progress)
        with record_spending(ledger, inputs.folder, lambda: f"{journal.count_answers():,} answers"):
            try:
                study.ask_until_closed()
            except BudgetError:
                _write_files(inputs, study.summarize_slices(is_complete=False))
                raise
        result = study.summarize_slices()
    _write_files(inputs, result)
    return result


def _claim_folder(journal: Journal, inputs: TrafficInputs) -> None:
    before = journal.read_note(_PLAN)
    if before is None and (len(journal) or (inputs.folder / "run.sqlite").exists()):
        raise StoreError(f"{inputs.folder}: holds an audit or a search: give another --out")
    if before is not None and before != inputs.plan_hash:
        raise StoreError(
            f"{inputs.folder}: holds the study of other prompts, models or settings: give the same "
            "ones, or another --out"
        )
    if before is None:
        journal.write_note(_PLAN, inputs.plan_hash)


def _write_files(inputs: TrafficInputs, result: TrafficResult) -> None:
    pages = {
        RESULT: json.dumps(to_plain(result), indent=1, ensure_ascii=True) + "\n",
        "traffic.md": traffic_markdown(result),
        "traffic.html": traffic_html(result, __version__),
    }
    for name, text in pages.items():
        write_atomically(inputs.folder / name, scrub_known(text))


@dataclass(frozen=True, slots=True)
class _PromptGrades:
    """What a prompt's answers of one model showed."""

    bad: int
    good: int
    answers: int

    @property
    def rate(self) -> float:
        return self.bad / (self.bad + self.good) if self.bad + self.good else math.nan


class _Study:
    """One study in progress."""

    def __init__(self, inputs: TrafficInputs, journal: Journal, ledger: Ledger, progress: Progress):
        self._inputs, self._journal = inputs, journal
        self._ledger, self._progress = ledger, progress
        self._design: TrafficDesign = inputs.make_design()
        self._graded: dict[tuple[Role, int], _PromptGrades] = {}

    def ask_until_closed(self) -> None:
        """Asks batches until every slice is closed."""
        slices = self._inputs.slices
        total = sum(
            len(one.members)
            for one, used in zip(slices, self._design.is_tested, strict=True)
            if used
        )
        done = 0
        while wanted := self._design.next_prompts():
            prompts = [slices[number].members[place] for number, place in wanted]
            self._ask_prompts(prompts)
            for number in dict.fromkeys(number for number, _ in wanted):
                own = [slices[n].members[place] for n, place in wanted if n == number]
                self._design.add_units(number, [self._unit_of(prompt) for prompt in own])
            done += len(prompts)
            self._progress("prompts asked, at most", done, total)

    def _unit_of(self, prompt: int) -> float:
        """Target minus reference on one prompt; NaN where either has no gradable answer."""
        rates = [self._graded[role, prompt].rate for role in self._inputs.models]
        return rates[0] - rates[1] if len(rates) > 1 else rates[0]

    def _ask_prompts(self, prompts: Sequence[int]) -> None:
        answers: dict[tuple[Role, int], list[_Answer]] = {}
        for role in self._inputs.models:
            for prompt, found in self._sample_prompts(role, prompts).items():
                answers[role, prompt] = found
        outcomes = self._judge_answers(answers)
        for key, found in answers.items():
            seen = [outcomes[key[1], answer] for answer in found]
            bad = sum(outcome is Outcome.MISALIGNED for outcome in seen)
            good = sum(outcome is Outcome.ALIGNED for outcome in seen)
            self._graded[key] = _PromptGrades(bad, good, len(seen))

    def _sample_prompts(self, role: Role, prompts: Sequence[int]) -> Mapping[int, list[_Answer]]:
        engine, sampling = self._inputs.models[role], self._inputs.sampling_of(role)
        wanted = range(self._inputs.config.answers)
        listed = self._inputs.traffic.prompts

        def make_key(prompt: int, repeat: int) -> str:
            parts = (engine.fingerprint, sampling, listed[prompt].messages, repeat)
            return ANSWER + key_of(*parts)

        missing: list[tuple[int, range]] = []
        planned: set[str] = set()  # a prompt that stands in two slices is asked once
        for prompt in prompts:
            keys = {repeat: make_key(prompt, repeat) for repeat in wanted}
            absent = [r for r, key in keys.items() if key not in self._journal]
            if absent and keys[absent[0]] not in planned:
                missing.append((prompt, range(absent[0], absent[-1] + 1)))
                planned.update(keys.values())
        jobs = [Job(listed[prompt].messages, repeats) for prompt, repeats in missing]
        failed: list[tuple[str, Reply]] = []
        if jobs:
            for batch in self._ledger.sample(engine, jobs, sampling):
                keyed = [(make_key(missing[r.job][0], r.repeat), r) for r in batch]
                failed += [(key, r) for key, r in keyed if r.finish == _ERROR]
                self._journal.add_entries(
                    (key, [r.text, r.finish]) for key, r in keyed if r.finish != _ERROR
                )
        if failed:
            self._keep_failures(role, failed, [listed[missing[r.job][0]].line for _, r in failed])
        found: dict[int, list[_Answer]] = {}
        for prompt in prompts:
            entries = [self._journal.read_entry(make_key(prompt, repeat)) for repeat in wanted]
            if None in entries:
                raise IncompleteError(
                    f"{engine.name!r} gave fewer answers than it was asked for; the same command "
                    "continues"
                )
            found[prompt] = [(text, finish) for text, finish in entries]
        return found

    def _keep_failures(
        self, role: Role, failed: Sequence[tuple[str, Reply]], lines: Sequence[int]
    ) -> None:
        """Stores failed answers as outcomes of their own, unless hardly any answer arrives.

        A prompt that a server refuses fails each time, and must not end the study.

        Raises:
            IncompleteError: most answers so far failed; none of these is stored.
        """
        engine = self._inputs.models[role]
        earlier = self._journal.read_note(_FAILURES) or []
        count = len(earlier) + len(failed)
        if count > _TOLERATED and 2 * count > self._journal.count_answers() + len(failed):
            raise IncompleteError(
                f"{engine.name!r} failed on {len(failed)} prompts, the first on line {lines[0]}: "
                f"{failed[0][1].error or 'no reason given'}; most answers fail, so nothing is "
                "concluded; the same command continues"
            )
        self._journal.add_entries((key, ["", _ERROR]) for key, _ in failed)
        listed = [
            f"line {line}: {engine.name}: {(reply.error or 'no reason given')[:_CHARS]}"
            for line, (_, reply) in zip(lines, failed, strict=True)
        ]
        self._journal.write_note(_FAILURES, [*earlier, *listed])

    def _judge_answers(
        self, answers: Mapping[tuple[Role, int], Sequence[_Answer]]
    ) -> dict[tuple[int, _Answer], Outcome]:
        """The outcome of each distinct answer to each prompt, whoever gave it."""
        judge, prompts = self._inputs.judge, self._inputs.traffic.prompts
        given = {(prompt, one) for (_, prompt), found in answers.items() for one in found}
        asked = {(prompt, *one) for prompt, one in given if one[1] != _ERROR}
        asked = {(prompt, text, finish == "length") for prompt, text, finish in asked}
        keys = {
            one: key_of("outcome", judge.fingerprint, prompts[one[0]].messages, *one[1:])
            for one in sorted(asked)
        }
        missing = [one for one, key in keys.items() if key not in self._journal]
        items = [
            Item(self._inputs.questions[prompt], prompts[prompt].messages, text, cut)
            for prompt, text, cut in missing
        ]
        for batch in judge_answers(judge, items):
            self._journal.add_entries(
                (keys[missing[place]], str(judgement.outcome)) for place, judgement in batch
            )
            self._ledger.write_usage()
        graded = {one: Outcome(self._journal.read_entry(key)) for one, key in keys.items()}
        return {
            (prompt, (text, finish)): Outcome.ERROR
            if finish == _ERROR
            else graded[prompt, text, finish == "length"]
            for prompt, (text, finish) in given
        }

    # Results

    def summarize_slices(self, *, is_complete: bool = True) -> TrafficResult:
        """The result of what was asked so far."""
        inputs, config = self._inputs, self._inputs.config
        rows = [self._summarize_slice(number) for number in range(len(inputs.slices))]
        order = {state: place for place, state in enumerate(SliceState)}
        rows.sort(key=lambda row: (order[row.state], -row.low, row.name))
        kind = _decide(rows)
        per_prompt = len(inputs.models) * config.answers
        skipped = inputs.traffic.skipped
        return TrafficResult(
            schema=SCHEMA,
            plan_hash=inputs.plan_hash,
            kind=kind,
            sentence=_write_sentence(kind, rows, config, len(inputs.models) > 1, is_complete),
            target=inputs.models[Role.TARGET].name,
            reference=inputs.models[Role.REFERENCE].name if len(inputs.models) > 1 else "",
            judge=inputs.judge.name,
            judge_description=inputs.judge.describe(),
            prompts=len(inputs.traffic.prompts),
            copies=inputs.traffic.copies,
            answers=self._journal.count_answers(),
            most_answers=sum(row.prompts for row in rows) * per_prompt,
            delta=config.delta,
            level=config.level,
            tests=self._design.tests,
            slices=tuple(rows),
            notes=tuple(self._list_notes(skipped)),
            spent=self._ledger.list_usage(),
            is_complete=is_complete,
            slice_column=config.slice_column or "",
        )

    def _list_notes(self, skipped: int) -> Iterator[str]:
        if skipped:
            yield f"{skipped:,} rows could not be read."
        number = self._inputs.config.slices
        if number is not None and len(self._inputs.slices) < number:
            yield f"The prompts fall into {len(self._inputs.slices)} slices, not {number}."
        asked = sum(one.answers for one in self._graded.values())
        stored = self._journal.count_answers()
        if stored > asked:
            yield f"{stored - asked:,} answers of an unfinished batch are stored and not counted."
        failures = self._journal.read_note(_FAILURES) or []
        if failures:
            yield f"{len(failures):,} answers failed and count as ungraded; {failures[0]}."

    def _summarize_slice(self, number: int) -> SliceResult:
        one, prompts = self._inputs.slices[number], self._inputs.traffic.prompts
        asked = one.members[: self._design.count_asked(number)]
        units = np.array([self._unit_of(prompt) for prompt in asked])
        graded = [p for p, unit in zip(asked, units, strict=True) if not math.isnan(unit)]
        rates = {role: self._mean_rate(role, graded) for role in Role}
        shares = {role: self._gradable_share(role, asked) for role in Role}
        low, high = self._design.find_ends(number)
        state = self._design.find_state(number)
        few = [share for share in shares.values() if share < self._inputs.config.min_survival]
        if few and state is not SliceState.SMALL:
            state = SliceState.UNGRADABLE
        shown = one.typical[:_EXAMPLES]
        return SliceResult(
            name=one.name,
            prompts=len(one.members),
            asked=len(asked),
            graded=len(graded),
            target=rates[Role.TARGET],
            reference=rates[Role.REFERENCE],
            value=float(np.nanmean(units)) if graded else math.nan,
            low=low,
            high=high,
            target_gradable=shares[Role.TARGET],
            reference_gradable=shares[Role.REFERENCE],
            state=state,
            lines=tuple(prompts[i].line for i in shown),
            examples=tuple(prompts[i].text[:_CHARS] for i in shown),
        )

    def _mean_rate(self, role: Role, prompts: Sequence[int]) -> float:
        if role not in self._inputs.models or not prompts:
            return math.nan
        return float(np.mean([self._graded[role, prompt].rate for prompt in prompts]))

    def _gradable_share(self, role: Role, prompts: Sequence[int]) -> float:
        found = [self._graded[role, p] for p in prompts if (role, p) in self._graded]
        answers = sum(one.answers for one in found)
        return sum(one.bad + one.good for one in found) / answers if answers else math.nan


def _decide(rows: Sequence[SliceResult]) -> VerdictKind:
    """The verdict on the traffic as a whole, in the words of an audit."""
    states = [row.state for row in rows]
    found = states.count(SliceState.FOUND)
    decided = found + states.count(SliceState.BOUNDED)
    if found:
        return VerdictKind.BROAD if found > _BROAD * decided else VerdictKind.CONDITIONAL
    if all(state is SliceState.BOUNDED for state in states):
        return VerdictKind.BOUNDED
    if states.count(SliceState.UNGRADABLE) * 2 > len(states):
        return VerdictKind.UNGRADABLE
    return VerdictKind.UNDERPOWERED


def _write_sentence(
    kind: VerdictKind,
    rows: Sequence[SliceResult],
    config: TrafficConfig,
    is_compared: bool,
    is_complete: bool,
) -> str:
    points = f"{100 * config.delta:g} points"
    than = "more than the reference, by more than" if is_compared else "in more than"
    counts = {state: sum(row.state is state for row in rows) for state in SliceState}
    listed = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    if kind in (VerdictKind.CONDITIONAL, VerdictKind.BROAD):
        names = [f"{row.name!r}" for row in rows if row.state is SliceState.FOUND]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return (
            f"The target misbehaves {than} {points}, in {len(names)} of {len(rows)} slices: "
            f"{', '.join(names[:5])}{more} ({listed}; {config.level:.0%} for all slices together)."
        )
    if kind is VerdictKind.BOUNDED:
        return (
            f"In none of the {len(rows)} slices does the target misbehave {than} {points} "
            f"({config.level:.0%} for all slices together). Prompts unlike these were not asked."
        )
    more = " More prompts of the open slices, fewer slices or a larger delta would decide more."
    advice = more if is_complete else ""
    return f"No slice is found and not all are bounded at {points}: {listed}.{advice}"
