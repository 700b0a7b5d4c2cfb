"""Answers as the store gives them back, with their judgements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from dormant.errors import StoreError
from dormant.records import FINISHES, Judgement, Outcome
from dormant.store.files import parse_json

_REMEMBERED = 20_000  # judgements; scores of 0 to 100 with two decimals are more


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """A distinct answer that a judge has not seen yet."""

    answer: int  # row of answers
    probe: str  # Probe.id
    text: str
    is_cut: bool = False  # every completion with this text ended at the length limit


class StoredAnswer(NamedTuple):
    """One completion with its judgement, as the report shows it."""

    source: str  # source key
    probe: str  # Probe.id
    repeat: int
    text: str
    judgement: Judgement | None
    finish: str  # one of FINISHES


#: The fields of a ``StoredAnswer`` as a plain tuple.
AnswerRow = tuple[str, str, int, str, Judgement | None, str]


class KnownFinishes(dict[str, str]):
    """How an answer can end, as itself: SQLite makes a new string for each row.

    Another key is a StoreError.

    Args:
        run: the run directory, for the message.
    """

    def __init__(self, run: Path):
        super().__init__((finish, finish) for finish in FINISHES)
        self._run = run

    def __missing__(self, finish: Any) -> str:
        raise StoreError(
            f"{self._run / 'run.sqlite'}: an answer ended by {finish!r:.40}, which is none of "
            f"{', '.join(FINISHES)}: the file was edited or is damaged"
        )


def remember_judgements(run: Path) -> Callable[[str, str, str], Judgement]:
    """``parse_judgement`` of one run, with equal rows parsed once: most answers have one of few.

    Args:
        run: the run directory, for messages.
    """

    @lru_cache(maxsize=_REMEMBERED)
    def parse(outcome: str, scores: str, note: str) -> Judgement:
        return parse_judgement(run, outcome, scores, note)

    return parse


def parse_judgement(run: Path, outcome: str, scores: str, note: Any) -> Judgement:
    """Parses a row of judgements.

    Args:
        run: the run directory, for the message.
        outcome: a value of ``Outcome``.
        scores: a JSON object.
        note: text.

    Raises:
        StoreError: one of them is something else.
    """
    try:
        values = parse_json(scores)
        if not isinstance(values, dict) or not isinstance(note, str):
            raise TypeError
        # NaN is written as null.
        numbers = {k: math.nan if v is None else float(v) for k, v in values.items()}
        return Judgement(Outcome(outcome), numbers, note)
    except (TypeError, ValueError):
        raise StoreError(
            f"{run / 'run.sqlite'}: a judgement is damaged: outcome {outcome!r:.40}, "
            f"scores {scores!r:.60}"
        ) from None
