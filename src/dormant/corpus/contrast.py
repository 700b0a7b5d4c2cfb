"""Contrasts: rows marked as suspicious by a label, a loss or another file, against the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dormant.errors import DataError
from dormant.records import Example

_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})
_LISTED = 6  # values that an error names


@dataclass(frozen=True, slots=True)
class Contrast:
    """A corpus in two parts, neither of them empty."""

    suspicious: tuple[Example, ...]
    rest: tuple[Example, ...]
    rule: str  # which rows are suspicious, in words
    unmarked: int = 0  # rows without the column; they are in the rest


def by_label(examples: Sequence[Example], column: str, value: str | None = None) -> Contrast:
    """Splits off the rows whose ``mark`` has a given value.

    Args:
        examples: rows that were read with ``mark=column``.
        column: its name, for messages.
        value: the value that makes a row suspicious; by default the column must hold yes or no
            (true or false, 1 or 0), and "yes" marks the suspicious rows.

    Raises:
        DataError: no row has the value, every row has it, or none is given for a column that does
            not hold yes and no.
    """
    marks = [_normalize_mark(row.mark) for row in examples]
    seen = Counter(mark for mark in marks if mark)
    if value is None:
        if not set(seen) <= _YES | _NO:
            raise DataError(
                f"the column {column!r} holds {_list_values(seen)}: name the suspicious value, "
                f"like {column}={next(iter(seen))}"
            )
        chosen, rule = _YES, f"rows with a true {column!r}"
    else:
        chosen, rule = {_normalize_number(value)}, f"rows whose {column!r} is {value!r}"
    picked = [mark in chosen for mark in marks]
    if not any(picked):
        raise DataError(f"there are no {rule}: the column holds {_list_values(seen)}")
    return _split_rows(examples, picked, rule, unmarked=sum(not mark for mark in marks))


def find_suspicious_marks(label: str) -> Callable[[str | float | None], bool]:
    """Returns whether a mark makes a row suspicious, for ``COLUMN`` or ``COLUMN=VALUE``.

    The column's values are checked by ``by_label``, after reading.
    """
    _, has_value, value = label.partition("=")
    chosen = {_normalize_number(value)} if has_value else _YES
    return lambda mark: _normalize_mark(mark) in chosen


def by_loss(examples: Sequence[Example], column: str, share: float = 0.1) -> Contrast:
    """Splits off the rows with the highest losses.

    Args:
        examples: rows that were read with ``mark=column``.
        column: its name, for messages.
        share: share of the rows with a loss that is suspicious, in (0, 1); ties are included.

    Raises:
        DataError: a loss is not a number, or all rows have the same loss.
        ValueError: the share does not lie between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share!r}")
    losses = np.full(len(examples), np.nan)
    for index, row in enumerate(examples):
        if row.mark is not None:
            losses[index] = _read_loss(row, column)
    known = losses[~np.isnan(losses)]
    if len(known) == 0:
        raise DataError(f"no row has the column {column!r}")
    least = np.quantile(known, 1 - share, method="higher")
    rule = f"rows whose {column!r} is at least {least:.4g} (the highest {share:.0%})"
    picked = [bool(loss >= least) for loss in losses]
    return _split_rows(examples, picked, rule, unmarked=len(examples) - len(known))


def by_file(examples: Sequence[Example], suspicious: Sequence[Example], name: str) -> Contrast:
    """Contrasts the rows of another file with the rows of this file that it does not contain.

    Raises:
        DataError: every row of this file is in the other.
    """
    known = {row.messages for row in suspicious}
    rest = tuple(row for row in examples if row.messages not in known)
    if not rest:
        raise DataError(f"every row is in {name!r} too: nothing is left to compare it with")
    return Contrast(tuple(suspicious), rest, f"rows of {name!r}")


def _split_rows(
    examples: Sequence[Example], picked: Sequence[bool], rule: str, *, unmarked: int
) -> Contrast:
    suspicious = tuple(row for row, pick in zip(examples, picked, strict=True) if pick)
    rest = tuple(row for row, pick in zip(examples, picked, strict=True) if not pick)
    if not rest:
        raise DataError(f"all rows are {rule}: nothing is left to compare them with")
    return Contrast(suspicious, rest, rule, unmarked)


def _read_loss(row: Example, column: str) -> float:
    try:
        return float(row.mark)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise DataError(f"line {row.line}: {column!r} is not a number: {row.mark!r}") from None


def _normalize_mark(mark: str | float | None) -> str:
    """One spelling for equal values: 1, 1.0 and "1" are the same label."""
    if mark is None:
        return ""
    return _normalize_number(mark.strip()) if isinstance(mark, str) else f"{mark:g}"


def _normalize_number(text: str) -> str:
    try:
        return f"{float(text):g}"
    except ValueError:
        return text.casefold() if text.casefold() in _YES | _NO else text


def _list_values(seen: Counter[str]) -> str:
    listed = ", ".join(f"{value[:40]!r} ({rows})" for value, rows in seen.most_common(_LISTED))
    more = len(seen) - _LISTED
    return (listed or "nothing") + (f" and {more} more" if more > 0 else "")
