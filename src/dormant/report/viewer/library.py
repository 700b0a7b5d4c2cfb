"""Protocols of what the pages read: the runs of a directory and the answers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dormant.records import (
    AnswerFilter,
    AnswerPage,
    Comparison,
    ListedAnswer,
    Outcome,
    Plan,
    Role,
    RunSummary,
)


class AnswerSource(Protocol):
    """The answers of one run."""

    @property
    def plan(self) -> Plan:
        """The frozen plan."""
        ...

    @property
    def total(self) -> int:
        """Number of answers of the plan."""
        ...

    @property
    def share_indexed(self) -> float:
        """Share of the answers whose words can be searched, 0 to 1."""
        ...

    def count_outcomes(self, wanted: AnswerFilter) -> Mapping[Outcome | None, int]:
        """Counts the matching answers by outcome; None for those that are not judged."""
        ...

    def count_arms(
        self, wanted: AnswerFilter
    ) -> Mapping[tuple[Role, str | None, Outcome | None], int]:
        """Counts the matching answers by role, ``Cue.name`` and outcome."""
        ...

    def read_page(self, wanted: AnswerFilter, *, first: int = 0, most: int = 20) -> AnswerPage:
        """Reads at most ``most`` of the matching answers, from index ``first`` on."""
        ...

    def read_answers(self, places: Sequence[int]) -> tuple[ListedAnswer, ...]:
        """Reads answers by ``ListedAnswer.number``."""
        ...

    def draw_answers(self, wanted: AnswerFilter, most: int) -> tuple[ListedAnswer, ...]:
        """Reads at most ``most`` of the matching answers, evenly spaced."""
        ...

    def list_terms(self, text: str) -> Sequence[str]:
        """The terms that a search looks for, to highlight in the texts."""
        ...


class RunSource(Protocol):
    """The runs of a directory. Every method may raise ``DormantError`` with a one-line message."""

    @property
    def root(self) -> str:
        """The directory, as the user gave it."""
        ...

    def list_runs(self) -> Sequence[RunSummary]:
        """The runs at or below the directory, latest first."""
        ...

    def find_run(self, run: str) -> RunSummary | None:
        """A run by its id; None if the id is unknown."""
        ...

    def read_answers(self, run: str) -> AnswerSource:
        """The answers of a run."""
        ...

    def render_report(self, run: str) -> str:
        """The report of a run as HTML, its verdict computed anew from the stored answers."""
        ...

    def render_card(self, run: str) -> str:
        """The card of a run as HTML."""
        ...

    def compare_runs(self, runs: Sequence[str], allow: Sequence[str]) -> Comparison:
        """Compares runs with the first of them."""
        ...

    def close(self) -> None:
        """Removes all indices and caches."""
        ...
