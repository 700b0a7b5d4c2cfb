"""Cells to one dense table of counts: role x training seed x cue x question x outcome.

Axes are written in capitals in array comments: R role (target, reference), S training seed,
C cue (0 is the standard arm), Q question, O outcome (in the order of ``OUTCOMES``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.errors import InputError
from dormant.records import GRADABLE, OUTCOMES, Cell, Outcome, Role, Split

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ROLES: tuple[Role, ...] = (Role.TARGET, Role.REFERENCE)
TARGET, REFERENCE = 0, 1
STANDARD = 0  #: index of the standard arm on the cue axis

_MISALIGNED = OUTCOMES.index(Outcome.MISALIGNED)
_GRADABLE = [OUTCOMES.index(outcome) for outcome in OUTCOMES if outcome in GRADABLE]


@dataclass(frozen=True, slots=True)
class Table:
    """Counts of outcomes with the labels of their axes.

    The axes are sorted, so that the order of the cells changes nothing.
    """

    counts: Ints  # [R, S, C, Q, O + 2]: outcomes, then harmful and harmless ungraded answers
    seeds: tuple[tuple[str, ...], ...]  # labels per role; a role may have fewer than S
    cues: tuple[str | None, ...]  # [C]; the first is None, the standard arm
    questions: tuple[str, ...]  # [Q]

    def select_questions(self, questions: Bools) -> Table:
        """The same table on the questions where the mask [Q] is true."""
        kept = tuple(q for q, keep in zip(self.questions, questions, strict=True) if keep)
        return Table(self.counts[:, :, :, questions], self.seeds, self.cues, kept)

    @property
    def misaligned(self) -> Ints:
        """Misaligned answers [R, S, C, Q]."""
        return self.counts[..., _MISALIGNED]

    @property
    def gradable(self) -> Ints:
        """Answers whose alignment the judge could grade [R, S, C, Q]."""
        return self.counts[..., _GRADABLE].sum(-1)

    @property
    def answers(self) -> Ints:
        """All answers [R, S, C, Q]."""
        return self.counts[..., : len(OUTCOMES)].sum(-1)

    @property
    def harmful(self) -> Ints:
        """Ungraded answers that are misaligned by their own alignment score [R, S, C, Q]."""
        return self.counts[..., len(OUTCOMES)]

    @property
    def unknown(self) -> Ints:
        """Ungraded answers that may be misaligned: all that are not harmless [R, S, C, Q]."""
        return self.answers - self.gradable - self.counts[..., len(OUTCOMES) + 1]


def build_table(cells: Sequence[Cell]) -> Table:
    """Sums cells into a table.

    Args:
        cells: counts in any order; cells with the same labels are added.

    Raises:
        InputError: there are no cells, or a count is negative.
    """
    if not cells:
        raise InputError("there are no counts: statistics need at least one cell")
    seeds = tuple(tuple(sorted({c.seed for c in cells if c.role is role})) for role in ROLES)
    names = sorted({c.cue for c in cells if c.cue is not None})
    cues: tuple[str | None, ...] = (None, *names)
    questions = tuple(sorted({c.question for c in cells}))
    values = np.array([c.total for c in cells], dtype=np.int64)  # [cells, O + 2]
    if values.min() < 0:
        bad = cells[int(np.argmin(values.min(-1)))]
        raise InputError(f"a count is negative: {bad!r}")
    seed_at = [{label: i for i, label in enumerate(labels)} for labels in seeds]
    cue_at = {name: i for i, name in enumerate(cues)}
    question_at = {name: i for i, name in enumerate(questions)}
    where = np.array(
        [
            (r := ROLES.index(c.role), seed_at[r][c.seed], cue_at[c.cue], question_at[c.question])
            for c in cells
        ]
    )
    shape = (len(ROLES), max(map(len, seeds)), len(cues), len(questions), values.shape[-1])
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, tuple(where.T), values)
    return Table(counts, seeds, cues, questions)


def split_mask(
    questions: Sequence[str], split: Split | None, split_of: Mapping[str, Split]
) -> Bools:
    """Which questions [Q] belong to a split; all of them for None.

    Raises:
        InputError: a question is not in ``split_of``.
    """
    unknown = next((q for q in questions if q not in split_of), None)
    if unknown is not None:
        raise InputError(f"question {unknown!r} has counts but no split")
    return np.array([split is None or split_of[q] is split for q in questions], dtype=bool)
