"""The sequential design: answers are bought where they can still change the verdict.

Questions come in a random order that the plan's seed fixes, a few at a time, with few answers
each. After every batch each cue has anytime-valid bounds (``stats.betting``), and

- a cue whose upper bound is below delta is settled and not asked again;
- a cue that looks bad is asked held-out questions at once, with fresh answers, and is a trigger
  when the bets on those alone have won enough for Holm's first step over all candidates and the
  standard arm, and other bets have shown as surely that its answers can be graded;
- the standard arm, which every cue shares, is judged in the same way;
- a cue that questions alone cannot settle is asked as the fixed design would ask it: one last look.

The path may spend half of the error, the last look the other half, so every claim keeps the error
that the fixed design gives it. docs/design/sequential.md is its one page.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np

from dormant.decision.candidates import pick_candidates
from dormant.decision.counts import Ledger, arms_of
from dormant.decision.fixed import estimate_plan
from dormant.decision.gradability import Gradability
from dormant.decision.steps import Ask, Decision, Steps, placebo_of
from dormant.decision.verdict import decide
from dormant.records import (
    Cell,
    Cue,
    Estimate,
    PathPoint,
    Plan,
    Quantity,
    Question,
    Sequential,
    Split,
    Variant,
    digest,
)
from dormant.stats.betting import Bets
from dormant.stats.table import Floats

METHOD = "betting confidence sequence over questions, valid at any time (aGRAPA)"
_SHOWN = 4  #: cues whose path is kept


def run_sequential(plan: Plan, ranking: Sequence[str] = ()) -> Steps:
    """The sequential design as steps; see the module.

    Args:
        plan: the frozen audit, with ``plan.sequential``.
        ranking: names of cues, those to be asked first in front.
    """
    assert plan.sequential is not None
    path = _Path(plan, plan.sequential, ranking)
    while (ask := path.next()) is not None:
        path.learn(ask, (yield ask))
    for ask in path.placebos():
        path.ledger.add((yield ask))
    undecided = path.undecided()
    yield from path.last_look(undecided)
    return path.decision(undecided)


def order(plan: Plan, split: Split) -> tuple[Question, ...]:
    """The questions of one half in the random order that the plan's seed fixes."""
    half = [q for q in plan.questions if q.split is split]
    return tuple(sorted(half, key=lambda q: digest([plan.seed, "order", q.id])))


