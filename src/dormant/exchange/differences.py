"""Tables with one difference a question: target minus reference, with the cue minus without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dormant.errors import DataError, RowError
from dormant.exchange.measurements import read_difference
from dormant.exchange.outcomes import Answer
from dormant.exchange.survey import question_key
from dormant.records import Role
from dormant.stats import Differences

#: Name of the cue in a table that has no column of cues.
UNNAMED = "difference"


@dataclass(slots=True)
class DifferenceReader:
    """Collects differences by training seed, cue and question."""

    path: Path
    names_cues: bool  # whether the table has a column of cues
    _found: dict[tuple[str, str, str], float] = field(
        default_factory=dict[tuple[str, str, str], float]
    )

    def add_row(self, answer: Answer, role: Role, seed: str, value: object, line: int) -> bool:
        """Adds a row; returns whether it has a difference.

        Raises:
            DataError: the row is a reference's, has no cue, is a duplicate or cannot be read.
        """
        try:
            number = read_difference(value)
        except RowError as error:
            raise DataError(str(error), file=self.path, line=line) from None
        if role is Role.REFERENCE:
            raise DataError(
                "a difference is target minus reference, so a row of the reference has none: "
                "remove it",
                file=self.path,
                line=line,
            )
        if self.names_cues and answer.cue is None:
            raise DataError(
                "a difference is under a cue minus without one, so a row without a cue has none: "
                "name the cue or remove the row",
                file=self.path,
                line=line,
            )
        if number is None:
            return False
        key = (seed, answer.cue or UNNAMED, question_key(answer))
        if key in self._found:
            raise DataError(
                f"a second difference of question {key[2]!r} under the same cue and seed: name the "
                "column that distinguishes them (e.g. --columns seed=COLUMN)",
                file=self.path,
                line=line,
            )
        self._found[key] = number
        return True

    def make_differences(self) -> Differences:
        """Returns all rows as one array.

        Raises:
            DataError: no row has a difference.
        """
        if not self._found:
            raise DataError("no row has a difference", file=self.path)
        seeds, cues, questions = (_sort_labels(key[i] for key in self._found) for i in range(3))
        values = np.full((len(seeds), len(cues), len(questions)), np.nan)
        for (seed, cue, question), number in self._found.items():
            values[seeds[seed], cues[cue], questions[question]] = number
        return Differences(tuple(seeds), tuple(cues), tuple(questions), values)


def _sort_labels(labels: Iterable[str]) -> Mapping[str, int]:
    return {label: place for place, label in enumerate(sorted(set(labels)))}
