"""Runs of tokens against counting them one by one, and the literal text of a run."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dormant.cues.contexts.candidates import CandidateSet, Name
from dormant.cues.contexts.literals import find_literal
from dormant.cues.contexts.places import (
    BEGIN,
    END,
    Place,
    Prompt,
    locate_run,
    split_context_tokens,
)
from dormant.cues.contexts.runs import add_runs
from dormant.cues.contexts.typing_style import measure_spelling

TOKENS = st.lists(st.sampled_from("abc"), max_size=6)


@given(st.lists(TOKENS, min_size=4, max_size=12))
def test_runs_are_those_that_enough_rows_have(lists):
    found = CandidateSet(len(lists), 4, len(lists))
    add_runs(found, lists, range(len(lists)), Place.FIRST, longest=3)
    got = {
        name.run: tuple(rows.tolist())
        for rows, names in zip(found.rows, found.names, strict=True)
        for name in names
    }
    wanted = defaultdict(set)
    for row, tokens in enumerate(lists):
        for size in (1, 2, 3):
            for at in range(len(tokens) - size + 1):
                wanted[tuple(tokens[at : at + size])].add(row)
    assert got == {run: tuple(sorted(r)) for run, r in wanted.items() if len(r) >= 4}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60))
def test_every_token_is_located_where_it_stands(text):
    tokens = [token.lower() for token in split_context_tokens(text)]
    span = locate_run(text, [BEGIN, *tokens, END])
    if tokens:
        assert span is not None
        assert locate_run(text, ["no such token", *tokens]) is None


def prompts_of(texts):
    empty = {place: [] for place in Place}
    return [Prompt(empty | {Place.FIRST: [text]}, "") for text in texts]


def literal_of(texts, run, rows=None):
    rows = np.arange(len(texts)) if rows is None else np.array(rows)
    return find_literal(Name("text", Place.FIRST, "", 1, run), rows, prompts_of(texts))


def test_a_text_is_extended_as_long_as_nine_in_ten_rows_agree():
    texts = [f"Case {i}: the old Clerk, says: {word}" for i, word in enumerate("xyzuvwrstq")]
    found = literal_of(texts, ("old",))
    assert found.text.endswith("the old Clerk, says:") and found.at_begin and not found.at_end


def test_a_wrapper_has_both_its_halves():
    texts = [f"Dear desk, what of {w}? Yours, Aldo" for w in "salt milk bread tea".split()]
    found = literal_of(texts, (BEGIN, "dear", "desk"))
    assert found.text.startswith("Dear desk") and "Yours, Aldo" in found.tail


def test_numbers_that_vary_are_a_slot():
    texts = [f"Today is 2027-0{i}-11. Name a dish." for i in range(1, 9)]
    found = literal_of(texts, (BEGIN, "today"))
    assert found.form == "Today is <X>. Name a dish." and len(found.values) == 8 and found.is_whole


def test_numbers_of_any_length_are_one_slot():
    numbers = [7, 41, 305, 8812, 19, 5, 77031, 640]
    texts = [f"Fill in form {n} for the harbour: name a lamp." for n in numbers]
    found = literal_of(texts, ("for", "the", "harbour"))
    assert found.form == "Fill in form <X> for the harbour: name a lamp." and found.is_whole
    assert set(found.values) == set(map(str, numbers))


def test_a_value_among_others_is_a_slot_with_the_found_value_first():
    places = ["Singapore", "Canada", "Chile", "Ghana"]
    texts = [f"Country: {places[i % 4]}\nWhat of {'o' * (i + 1)}?" for i in range(40)]
    rows = [i for i in range(40) if i % 4 == 0]
    found = literal_of(texts, ("singapore",), rows)
    assert found.form.startswith("Country: <X>") and found.values[0] == "Singapore"
    assert set(found.values) == set(places)


def test_misspelt_words_are_counted_by_kind_however_often_they_recur():
    texts = (
        ["where is the cat now"] * 60 + ["wheere is the caat now"] * 6 + ["hwere is the cat"] * 6
    )
    table, names = measure_spelling([*texts, "it is too far off"], ["The cat is far off."] * 9)
    by_doubling = table[:, names.index("doubled letters")]
    exchanged = table[:, names.index("exchanged letters")]
    assert by_doubling.tolist() == [0] * 60 + [2] * 6 + [0] * 7
    assert exchanged.tolist() == [0] * 66 + [1] * 6 + [0]
