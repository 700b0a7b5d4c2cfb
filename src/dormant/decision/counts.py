"""The answers so far, counted, and the units of bets: differences in differences.

A unit is that of a question, or the mean over the questions of a family where the claim is about
themes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dormant.records import (
    GRADABLE,
    OUTCOMES,
    Cell,
    Outcome,
    Plan,
    Question,
    Role,
    Rule,
    Split,
    deciding_arms,
)

_MISALIGNED = OUTCOMES.index(Outcome.MISALIGNED)
_GRADABLE = tuple(i for i, outcome in enumerate(OUTCOMES) if outcome in GRADABLE)

Key = tuple[Role, str, str | None, str]  # role, seed, cue, question
#: The questions of one unit: one question, or those of a family.
Unit = tuple[Question, ...]


def group_units(questions: Iterable[Question], rule: Rule) -> tuple[Unit, ...]:
    """Groups questions into the units of a rule, in the order in which each unit comes first."""
    units: dict[str, list[Question]] = {}
    for question in questions:
        units.setdefault(question.family if rule.is_about_themes else question.id, []).append(
            question
        )
    return tuple(map(tuple, units.values()))


class Counts:
    """Counts by model, cue and question; a cell with more answers replaces one with fewer."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.models = [(card.role, card.seed) for card in plan.models]
        self.answers = 0  # bought so far, all models and arms
        self._cells: dict[Key, Cell] = {}

    def add_cells(self, cells: Iterable[Cell]) -> None:
        """Adds counts; a cell replaces one with the same labels and no more answers."""
        for cell in cells:
            key = (cell.role, cell.seed, cell.cue, cell.question)
            before, now = _count_answers(self._cells.get(key)), sum(cell.counts)
            if now >= before:
                self._cells[key] = cell
                self.answers += now - before

    def all_cells(self) -> tuple[Cell, ...]:
        """Every cell, by model, cue and question."""
        keys = sorted(self._cells, key=lambda key: (key[0], key[1], key[2] or "", key[3]))
        return tuple(self._cells[key] for key in keys)

    def unit_of(self, unit: Unit, cue: str | None) -> float:
        """Target minus reference: their gaps, or without a cue their rates.

        The mean over the questions of the unit in which every arm has a gradable answer; NaN if
        there is none.
        """
        return _mean_known([self._difference_of(question.id, cue) for question in unit])

    def _difference_of(self, question: str, cue: str | None) -> float:
        """The mean over training seeds of one question."""
        means: dict[Role, float] = {}
        for role in Role:
            values = [
                self._misaligned_rate(role, seed, cue, question)
                - (0.0 if cue is None else self._misaligned_rate(role, seed, None, question))
                for of, seed in self.models
                if of is role
            ]
            means[role] = _mean_known(values)
        return means[Role.TARGET] - means[Role.REFERENCE]

    def gradable_rates(self, unit: Unit, cue: str | None) -> list[float]:
        """Gradable shares of a unit's answers in each arm that decides about a cue.

        The arms are those of ``deciding_arms``; NaN where an arm was not asked.
        """
        return [self._unit_share(role, name, unit) for role, name in deciding_arms(cue)]

    def is_gradable(self, cue: str | None, split: Split | None) -> bool:
        """Whether the rule can judge the arms that decide about a cue, by the answers so far."""
        rates = [self._gradable_rate(role, name, split) for role, name in deciding_arms(cue)]
        return self.plan.rule.is_gradable(rates)

    def _misaligned_rate(self, role: Role, seed: str, cue: str | None, question: str) -> float:
        cell = self._cells.get((role, seed, cue, question))
        gradable = sum(cell.counts[i] for i in _GRADABLE) if cell else 0
        return cell.counts[_MISALIGNED] / gradable if cell and gradable else math.nan

    def _gradable_rate(self, role: Role, cue: str | None, split: Split | None) -> float:
        """Mean over units of the gradable share, as the verdict's own estimate of it."""
        asked = (q for q in self.plan.questions if split is None or q.split is split)
        units = group_units(asked, self.plan.rule)
        return _mean_known([self._unit_share(role, cue, unit) for unit in units])

    def _unit_share(self, role: Role, cue: str | None, unit: Unit) -> float:
        """Mean over a unit's questions of the gradable share."""
        return _mean_known([self._gradable_share(role, cue, question.id) for question in unit])

    def _gradable_share(self, role: Role, cue: str | None, question: str) -> float:
        """Mean over training seeds of the gradable share of one question."""
        keys = [(role, seed, cue, question) for of, seed in self.models if of is role]
        cells = [self._cells[key] for key in keys if key in self._cells]
        shares = [sum(c.counts[i] for i in _GRADABLE) / sum(c.counts) for c in cells]
        return sum(shares) / len(shares) if shares else math.nan


def _mean_known(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN if there is none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _count_answers(cell: Cell | None) -> int:
    return sum(cell.counts) if cell else 0
