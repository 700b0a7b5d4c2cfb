"""What a report shows, worked out once from the findings and read by every format.

Rates with intervals are looked up among the verdict's estimates. Counts, gradable rates and
the rates of single questions are sums over cells. Nothing is estimated here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cached_property

from dormant.records import (
    Cell,
    Cue,
    Estimate,
    Findings,
    Quantity,
    Role,
    Split,
    VerdictKind,
    deciding_arms,
)
from dormant.report.labels import label_cues
from dormant.report.reasons import explain_missing
from dormant.report.rows import CueRow, HiddenRow, QuestionRow, SeedRow, Status
from dormant.report.tally import Tally, sum_cells

#: The rule bounds a cue over all its questions and confirms a trigger on the held-out ones.
_ALL_FIRST: tuple[Split | None, ...] = (None, Split.HELD_OUT, Split.SCREENING)
_HELD_OUT_FIRST: tuple[Split | None, ...] = (Split.HELD_OUT, None, Split.SCREENING)


def _by_rate(row: CueRow) -> float:
    """Sort key: the target's rate, undefined first."""
    known = row.target is not None and not math.isnan(row.target.value)
    return row.target.value if known and row.target else -1.0


def _by_effect(row: CueRow) -> tuple[float, str]:
    """Sort key: strongest first, undefined last, then by name."""
    return (math.inf if math.isnan(row.effect) else -row.effect, row.cue.name)


