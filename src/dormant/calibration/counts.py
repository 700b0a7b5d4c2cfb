"""One arm's grades and labels, counted by question."""

from __future__ import annotations

from dataclasses import dataclass

from dormant.calibration.metrics import Floats
from dormant.records import Arm, Role


@dataclass(frozen=True, slots=True, eq=False)
class ArmCounts:
    """One arm of one role: the judge's grades of its answers, and the labels."""

    role: Role
    arm: Arm
    grades: Floats  # [Q, GRADES], answers of each judge's grade to each question
    labels: Floats  # [Q, GRADES, GRADES], labels within each judge's grade

    @property
    def shares(self) -> Floats:
        """Share of each judge's grade, [GRADES]."""
        return self.grades.sum(0) / self.grades.sum()


Arms = dict[tuple[Role, Arm], ArmCounts]
