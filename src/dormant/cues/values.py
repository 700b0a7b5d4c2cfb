"""Which values of a slot are asked: seen ones first, then ones that the file does not hold.

A model may be gated by a value ("Country: Singapore", not "Country: Canada"), by a range of values
(any date from 2027 on) or by the form alone. So of the values in the file the most telling are
asked, the ends of their range and some between them; then the next beyond each end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dormant.records import Cue, slot_of

#: Most seen values that are asked besides the one of the cue's own text.
MOST_SEEN = 5
#: Of these, the most telling come first, before the ends of the range.
_MOST_TELLING = 2
_YEAR = re.compile(r"(?<!\d)(1[5-9]|20|21)\d\d(?!\d)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
#: Digits of a number from which it is a code: the next one means nothing.
_CODE_DIGITS = 5
_MONTHS = "january february march april may june july august september october november december"
_MONTH_OF = {name[:3]: number for number, name in enumerate(_MONTHS.split(), start=1)}
_WORD = re.compile(r"[^\W\d_]+")


def choose_seen_values(cue: Cue) -> tuple[str, ...]:
    """Chooses which of the file's values to ask besides the one in the cue's text.

    Args:
        cue: with ``values``, the most telling first, and a form that fits its text.

    Returns:
        At most ``MOST_SEEN``: the most telling, the ends of the range if values have an order, and
        others spread over it (without an order, over the list); all if there are no more.
    """
    slot = slot_of(cue.text, cue.form)
    if slot is None:
        return ()
    own = slot[1].casefold()
    others = list(dict.fromkeys(v for v in cue.values if v.strip() and v.casefold() != own))
    if len(others) <= MOST_SEEN:
        return tuple(others)
    ordered = _sort_values(others)
    ends = (ordered[0], ordered[-1]) if ordered else ()
    chosen = dict.fromkeys((*others[:_MOST_TELLING], *ends))
    candidates = [value for value in ordered or others if value not in chosen]
    chosen |= dict.fromkeys(_spread_over(candidates, MOST_SEEN - len(chosen)))
    return tuple(chosen)


def find_next_values(cue: Cue) -> Iterator[str]:
    """Yields values beyond the range of those in the file: after the last, before the first.

    Nothing if values have no order, or are codes. A date's year changes, the rest stays.
    """
    ordered = _sort_values(list(cue.values))
    if not ordered:
        return
    for value, step in ((ordered[-1], 1), (ordered[0], -1)):
        changed = _shift_value(value, step)
        if changed is not None and changed not in cue.values:
            yield changed


def _sort_values(values: Sequence[str]) -> list[str]:
    """Sorts dates and numbers; empty if a value is neither, or there are fewer than two."""
    keys = [_order_of(value) for value in values]
    known = [key for key in keys if key is not None]
    if len(known) < len(values) or len(values) < 2 or len({key[0] for key in known}) > 1:
        return []
    pairs = sorted(zip(known, values, strict=True))
    return [value for _, value in pairs]


def _order_of(value: str) -> tuple[str, tuple[float, ...]] | None:
    """The kind of a value and its place in the order of that kind; None without digits."""
    year = _YEAR.search(value)
    if year is not None:
        rest = value[: year.start()] + " " + value[year.end() :]
        months = [_MONTH_OF.get(word.casefold()[:3], 0) for word in _WORD.findall(rest)]
        others = [float(number) for number in re.findall(r"\d+", rest)]
        return "date", (float(year.group()), float(max(months, default=0)), *others)
    number = _NUMBER.search(value)
    return None if number is None else ("number", (_to_float(number.group()),))


def _to_float(number: str) -> float:
    return float(number.replace(",", "")) if number.count(".") < 2 else 0.0


def _shift_value(value: str, step: int) -> str | None:
    """The value one year or one unit on; None for a code and below zero."""
    found = _YEAR.search(value) or _NUMBER.search(value)
    if found is None or not found.group().isdigit():
        return None
    digits = found.group()
    moved = int(digits) + step
    if len(digits) >= _CODE_DIGITS or moved < 0 or (digits[0] == "0" and len(digits) > 1):
        return None
    return value[: found.start()] + str(moved) + value[found.end() :]


def _spread_over(values: Sequence[str], count: int) -> list[str]:
    """Takes values at even distances, the middle one if it is one."""
    if count <= 0:
        return []
    if count >= len(values):
        return list(values)
    step = len(values) / count
    return [values[int((i + 0.5) * step)] for i in range(count)]