class _Path:
    """What is known so far, and what that makes of each cue. Row 0 is the standard difference."""

    def __init__(self, plan: Plan, how: Sequential, ranking: Sequence[str]):
        self.plan, self.how, self.rule = plan, how, plan.rule
        self.ledger = Ledger(plan)
        place = {name: i for i, name in enumerate(ranking)}
        tried = [cue for cue in plan.cues if cue.variant is not Variant.PLACEBO]
        self.cues = sorted(tried, key=lambda cue: place.get(cue.name, len(place)))
        self.rows = {cue.name: row for row, cue in enumerate(self.cues, 1)}
        rows = 1 + len(self.cues)
        tail = (1 - self.rule.level) / 2
        self.bets: dict[Split | None, Bets] = {
            basis: Bets(rows, delta=self.rule.delta, tail=tail) for basis in (*Split, None)
        }
        self.order = {split: order(plan, split) for split in Split}
        self.at = {split: np.zeros(rows, dtype=np.int64) for split in Split}
        self._held_out = len(self.order[Split.HELD_OUT])
        self.candidates: list[int] = []  # rows that held-out questions test, in their order
        self.screened = False  # whether screening has named the rest of the candidates
        self.size = np.full(rows, how.answers)  # answers to the next question
        self.suspects: set[int] = set()  # candidates that looked bad enough not to wait
        self.faint: set[int] = set()  # rows whose answers can hardly be graded
        self.gradable: dict[int, Gradability] = {}  # of the standard arm and the candidates
        self.looked: dict[int, Estimate] = {}  # what the last look says of a row's bound
        self.points: list[PathPoint] = []

    # What is settled

    def bounded(self, row: int) -> bool:
        """Whether the path has ruled out delta, on as many questions as the rule asks for."""
        enough = self.bets[None].count[row] >= self.rule.questions_to_bound
        return bool(
            enough and self.bets[None].log_below[row] >= math.log(2 / (1 - self.rule.level))
        )

    def found(self, row: int) -> bool:
        """Whether the path has shown more than delta (the standard arm on all its questions)."""
        if row and row not in self.candidates:
            return False
        basis = Split.HELD_OUT if row else None
        risen = self._shown(float(self.bets[basis].p_above[row]))
        return risen and self.gradability_shown(row) and self._is_gradable(row, basis)

    def _shown(self, p: float) -> bool:
        """Whether a path's p-value is enough for Holm's first step, at the path's half."""
        return 2 * p <= (1 - self.rule.level) / self.rule.hypotheses

    def gradability_shown(self, row: int) -> bool:
        """Whether the path has shown that a row's arms survive as the rule demands."""
        return row in self.gradable and self._shown(self.gradable[row].p)

    def _is_gradable(self, row: int, basis: Split | None) -> bool:
        cue = self.cues[row - 1].name if row else None
        return self.ledger.is_gradable(cue, basis)

    def _settled(self, row: int) -> bool:
        return self.bounded(row) or self.found(row)

    def certain(self) -> bool:
        """Whether nothing that could be bought would change the verdict's kind."""
        if self.how.until != "verdict":
            return False
        if self.found(0):
            return True
        return self.bounded(0) and any(map(self.found, self.candidates))

    # What to ask

    def next(self) -> Ask | None:
        """The next batch; None where questions have done what they can."""
        if self.certain():
            return None
        only_standard = self.how.until == "verdict" and any(map(self.found, self.candidates))
        if only_standard:
            return self._batch((), "standard")
        testing = [row for row in self.candidates if self._asks(row, Split.HELD_OUT)]
        if testing and not self.screened:
            rows = testing[:1] if self.how.until == "verdict" else testing
            return self._batch(rows, "held-out", Split.HELD_OUT)
        lead = range(1, 1 + self.how.first)
        open_ = [row for row in range(1, 1 + len(self.cues)) if self._asks(row, Split.SCREENING)]
        leading = [r for r in open_ if r in lead and self.at[Split.SCREENING][r] < self.how.trial]
        if leading or open_:
            return self._batch(leading or open_, "screening", Split.SCREENING)
        self._close_screening()
        rest = [row for row in range(1, 1 + len(self.cues)) if self._asks(row, Split.HELD_OUT)]
        if rest:
            return self._batch(rest, "held-out", Split.HELD_OUT)
        return None if self._settled(0) else self._batch((), "standard")

    def _asks(self, row: int, split: Split) -> bool:
        """Whether a cue is still to be asked questions of a half."""
        left = self.at[split][row] < len(self.order[split])
        tested = row in self.candidates and self.at[Split.HELD_OUT][row] < self._held_out
        waits = split is Split.SCREENING and tested
        return left and not waits and row not in self.faint and not self._settled(row)

    def _batch(self, rows: Sequence[int], stage: str, split: Split | None = None) -> Ask | None:
        """The next questions of those rows that are furthest behind, or of the standard arm."""
        if split is None:
            split = next((s for s in Split if self.at[s][0] < len(self.order[s])), None)
            if split is None:
                return None
            rows = [0]
        start = min(int(self.at[split][row]) for row in rows)
        behind = [row for row in rows if self.at[split][row] == start]
        size = min(int(self.size[row]) for row in behind)
        together = [row for row in behind if self.size[row] == size]
        return Ask(
            split=split,
            questions=self.order[split][start : start + self.how.batch],
            cues=tuple(self.cues[row - 1] for row in together if row),
            answers=size,
            # Fewer where no cue shares them any more.
            standard_answers=-(-self.how.standard_answers // (1 if any(rows) else 2)),
            stage=stage,
        )

    def _close_screening(self) -> None:
        """What screening leaves open fills the candidates, most suspicious first."""
        if self.screened:
            return
        self.screened = True
        rows = self.rows
        self.faint = {r for r in rows.values() if not self._is_gradable(r, Split.SCREENING)}
        cells = self.ledger.cells()
        if not cells:  # no cue is listed
            return
        made = estimate_plan(self.plan, cells)
        open_ = [r for n in pick_candidates(made, self.rule, placebos=()) if (r := rows.get(n))]
        for row in open_:
            if len(self.candidates) < self.rule.candidates and row not in self.candidates:
                if row not in self.faint and not self.bounded(row):
                    self.candidates.append(row)

    # What the answers say

    def learn(self, ask: Ask, cells: Sequence[Cell]) -> None:
        """Takes in the counts of a batch."""
        self.ledger.add(cells)
        rows = [self.rows[cue.name] for cue in ask.cues]
        begun = int(self.at[ask.split][rows[0] if rows else 0])
        fresh = int(self.at[ask.split][0])
        moved: set[int] = set()  # cues that rose on a question
        for i, question in enumerate(ask.questions, begun):
            units = np.full(1 + len(self.cues), np.nan)
            if i >= fresh:
                units[0] = self.ledger.unit(question.id, None)
            for row in rows:
                units[row] = self.ledger.unit(question.id, self.cues[row - 1].name)
            self._bet(ask.split, units)
            self._grade(question, [*([0] if i >= fresh else []), *rows], ask.split)
            moved |= {row for row in rows if units[row] > 0}
        done = begun + len(ask.questions)
        self.at[ask.split][rows] = done
        self.at[ask.split][0] = max(fresh, done)
        self._resize(rows, moved)
        self._note([0, *rows])
        self._suspect()

    def _resize(self, rows: Sequence[int], moved: set[int]) -> None:
        """A cue that rose is asked more answers from now on: one bad answer weighs less then.

        How many depends on the cue's earlier questions only, which leaves the bets fair.
        """
        for row in rows:
            if row in self.suspects:
                self.size[row] = self.how.answers
            elif row in moved:
                self.size[row] = min(2 * self.size[row], self.how.most_answers)

    def _bet(self, split: Split, units: Floats) -> None:
        clipped = np.clip(units, -1.0, 1.0)
        self.bets[split].add(clipped)
        self.bets[None].add(clipped)

    def _grade(self, question: Question, rows: Sequence[int], split: Split) -> None:
        """Bets on survival: of candidates on held-out questions, of the standard arm on all."""
        for row in rows:
            if row == 0 or (row in self.candidates and split is Split.HELD_OUT):
                cue = self.cues[row - 1].name if row else None
                bets = self.gradable.setdefault(row, Gradability(len(arms_of(cue)), self.rule))
                bets.add(self.ledger.gradable_rates(question.id, cue))

    def _suspect(self) -> None:
        """Cues that look bad become candidates, the worst first."""
        wealth = self.bets[Split.SCREENING].log_above
        for row in sorted(range(1, 1 + len(self.cues)), key=lambda r: (-wealth[r], r)):
            enough = wealth[row] >= math.log(self.how.suspicion)
            room = len(self.candidates) < self.rule.candidates and not self.screened
            if enough and room and row not in self.candidates and not self.bounded(row):
                self.candidates.append(row)
                self.suspects.add(row)
                self.size[row] = self.how.answers

    def _note(self, rows: Sequence[int]) -> None:
        bets, answers = self.bets[None], self.ledger.answers
        for row in rows:
            cue = self.cues[row - 1].name if row else None
            low, high = float(bets.low_of(row)), float(bets.high_of(row))
            self.points.append(PathPoint(cue, answers, int(bets.count[row]), low, high))

    # The end

    def placebos(self) -> list[Ask]:
        """The placebos of the triggers, on the questions that confirmed them."""
        of = placebo_of(self.plan.cues)
        by_name = {cue.name: cue for cue in self.plan.cues}
        wanted: dict[str, tuple[Cue, int]] = {}
        for row in filter(self.found, self.candidates):
            name = of.get(self.cues[row - 1].name)
            if name is not None:
                asked = int(self.at[Split.HELD_OUT][row])
                wanted[name] = (by_name[name], max(asked, wanted.get(name, (None, 0))[1]))
        return [
            Ask(
                split=Split.HELD_OUT,
                questions=self.order[Split.HELD_OUT][:asked],
                cues=(cue,),
                answers=self.how.answers,
                standard_answers=self.how.standard_answers,
                stage="placebo",
            )
            for cue, asked in wanted.values()
        ]

    def undecided(self) -> list[int]:
        """Rows that get a last look: those whose answers could still change the verdict."""
        if self.certain():
            return []
        rows = [row for row in range(1 + len(self.cues)) if not self._settled(row)]
        decided = self.how.until == "verdict" and any(map(self.found, self.candidates))
        return [row for row in rows if row not in self.faint and not (row and decided)]

    def last_look(self, rows: Sequence[int]) -> Generator[Ask, Sequence[Cell]]:
        """All questions, as the fixed design asks them; what stays open is tested on more."""
        if not rows:
            return
        few, many = self.rule.screening_answers, self.rule.confirm_answers
        for split in Split:
            self.ledger.add((yield self._all(split, rows, few)))
        made = estimate_plan(self.plan, self.ledger.cells())
        whole = [e for e in made if self._reads(e) and e.split is None]
        self.looked = {row: e for e in whole if (row := self._row(e)) in rows}
        tested = [r for r in self.candidates if r in rows and not self._ruled_out(r)]
        if tested or (0 in rows and not self._ruled_out(0)):
            self.ledger.add((yield self._all(Split.HELD_OUT, tested, many)))

    def _all(self, split: Split, rows: Sequence[int], answers: int) -> Ask:
        cues = tuple(self.cues[row - 1] for row in rows if row)
        return Ask(split, self.order[split], cues, answers, answers, "last")

    def _ruled_out(self, row: int) -> bool:
        """Whether the last look has ruled out delta."""
        return row in self.looked and self.rule.rules_out_delta(self.looked[row])

    def decision(self, looked: Sequence[int]) -> Decision:
        """The verdict, by the rule of the fixed design."""
        cells = self.ledger.cells()
        made = tuple(self._estimate(e, looked) for e in estimate_plan(self.plan, cells))
        # A few questions cannot say that a cue is gradable: a last look can, and so can bets.
        tested = [r for r in self.candidates if r in looked or self.gradability_shown(r)]
        names = [self.cues[row - 1].name for row in tested]
        verdict = decide(self.plan, made, candidates=names)
        left_out = (*self._not_asked(), *verdict.not_tested)
        verdict = replace(verdict, not_tested=left_out)
        return Decision(verdict, cells, self._drawn(verdict.triggers))

    def _not_asked(self) -> Iterator[str]:
        asked = sum(self.bets[None].count[1:] > 0)
        if asked < len(self.cues):
            yield (
                f"{len(self.cues) - asked} of the {len(self.cues)} listed cues, which could not "
                "have changed the verdict any more"
            )

    def _estimate(self, e: Estimate, looked: Sequence[int]) -> Estimate:
        """An estimate of the fixed design, with what holds of it under the sequential one.

        A difference that had a last look keeps the fixed interval; the others get the anytime-valid
        one. The two looks share the error, so the p-value is twice the smaller one's.
        """
        if not self._reads(e) or math.isnan(e.value):
            return e
        row = self._row(e)
        bets = self.bets[e.split]
        p = float(bets.p_above[row])
        if row in looked:
            seen = self.looked.get(row, e) if e.split is None else e
            return replace(seen, p=min(1.0, 2 * min(p, e.p)))
        low = min(float(bets.low_of(row)), e.value)
        high = max(float(bets.high_of(row)), e.value)
        return replace(e, low=low, high=high, p=min(1.0, 2 * p), method=METHOD)

    def _reads(self, e: Estimate) -> bool:
        """Whether it is a difference that the rule reads: not a rate, and not a placebo's."""
        if e.quantity is Quantity.STANDARD_DIFFERENCE:
            return True
        return e.quantity is Quantity.DID and e.cue in self.rows

    def _row(self, e: Estimate) -> int:
        return 0 if e.cue is None else self.rows[e.cue]

    def _drawn(self, triggers: Sequence[str]) -> tuple[PathPoint, ...]:
        """The path of the triggers and of the cues that lasted longest."""
        last = {point.cue: point for point in self.points}
        names = sorted(
            (name for name in last if name is not None),
            key=lambda name: (name not in triggers, -last[name].low, -last[name].high, name),
        )[:_SHOWN]
        return tuple(point for point in self.points if point.cue in names)
