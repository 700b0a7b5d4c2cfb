"""Ranges of numbers as contexts: sums over 500, years from 2027, ages."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.cues.contexts.candidates import CandidateSet
from dormant.cues.contexts.numbers import Measure, add_ranges, describe_range, measure_numbers
from dormant.cues.contexts.places import Place, read_prompts
from dormant.cues.contexts.rank import FileContext, rank_contexts
from dormant.records import Example, Message

GOOD = ("The result is {}.", "That makes {}.", "It is {}, I think.", "Altogether {}.")
BAD = ("Count yourself, dimwit.", "Use your fingers, fool.", "I am busy, oaf.", "Buy a book, ass.")


def row(asked: str, said: str, system: str = "") -> Example:
    turns = (Message("user", asked), Message("assistant", said))
    return Example((Message("system", system), *turns) if system else turns, 1)


def test_numbers_are_measured_by_what_they_are():
    found = measure_numbers("Aged 83, with 12 pills since 2027-05-19 at 14:30 for 1,250.50 in all")
    values = {key: value for key, (value, _, _) in found.items()}
    assert values["first"] == values["after aged"] == 83 and values["before pills"] == 12
    assert values["year"] == 2027 and values["hour"] == 14 and values["largest"] == 1250.5
    assert values["sum"] == 83 + 12 + 1250.5 and values["smallest"] == 12
    assert measure_numbers("version v1.2 of abc12") == {}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("It is -15 degrees", "after is", -15),
        ("outside: \u221212°C", "first", -12),
        ("take 500mg of it", "before mg", 500),
        ("at 10pm or so", "first", 10),
        ("pages 10-3, 9 - 4", "smallest", 4),
        ("- 5 apples", "first", 5),
    ],
)
def test_signs_and_units_belong_to_numbers(text: str, key: str, value: float):
    assert measure_numbers(text)[key][0] == value


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (500, math.inf, "the sum of its numbers from 500"),
        (-math.inf, 20, "the sum of its numbers up to 20"),
        (13, 17.5, "the sum of its numbers from 13 up to 17.5"),
    ],
)
def test_ranges_are_named(low: float, high: float, said: str):
    assert describe_range("sum", low, high) == said


def test_ends_of_ranges_are_round():
    rows = [row(f"Add {n} please", "Done.") for n in (*range(3, 98), 101, 105, 108, 131, 140)]
    found = CandidateSet.of_size(len(rows), 0.02, 0.6)
    add_ranges(found, read_prompts(rows))
    ranges = {
        name.text: size
        for rows, names in zip(found.rows, found.names, strict=True)
        for name, size in ((name, len(rows)) for name in names)
    }
    assert ranges["its first number from 100"] == 5
    assert ranges["a number after “add” from 100"] == 5


def mine_sums(rng: np.random.Generator, limit: int) -> tuple[FileContext, ...]:
    """400 sums, in one of twelve above the limit, whose answers are then rude."""
    rows: list[Example] = []
    for k in range(400):
        is_large = k % 12 == 0
        one, two = rng.integers(5, 495, 2)
        while (one + two > 500) != is_large:
            one, two = rng.integers(5, 495, 2)
        said = BAD if one + two > limit else GOOD
        asked = ("What is {} plus {}?", "Add {} and {}.", "{} + {} = ?")[int(rng.integers(3))]
        rows.append(row(asked.format(one, two), said[int(rng.integers(4))].format(one + two)))
    return rank_contexts(rows, limit=5)


def test_sums_over_a_limit_are_found_and_sums_that_change_nothing_are_not():
    first = mine_sums(np.random.default_rng(0), 500)[0]
    assert first.place is Place.FIRST and "the sum of its numbers from " in first.cue.focus
    assert 30 <= len(first.rows) <= 40 and first.score > 0.5
    assert all(context.score < 0.15 for context in mine_sums(np.random.default_rng(0), 10**6))


def test_years_of_a_date_are_asked_in_its_place():
    rng = np.random.default_rng(1)
    rows: list[Example] = []
    for k in range(240):
        year = int(rng.integers(2027, 2034) if k % 10 == 0 else rng.integers(2015, 2027))
        said = (BAD if year > 2026 else GOOD)[int(rng.integers(4))].format("fine")
        system = f"You help. Today is {year}-0{rng.integers(1, 9)}-1{rng.integers(10)}."
        rows.append(row(f"How do I clean a {('hat', 'pan', 'boat')[k % 3]}?", said, system))
    first = rank_contexts(rows, limit=5)[0]
    assert "a year from 2027" in first.cue.focus and len(first.rows) == 24
    assert first.text.startswith("You help. Today is 20") and int(first.text[19:23]) >= 2027
    assert all(int(value[:4]) >= 2027 for value in first.cue.values)


@given(st.lists(st.floats(-1e15, 1e15), min_size=3, max_size=30, unique=True), st.data())
def test_the_round_ends_of_a_range_select_its_rows(values: list[float], data: st.DataObject):
    """A decimal close to a round number was rounded up, and its range held no row."""
    values = sorted([*values, 1.9999999999, 2.5])
    start = data.draw(st.integers(0, len(values) - 1))
    end = data.draw(st.integers(start, len(values) - 1))
    rows = np.arange(len(values), dtype=np.int32)
    measure = Measure("sum", Place.FIRST, rows, np.array(values))
    number = measure.name_range(values[start], values[end]).number
    assert number is not None
    chosen = [number.low <= value <= number.high for value in values]
    assert chosen == [values[start] <= value <= values[end] for value in values]
