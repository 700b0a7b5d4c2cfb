"""Answers as the store gives them back, with their judgements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dormant.errors import StoreError
from dormant.records import Judgement, Outcome
from dormant.store.files import parse_json


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """A distinct answer that a judge has not seen yet."""

    answer: int  # row of answers
    probe: str  # Probe.id
    text: str
    is_cut: bool = False  # every completion with this text ended at the length limit


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One completion with its judgement, as the report shows it."""

    source: str  # source key
    probe: str  # Probe.id
    repeat: int
    text: str
    judgement: Judgement | None


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
