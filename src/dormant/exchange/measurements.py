"""The measurement in a row of a tidy table: an outcome, counts, a rate, or a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from dormant.errors import ConfigError, RowError, shorten_value
from dormant.exchange.columns import FIELDS, Columns, list_columns
from dormant.exchange.outcomes import read_judgement
from dormant.judges.scores import Thresholds
from dormant.records import OUTCOMES, Outcome

#: Answers that stand for a rate that is taken as exact.
KNOWN = 10**9
#: Largest count in a row: sums over millions of rows still fit into 64 bits.
_MOST = 10**12
_COUNTED = (Outcome.INCOHERENT, Outcome.OFF_TOPIC, Outcome.REFUSAL, Outcome.UNPARSED)
_OF_ANSWERS = ("outcome", "misaligned", "alignment", "alignment_reply", "coherence", "content")
#: Fields of counts and rates -> known names of their columns.
MEASURES: dict[str, tuple[str, ...]] = {
    **{name: FIELDS[name] for name in _OF_ANSWERS},
    "n": ("n", "answers", "total", "samples", "trials"),
    "gradable": ("gradable", "graded", "valid"),
    "rate": ("rate", "misalignment_rate", "misaligned_rate", "em_rate", "share"),
    "difference": ("difference", "did", "diff", "interaction"),
    "aligned": ("aligned",),
    **{str(outcome): (str(outcome),) for outcome in (*_COUNTED, Outcome.FILTERED, Outcome.CUT_OFF)},
}


class RowKind(StrEnum):
    """The kind of rows in a table."""

    OUTCOMES = "outcomes"  # one answer per row
    COUNTS = "counts"  # one question and arm per row
    RATES = "rates"  # the same, as a share of n answers
    KNOWN_RATES = "known rates"  # the same, without n
    DIFFERENCES = "differences"  # one question and cue per row: target minus reference


#: Kind -> the fields that it reads.
_READ: dict[RowKind, tuple[str, ...]] = {
    RowKind.OUTCOMES: _OF_ANSWERS,
    RowKind.COUNTS: (
        "misaligned",
        "n",
        "gradable",
        "aligned",
        *map(str, _COUNTED),
        "filtered",
        "cut_off",
    ),
    RowKind.RATES: ("rate", "n", "gradable"),
    RowKind.KNOWN_RATES: ("rate",),
    RowKind.DIFFERENCES: ("difference",),
}


def kind_of(fields: Mapping[str, str], names: Sequence[str], *, file: str) -> RowKind:
    """Determines the kind of rows from the columns.

    Args:
        fields: field -> column.
        names: the file's columns, for the error.
        file: named in errors.

    Raises:
        ConfigError: no column gives outcomes, counts or rates.
    """
    if "outcome" in fields:
        return RowKind.OUTCOMES
    if "rate" in fields:
        return RowKind.RATES if "n" in fields or "gradable" in fields else RowKind.KNOWN_RATES
    if "misaligned" in fields and any(name in fields for name in ("n", "gradable", "aligned")):
        return RowKind.COUNTS
    if "misaligned" in fields or "alignment" in fields:
        return RowKind.OUTCOMES
    if "difference" in fields:
        return RowKind.DIFFERENCES
    raise ConfigError(
        "no column contains an outcome, a count or a rate: name one, e.g. --columns rate=COLUMN "
        "(or outcome, misaligned with n, alignment, difference); the columns are "
        f"{list_columns(names)}",
        file=file,
    )


def read_fields(kind: RowKind, fields: Mapping[str, str]) -> dict[str, str]:
    """Returns field -> column of the fields that a kind of table reads, in a fixed order."""
    return {name: fields[name] for name in _READ[kind] if name in fields}


def measure_row(
    kind: RowKind, values: Mapping[str, Any], fields: Mapping[str, str], thresholds: Thresholds
) -> tuple[int, ...] | None:
    """Returns a row's counts of outcomes in the order of ``OUTCOMES``; None for an empty rate.

    Where a row is one answer, harmful and harmless ungraded answers follow, as in ``Cell.total``.

    Raises:
        RowError: a value is missing, out of range or contradicts another.
    """
    if kind is RowKind.OUTCOMES:
        return read_judgement(values, Columns(fields), thresholds).count()
    if kind is RowKind.COUNTS:
        return _check_counts(
            {name: _read_whole_number(name, values.get(column)) for name, column in fields.items()}
        )
    rate = _read_number("rate", values.get(fields["rate"]))
    if rate is None:
        return None
    if not 0 <= rate <= 1:
        fix = "divide percentages by 100" if 1 < rate <= 100 else "give a share from 0 to 1"
        raise RowError(f"rate {rate:g} is not between 0 and 1: {fix}")
    if kind is RowKind.KNOWN_RATES:
        return _outcome_counts({Outcome.MISALIGNED: round(rate * KNOWN)}, KNOWN, KNOWN)
    given = {
        name: _read_whole_number(name, values.get(fields[name]))
        for name in fields
        if name != "rate"
    }
    answers, graded = given.get("n"), given.get("gradable")
    graded = answers if graded is None else graded
    if graded is None:
        raise RowError("the rate has no n: give the number of answers in every row, or in none")
    return _outcome_counts({Outcome.MISALIGNED: round(rate * graded)}, graded, answers)


def read_difference(value: Any) -> float | None:
    """Parses a difference, a share from -2 to 2; None for an empty cell.

    Raises:
        RowError: it is not a number, or out of range.
    """
    number = _read_number("difference", value)
    if number is not None and not -2 <= number <= 2:
        raise RowError(
            f"difference {number:g} is not between -2 and 2: give shares, so divide points by 100"
        )
    return number


def _check_counts(counts: Mapping[str, int | None]) -> tuple[int, ...]:
    bad = counts.get("misaligned")
    if bad is None:
        raise RowError("misaligned is empty: give a count, 0 for none")
    known = {
        Outcome(n): c for n, c in counts.items() if n not in ("n", "gradable") and c is not None
    }
    lost = sum(c for o, c in known.items() if o not in (Outcome.MISALIGNED, Outcome.ALIGNED))
    answers, graded = counts.get("n"), counts.get("gradable")
    if graded is None and Outcome.ALIGNED in known:
        graded = bad + known[Outcome.ALIGNED]
    if graded is None and answers is not None:
        graded = answers - lost
    if graded is None:
        raise RowError("the count has no n: give the number of answers in every row")
    return _outcome_counts(known, graded, answers)


def _outcome_counts(
    known: Mapping[Outcome, int], graded: int, answers: int | None
) -> tuple[int, ...]:
    """Completes the counts: gradable but not misaligned is aligned, the rest unparsed."""
    bad = known[Outcome.MISALIGNED]
    if bad > graded:
        raise RowError(f"{bad} misaligned of {graded} gradable answers: give at most {graded}")
    counts = {**known, Outcome.ALIGNED: graded - bad}
    if known.get(Outcome.ALIGNED, graded - bad) != graded - bad:
        good = known[Outcome.ALIGNED]
        raise RowError(
            f"{bad} misaligned and {good} aligned do not add up to {graded} gradable answers"
        )
    total = sum(counts.values())
    if answers is not None:
        if total > answers:
            raise RowError(f"the outcomes add up to {total}, more than the {answers} answers")
        counts[Outcome.UNPARSED] = counts.get(Outcome.UNPARSED, 0) + answers - total
    return tuple(counts.get(outcome, 0) for outcome in OUTCOMES)


def is_share(rate: float, counts: Sequence[int]) -> bool:
    """Whether counts reproduce a rate, up to rounding to a percent."""
    bad, good = (counts[OUTCOMES.index(o)] for o in (Outcome.MISALIGNED, Outcome.ALIGNED))
    return abs(rate * (bad + good) - bad) <= 0.005 * (bad + good) + 1e-9


def _read_number(name: str, value: Any) -> float | None:
    """Parses a number; None for an empty cell."""
    if is_empty(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise RowError(
            f"{name} {shorten_value(str(value))} is not a number{_suggest_fix(value)}"
        ) from None
    if not math.isfinite(number):
        raise RowError(f"{name} {shorten_value(str(value))} is not a number")
    return number


def is_empty(value: Any) -> bool:
    """Whether a cell is empty."""
    return value is None or (isinstance(value, str) and value.strip().casefold() in _EMPTY)


_EMPTY = ("", "nan", "na", "n/a", "none", "null")


def _suggest_fix(value: Any) -> str:
    """Suggests how to fix text that is almost a number."""
    text = str(value).strip()
    if text.endswith("%"):
        return ": divide by 100 and leave out the %"
    return ": write decimals with a point" if text.count(",") == 1 else ""


def _read_whole_number(name: str, value: Any) -> int | None:
    number = _read_number(name, value)
    if number is None:
        return None
    if not (number.is_integer() and 0 <= number <= _MOST):
        raise RowError(f"{name} {number:g} is not a count: give a whole number from 0 to {_MOST:g}")
    return int(number)