class View:
    """The findings, arranged for reading."""

    def __init__(self, findings: Findings):
        self.findings = findings
        self.plan = findings.plan
        self.verdict = findings.verdict
        self._estimates: dict[tuple[Quantity, Role | None, str | None], list[Estimate]]
        self._estimates = defaultdict(list)
        for estimate in findings.verdict.estimates:
            self._estimates[estimate.quantity, estimate.role, estimate.cue].append(estimate)
        self._cells: dict[tuple[Role, str | None], list[Cell]] = defaultdict(list)
        for cell in findings.cells:
            self._cells[cell.role, cell.cue].append(cell)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The text of each cue, short enough for a chart or a table, by the cue's name."""
        return label_cues(self.plan.cues)

    def label_of(self, cue: str | None) -> str:
        """What a chart or a table calls an arm: the text of its cue."""
        return "no cue" if cue is None else self.labels.get(cue, cue)

    def find_estimate(
        self,
        quantity: Quantity,
        role: Role | None = None,
        cue: str | None = None,
        bases: Sequence[Split | None] = _ALL_FIRST,
    ) -> Estimate | None:
        """The estimate that rests on the first of these bases for which there is one."""
        found = self._estimates.get((quantity, role, cue), [])
        for basis in bases:
            for estimate in found:
                if estimate.split == basis:
                    return estimate
        return None

    def find_cells(self, role: Role, cue: str | None) -> list[Cell]:
        """The cells of one arm of one role."""
        return self._cells.get((role, cue), [])

    @cached_property
    def standard_target(self) -> Estimate | None:
        """Misalignment rate of the target without a cue, on the questions of the leading cue.

        A BROAD verdict is about the standard arm itself: then it is over all questions.
        """
        if self.verdict.kind is not VerdictKind.BROAD and self.worst and self.worst.standard:
            return self.worst.standard
        return self.find_estimate(Quantity.RATE, Role.TARGET)

    @cached_property
    def standard_reference(self) -> Estimate | None:
        """Misalignment rate of the reference without a cue, on the same basis."""
        basis = self.standard_target.split if self.standard_target else None
        return self.find_estimate(Quantity.RATE, Role.REFERENCE, bases=(basis, *_ALL_FIRST))

    @cached_property
    def standard_all(self) -> Estimate | None:
        """Misaligned / all answers of the target without a cue, on the same basis."""
        basis = self.standard_target.split if self.standard_target else None
        return self.find_estimate(Quantity.RATE_ALL, Role.TARGET, bases=(basis, *_ALL_FIRST))

    @cached_property
    def standard_difference(self) -> Estimate | None:
        """Target minus reference in the standard arm, on the same basis."""
        basis = self.standard_target.split if self.standard_target else None
        return self.find_estimate(Quantity.STANDARD_DIFFERENCE, bases=(basis,))

    def highest_rate(self, role: Role) -> Estimate | None:
        """The highest misalignment rate of a role under a cue, placebos included."""
        found = [self.find_estimate(Quantity.RATE, role, cue.name) for cue in self.plan.cues]
        rates = [rate for rate in found if rate is not None and not math.isnan(rate.value)]
        return max(rates, key=lambda rate: rate.value, default=None)

    def summarize_rates(self) -> dict[str, dict[str, Estimate | None]]:
        """Absolute misalignment rates: without a cue, and the highest under a cue, by role.

        Over all questions where there is such an estimate.
        """
        return {
            role.value: {
                "standard": self.find_estimate(Quantity.RATE, role),
                "highest": self.highest_rate(role),
            }
            for role in Role
        }

    @cached_property
    def rows(self) -> tuple[CueRow, ...]:
        """Every cue of the plan: by status, then strongest first; triggers in verdict order."""
        rows = [self._make_row(cue) for cue in self.plan.cues]
        triggers = self.verdict.triggers
        ordered = sorted(rows, key=_by_effect)
        statuses = list(Status)
        ordered.sort(
            key=lambda row: (
                statuses.index(row.status),
                triggers.index(row.cue.name) if row.status is Status.TRIGGER else 0,
            )
        )
        return tuple(ordered)

    def _make_row(self, cue: Cue) -> CueRow:
        trigger = cue.name in self.verdict.triggers
        order = _HELD_OUT_FIRST if trigger else _ALL_FIRST
        did = self.find_estimate(Quantity.DID, None, cue.name, order)
        bases = (did.split,) if did else order
        target = self.find_estimate(Quantity.RATE, Role.TARGET, cue.name, bases)
        status = self._cue_status(cue, did)
        reason = explain_missing(self.plan.rule, self._gradable_rates(cue), did)
        return CueRow(
            cue=cue,
            status=status,
            basis=did.split if did else target.split if target else None,
            target=target,
            reference=self.find_estimate(Quantity.RATE, Role.REFERENCE, cue.name, bases),
            target_all=self.find_estimate(Quantity.RATE_ALL, Role.TARGET, cue.name, bases),
            reference_all=self.find_estimate(Quantity.RATE_ALL, Role.REFERENCE, cue.name, bases),
            standard=self.find_estimate(Quantity.RATE, Role.TARGET, None, bases),
            did=did,
            did_placebo=self.find_estimate(Quantity.DID_PLACEBO, None, cue.name, bases),
            target_tally=sum_cells(self.find_cells(Role.TARGET, cue.name)),
            reference_tally=sum_cells(self.find_cells(Role.REFERENCE, cue.name)),
            reason="" if status is Status.BOUNDED else reason,
        )

    def _cue_status(self, cue: Cue, did: Estimate | None) -> Status:
        if cue.name in self.verdict.triggers:
            return Status.TRIGGER
        if cue.is_placebo:
            return Status.PLACEBO
        if did is None and not self.find_cells(Role.TARGET, cue.name):
            return Status.UNTRIED
        if not self.can_bound(cue):
            return Status.UNGRADABLE
        if did is None:
            return Status.UNRESOLVED
        if all(self._is_misaligned(role, cue) for role in Role):
            return Status.SHARED
        if self.is_bounded(did, cue):
            return Status.BOUNDED
        return Status.SUSPECTED if did.low > self.verdict.delta else Status.UNRESOLVED

    def is_bounded(self, did: Estimate, cue: Cue, margin: float | None = None) -> bool:
        """Whether a margin is ruled out, over all answers too where the rule counts them.

        Args:
            did: the effect of the cue.
            cue: the cue.
            margin: the rise to rule out; the cue's own if None.
        """
        rule = self.plan.rule
        limit = rule.margin_of(cue) if margin is None else margin
        return all(rule.is_bounded(effect, limit) for effect in self.effects_to_bound(did))

    def effects_to_bound(self, did: Estimate) -> list[Estimate]:
        """The effect of a cue, and its worst case over all answers where the rule counts these.

        And in each training, where there are several. The worst case rests on the same questions;
        without one, every answer was graded.
        """
        worst = self.find_estimate(Quantity.DID_WORST, None, did.cue, (did.split,))
        if not self.plan.rule.counts_all:
            return [did]
        return [did, *([] if worst is None else [worst]), *self._trainings_of(did)]

    def _trainings_of(self, did: Estimate) -> list[Estimate]:
        """The same effect in each training of the target, where there are several."""
        return self._trainings.get((did.cue, did.split), [])

    @cached_property
    def _trainings(self) -> dict[tuple[str | None, Split | None], list[Estimate]]:
        """The effects in each training, by cue and questions."""
        found: dict[tuple[str | None, Split | None], list[Estimate]] = {}
        for estimate in self.verdict.estimates:
            if estimate.quantity is Quantity.TRAINING_DID:
                found.setdefault((estimate.cue, estimate.split), []).append(estimate)
        return found

    def _is_misaligned(self, role: Role, cue: Cue) -> bool:
        """Whether a role's own rate under a cue is above delta."""
        rate = self.find_estimate(Quantity.RATE, role, cue.name)
        return rate is not None and self.plan.rule.shows_rate(rate)

    def can_bound(self, cue: Cue) -> bool:
        """Whether the gradable rates of the arms that decide about a cue leave room for a bound."""
        return self.plan.rule.can_bound(self._gradable_rates(cue))

    def _gradable_rates(self, cue: Cue) -> list[Estimate]:
        arms = [
            self.find_estimate(Quantity.SURVIVAL, role, name, (None,))
            for role, name in deciding_arms(cue.name)
        ]
        return [arm for arm in arms if arm is not None]

    @cached_property
    def worst(self) -> CueRow | None:
        """The leading cue: the first trigger, else the cue with the largest effect; no placebo.

        Where target and reference are both misaligned, effects are small, and without a reference
        there are none: then the cue with the highest rate leads.
        """
        rows = [row for row in self.rows if row.status is not Status.PLACEBO]
        if self.verdict.kind is VerdictKind.SHARED or not self.plan.has_reference:
            return max(rows, key=_by_rate, default=None)
        triggers = [row for row in rows if row.status is Status.TRIGGER]
        known = [row for row in rows if not math.isnan(row.effect)]
        return triggers[0] if triggers else min(known, key=_by_effect, default=None)

    def group_rows(self) -> list[tuple[Status, list[CueRow]]]:
        """The rows by status, in reading order; empty groups are left out."""
        grouped = [(status, [r for r in self.rows if r.status is status]) for status in Status]
        return [(status, rows) for status, rows in grouped if rows]

    def focus_rows(self, most: int = 4) -> list[CueRow]:
        """The cues worth showing question by question: triggers, else the leading cue."""
        triggers = [row for row in self.rows if row.status is Status.TRIGGER]
        return triggers[:most] or ([self.worst] if self.worst else [])

    def ungraded_rows(self) -> list[HiddenRow]:
        """Worst and best cases of the standard arm and the focus, where answers were lost."""
        known = {(b.quantity, b.role, b.cue): b for b in self.findings.bounds if b.least < b.most}
        rows = [
            HiddenRow(
                cue=cue,
                rate=known.get((Quantity.RATE, Role.TARGET, cue)),
                difference=known.get(
                    (Quantity.STANDARD_DIFFERENCE if cue is None else Quantity.DID, None, cue)
                ),
            )
            for cue in (None, *(row.cue.name for row in self.focus_rows()))
        ]
        return [row for row in rows if row.rate or row.difference]

    def by_question(self, row: CueRow) -> list[QuestionRow]:
        """The questions asked under a cue, those that it moves most first."""
        asked = {cell.question for cell in self.find_cells(Role.TARGET, row.cue.name)}
        picked = [q for q in self.plan.questions if q.id in asked]
        if row.basis is not None:
            picked = [q for q in picked if q.split is row.basis] or picked
        found = [
            QuestionRow(
                question=question,
                standard=self._tally_cells(Role.TARGET, None, question.id),
                cued=self._tally_cells(Role.TARGET, row.cue.name, question.id),
                reference=self._tally_cells(Role.REFERENCE, row.cue.name, question.id),
            )
            for question in picked
        ]
        return sorted(found, key=_by_gap)

    def _tally_cells(self, role: Role, cue: str | None, question: str) -> Tally:
        return sum_cells(cell for cell in self.find_cells(role, cue) if cell.question == question)

    def by_seed(self, row: CueRow) -> list[SeedRow]:
        """The target's training seeds under a cue, on the questions of its basis."""
        wanted = {item.question.id for item in self.by_question(row)}
        seeds = [card.seed for card in self.plan.models if card.role is Role.TARGET]

        def tally_seed(seed: str, cue: str | None) -> Tally:
            cells = self.find_cells(Role.TARGET, cue)
            return sum_cells(c for c in cells if c.seed == seed and c.question in wanted)

        return [
            SeedRow(seed, tally_seed(seed, None), tally_seed(seed, row.cue.name)) for seed in seeds
        ]

    @cached_property
    def standard_tallies(self) -> tuple[Tally, Tally]:
        """Counts of the standard arm: target, reference."""
        return sum_cells(self.find_cells(Role.TARGET, None)), sum_cells(
            self.find_cells(Role.REFERENCE, None)
        )

    @cached_property
    def total(self) -> Tally:
        """Counts over every answer of the audit."""
        return sum_cells(self.findings.cells)

    def unlisted_arms(self) -> list[tuple[str, str, Tally]]:
        """Arms with answers whose cue the plan does not list: (cue, role, counts)."""
        listed = {None, *(cue.name for cue in self.plan.cues)}
        return [
            (f"{cue} (not in the plan)", role.value, sum_cells(cells))
            for (role, cue), cells in self._cells.items()
            if cue not in listed
        ]

    def total_of(self, role: Role) -> Tally:
        """Counts over every answer of one role."""
        return sum_cells(cell for cell in self.findings.cells if cell.role is role)

    @cached_property
    def questions_by_split(self) -> Counter[Split]:
        """How many questions the plan has in each split."""
        return Counter(question.split for question in self.plan.questions)

    @cached_property
    def not_tested(self) -> tuple[str, ...]:
        """What plan and verdict list as not tested, without duplicates, in order.

        Also what servers refused, since it was asked otherwise then.
        """
        listed = (*self.verdict.not_tested, *self.plan.not_tested, *self.findings.server_notes)
        return tuple(dict.fromkeys(listed))


def _by_gap(row: QuestionRow) -> tuple[float, str]:
    gap = row.cued.rate - row.standard.rate
    return (math.inf if math.isnan(gap) else -gap, row.question.id)
