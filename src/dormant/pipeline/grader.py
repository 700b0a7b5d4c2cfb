"""Judges the answers of an audit in random order, and the first of them again.

All models' answers to a request are judged together, in an order that the plan's seed draws: a
judge that becomes stricter or milder during the run does so for target and reference alike. The
first answers that it sees are judged twice at once (test-retest) and once more when all else is
judged (drift).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dormant.errors import DormantError
from dormant.judges import Item, Judge, judge_answers, list_judges, reaches_judge
from dormant.judges.known_answers import KNOWN_ANSWERS
from dormant.probes import pair_probes
from dormant.progress import WAITING, Progress
from dormant.records import Outcome, Plan, Probe
from dormant.store import PendingAnswer, Store
from dormant.store.repeats import Occasion, note_early, read_early, read_judgements, repeat_key
from dormant.store.replies import Replies

_JUDGED_AT_ONCE = 2000


class AnswerGrader:
    """Judges what a run's store holds without a judgement.

    Args:
        store: the open run.
        plan: the frozen audit.
        judge: the judge.
        replies: replies of the judge's model that were paid for before.
        progress: called with (stage, done, total).
        check_time: called after each batch; may raise to end the run.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        judge: Judge,
        replies: Replies,
        *,
        progress: Progress,
        check_time: Callable[[], None],
    ):
        self._store, self._plan, self._judge, self._replies = store, plan, judge, replies
        self._progress, self._check_time = progress, check_time

    def judge_pending(self, probes: Sequence[Probe], stage: str) -> None:
        """Judges the answers to some prompts, of every model together."""
        known = {probe.id: probe for probe in probes}
        fingerprint = self._judge.fingerprint
        self._judge_again(Occasion.RETEST, known)  # where the run was interrupted before that
        waiting = self._store.list_pending(fingerprint, known, seed=self._plan.seed)
        count = _Counter(self._progress, f"{stage} judgements", len(waiting))
        for start in range(0, len(waiting), _JUDGED_AT_ONCE):
            answers = self._store.read_answers(waiting[start : start + _JUDGED_AT_ONCE])
            early = self._note_early(answers, known)
            first = [answer for answer in answers if answer.answer in early]
            rest = [answer for answer in answers if answer.answer not in early]
            if first:
                self._judge_batch(self._judge, fingerprint, first, known, count)
                self._judge_again(Occasion.RETEST, known)
            self._judge_batch(self._judge, fingerprint, rest, known, count)

    def judge_early_again(self) -> None:
        """Judges the first answers of the run again, now that all else is judged."""
        if self._repeats:
            probes = pair_probes(self._plan.questions, self._plan.cues)
            self._judge_again(Occasion.LATE, {probe.id: probe for probe in probes})

    @property
    def _repeats(self) -> int:
        return self._plan.judge_repeats

    def _note_early(
        self, answers: Sequence[PendingAnswer], known: Mapping[str, Probe]
    ) -> frozenset[int]:
        """Early answers of the run, with as many of these as are lacking, which are noted first.

        Only answers that the judge itself sees, and each text about a question once: a judge is
        asked about equal ones once, and the tests of the judge take its judgements as independent.
        """
        if not self._repeats:
            return frozenset()
        fingerprint = self._judge.fingerprint
        noted = read_early(self._store, fingerprint)
        new: list[int] = []
        if len(noted) < self._repeats:
            everything = {p.id: p for p in pair_probes(self._plan.questions, self._plan.cues)}
            earlier = self._store.read_answers(noted)
            seen = {(everything[a.probe].question.id, a.text) for a in earlier}
            for answer in answers:
                place = (known[answer.probe].question.id, answer.text)
                item = _make_item(answer, known[answer.probe])
                if place not in seen and reaches_judge(self._judge, item):
                    seen.add(place)
                    new.append(answer.answer)
                if len(noted) + len(new) == self._repeats:
                    break
        if new:
            note_early(self._store, fingerprint, new)
        return frozenset((*noted, *new))

    def _judge_again(self, occasion: Occasion, known: Mapping[str, Probe]) -> None:
        """Judges early answers again that have a judgement, and none of this occasion."""
        judge = self._judge.make_repeat(1 + list(Occasion).index(occasion))
        if judge is None or not self._repeats:
            return
        fingerprint = self._judge.fingerprint
        key = repeat_key(fingerprint, occasion)
        early = read_early(self._store, fingerprint)
        judged = read_judgements(self._store, fingerprint, early)
        known_again = read_judgements(self._store, key, early)
        rows = [row for row in early if row in judged and row not in known_again]
        answers = [a for a in self._store.read_answers(rows) if a.probe in known]
        count = _Counter(self._progress, f"{occasion} judgements", len(answers))
        self._judge_batch(judge, key, answers, known, count)

    def _judge_batch(
        self,
        judge: Judge,
        key: str,
        answers: Sequence[PendingAnswer],
        known: Mapping[str, Probe],
        count: _Counter,
    ) -> None:
        """Judges answers and stores each judgement under a key as soon as it is there."""
        items = [_make_item(answer, known[answer.probe]) for answer in answers]
        count.add(0)
        for batch in judge_answers(judge, items, self._replies):
            rows = [(answers[index].answer, judgement) for index, judgement in batch]
            self._store.add_judgements(key, rows)
            count.add(len(batch))
            self._check_time()


def forget_failures(store: Store, judge: Judge, plan: Plan) -> int:
    """Drops failed answers and judgements of a run, to be tried again; returns how many.

    A judge that decides nothing and does not answer undoes no finished run.
    """
    is_finished = (store.path / "verdict.json").exists()
    question = plan.questions[0].id
    return store.forget_errors(lambda: not is_finished or _all_beside_answer(judge, question))


def _all_beside_answer(judge: Judge, question: str) -> bool:
    """Whether every judge beside the first replies now; each is asked about one known answer."""
    item = KNOWN_ANSWERS[0].make_item(question)
    for beside in list_judges(judge)[1:]:
        alone = beside.make_repeat(len(Occasion) + 1)
        try:
            [judgement] = alone.judge([item]) if alone is not None else [None]
        except DormantError:
            return False
        if judgement is not None and judgement.outcome is Outcome.ERROR:
            return False
    return True


class _Counter:
    """Reports how many judgements are made."""

    def __init__(self, progress: Progress, stage: str, total: int):
        self._progress, self._stage, self._total, self._done = progress, stage, total, 0

    def add(self, number: int) -> None:
        """Counts judgements; none where the server kept the judge waiting."""
        waits = self._done and not number
        self._done += number
        stage = f"{WAITING} of the judge" if waits else self._stage
        self._progress(stage, self._done, self._total)


def _make_item(answer: PendingAnswer, probe: Probe) -> Item:
    return Item(probe.question, probe.messages, answer.text, is_cut=answer.is_cut)
