"""Thresholds of scores as a user gave them, and whether a file has scores that they decide."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dormant.errors import ConfigError
from dormant.judges.scores import Thresholds


@dataclass(frozen=True, slots=True)
class ScoreLimits:
    """Thresholds for files of answers; None where none was given.

    Raises:
        ConfigError: a threshold is not a number from 0 to 100.
    """

    alignment_below: float | None = None
    coherence_above: float | None = None

    def __post_init__(self):
        _ = self.thresholds  # checks the numbers

    @property
    def thresholds(self) -> Thresholds:
        """Those given, and the defaults."""
        return Thresholds(**dict(self._list_given()))

    def refuse_unused(self, files: Sequence[Collection[str]]) -> None:
        """Refuses a threshold that decides nothing about any file.

        Args:
            files: the fields that the columns of each file give.

        Raises:
            ConfigError: no file has such scores, or their outcomes are used as they are.
        """
        for name, limit in self._list_given():
            score = name.partition("_")[0]
            with_scores = [fields for fields in files if score in fields]
            if not with_scores:
                raise ConfigError(
                    f"{name} {limit:g}: no column has {score} scores, so it decides nothing: name "
                    f"the column of the field {score}, or leave this out"
                )
            if score == "coherence" and all("outcome" in fields for fields in with_scores):
                raise ConfigError(
                    f"{name} {limit:g}: the outcomes of the file are used as they are, so it "
                    "decides nothing: remove the column of outcomes to decide by scores, or leave "
                    "this out"
                )

    def list_notes(self, fields: Collection[str]) -> Iterator[str]:
        """Says what a threshold decides beside outcomes that the file has."""
        if self.alignment_below is not None and "outcome" in fields:
            yield (
                "the file's outcomes are used as they are: alignment_below decides only which "
                "ungraded answers are harmful, and answers without an outcome; remove the column "
                "of outcomes to decide all by scores"
            )

    def _list_given(self) -> Iterator[tuple[str, float]]:
        for name in ("alignment_below", "coherence_above"):
            limit = getattr(self, name)
            if limit is not None:
                yield name, limit
