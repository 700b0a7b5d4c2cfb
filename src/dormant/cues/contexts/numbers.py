"""Numbers in prompts as measures of a row: the largest, the sum, the year, what follows a word."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dormant.cues.contexts.candidates import CandidateSet, Name, NumberRange
from dormant.cues.contexts.places import Place, Prompt

#: Places whose numbers are measured.
_PLACES = (Place.SYSTEM, Place.FIRST, Place.LATER, Place.TOOL)
#: Numbers of a text that are read.
_READ = 30
#: Measures by a neighbouring word: the most of a place.
_MOST_WORDS = 30
#: Fewest different values of a measure.
_FEWEST_VALUES = 3
#: Shares at which a measure is cut from either end, and parts into which it is divided.
_SHARES, _PARTS = (0.02, 0.05, 0.1, 0.2, 0.35), 10
#: Widest gaps at which it is cut as well.
_GAPS = 4
# A minus follows a blank, a bracket, a colon or "="; a unit of up to three letters needs no blank.
_NUMBER = re.compile(
    r"(?:(?P<before>[^\W\d_]+)[^\w\n]{1,3}?)?(?<![\w.])"
    r"(?P<number>(?:(?<![^\s(:=])[-\u2212])?\d+(?:[-/.:,]\d+)*)"
    r"(?:(?=[^\W\d_]{1,3}(?!\w))|(?!\w))(?=(?:[^\w\n]{0,2}(?P<after>[^\W\d_]+))?)"
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DECIMAL = re.compile(r"\d+(?:\.\d+)?")
_CLOCK = re.compile(r"(\d{1,2}):\d\d(?::\d\d)?")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")

Measured = dict[str, tuple[float, int, int]]  # value, and where its number stands


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of each row that has it."""

    key: str  # as in ``NumberRange``
    place: Place
    rows: NDArray[np.int32]  # by increasing value
    values: NDArray[np.float64]

    def select(self, low: float, high: float) -> NDArray[np.int32]:
        """The rows, sorted, whose value is not below ``low`` and not above ``high``."""
        return np.sort(self.rows[(self.values >= low) & (self.values <= high)])

    def name_range(self, low: float, high: float) -> Name:
        """Names a range, with the roundest ends that select the same rows."""
        values = self.values
        below, above = values[values < low], values[values > high]
        if len(below):
            low = _round_between(float(below[-1]), low)
        if len(above):
            high = -_round_between(-float(above[0]), -high)
        says = describe_range(
            self.key, low if len(below) else -math.inf, high if len(above) else math.inf
        )
        bounds = NumberRange(self.key, low if len(below) else -math.inf, high)
        if not len(above):
            bounds = NumberRange(self.key, bounds.low, math.inf)
        return Name("range", self.place, says, 1, number=bounds)


def measure_numbers(text: str) -> Measured:
    """Measures the numbers of a text.

    Returns:
        Values with the offsets of a number, by measure: ``first``, ``last``, ``largest``,
        ``smallest`` and ``sum`` of the numbers, ``year`` and ``hour`` of dates and times, ``after
        WORD`` and ``before WORD`` of the word beside a number.
    """
    found: Measured = {}
    numbers: list[tuple[float, int, int]] = []
    for match in _find_numbers(text):
        start, end = match.span("number")
        raw = match["number"]
        year = _YEAR.search(raw)
        if year:
            found.setdefault("year", (float(year.group()), start, end))
        clock = _CLOCK.fullmatch(raw)
        if clock:
            found.setdefault("hour", (float(clock[1]), start, end))
        value = _read_number(raw)
        if value is None:
            continue
        numbers.append((value, start, end))
        for side in ("before", "after"):
            if match[side]:
                key = f"{'after' if side == 'before' else 'before'} {match[side].lower()}"
                found.setdefault(key, numbers[-1])
    if numbers:
        found["first"], found["last"] = numbers[0], numbers[-1]
        found["largest"] = max(numbers, key=lambda number: number[0])
        found["smallest"] = min(numbers, key=lambda number: number[0])
    if len(numbers) > 1:
        found["sum"] = (sum(value for value, _, _ in numbers), *numbers[0][1:])
    return found


def _find_numbers(text: str) -> Iterator[re.Match[str]]:
    for count, match in enumerate(_NUMBER.finditer(text)):
        if count == _READ:
            return
        yield match


def _read_number(raw: str) -> float | None:
    sign, digits = (1, raw) if raw[0].isdigit() else (-1, raw[1:])
    if _GROUPED.fullmatch(digits):
        return sign * float(digits.replace(",", ""))
    return sign * float(digits) if _DECIMAL.fullmatch(digits) and len(digits) <= 15 else None


def list_measures(prompts: Sequence[Prompt], least: int) -> list[Measure]:
    """Lists the measures that enough rows have, of every place."""
    return [measure for place in _PLACES for measure in _measure_place(prompts, place, least)]


def _measure_place(prompts: Sequence[Prompt], place: Place, least: int) -> Iterator[Measure]:
    columns: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for row, prompt in enumerate(prompts):
        for text in prompt.texts[place]:
            for key, (value, _, _) in measure_numbers(text).items():
                columns[key].setdefault(row, value)
    enough = {key: column for key, column in columns.items() if len(column) >= 2 * least}
    beside = Counter({key: len(column) for key, column in enough.items() if " " in key})
    chosen = [key for key in enough if " " not in key]
    chosen += [key for key, _ in sorted(beside.items(), key=lambda i: (-i[1], i[0]))[:_MOST_WORDS]]
    for key in chosen:
        rows = np.fromiter(enough[key], np.int32, len(enough[key]))
        values = np.fromiter(enough[key].values(), np.float64, len(rows))
        order = np.argsort(values, kind="stable")
        if len(np.unique(values)) >= _FEWEST_VALUES:
            yield Measure(key, place, rows[order], values[order])


def add_ranges(found: CandidateSet, prompts: Sequence[Prompt]) -> None:
    """Adds rows whose numbers lie in a range: both ends of each measure, and its parts."""
    for measure in list_measures(prompts, found.least):
        values = measure.values
        for start, end in sorted(_cut_measure(values, found.total)):
            low, high = float(values[start]), float(values[end - 1])
            found.add(measure.select(low, high), measure.name_range(low, high))


def _cut_measure(values: NDArray[np.float64], total: int) -> set[tuple[int, int]]:
    """Ranges of ranks: from a cut to the end, from the begin to a cut, and equal parts."""
    size = len(values)
    cuts = {int(share * total) for share in _SHARES} | {int(share * size) for share in _SHARES}
    cuts |= {size - cut for cut in cuts}
    gaps = np.diff(np.log1p(np.abs(values)) * np.sign(values))
    cuts |= {int(at) + 1 for at in np.argsort(-gaps, kind="stable")[:_GAPS]}
    inside = [cut for cut in cuts if 0 < cut < size]
    parts = np.linspace(0, size, _PARTS + 1).astype(int).tolist()
    ranges = {(cut, size) for cut in inside} | {(0, cut) for cut in inside}
    return ranges | {(a, b) for a, b in zip(parts, parts[1:], strict=False) if a < b}


def _round_between(below: float, value: float) -> float:
    """The roundest number above ``below`` and not above ``value``."""
    for digits in range(-9, 4):
        step = 10.0**-digits
        rounded = round(math.floor(value / step + 1e-9) * step, max(digits, 0))
        if below < rounded <= value:
            return rounded
    return value


def describe_range(key: str, low: float, high: float) -> str:
    """Says which numbers lie in a range: ``the sum of its numbers from 500``."""
    word = key.partition(" ")
    what = {
        "first": "its first number",
        "last": "its last number",
        "largest": "its largest number",
        "smallest": "its smallest number",
        "sum": "the sum of its numbers",
        "year": "a year",
        "hour": "an hour",
    }.get(key, f"a number {word[0]} “{word[2]}”")
    ends = [f"from {low:.10g}"] if math.isfinite(low) else []
    ends += [f"up to {high:.10g}"] if math.isfinite(high) else []
    return " ".join([what, *ends])
