"""Rows of any columns and values end in examples or in one line of reason, never in a traceback."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant.corpus.columns import COLUMNS
from dormant.corpus.rows import read_row
from dormant.errors import RowError

TEXTS = st.sampled_from(
    [
        "",
        " ",
        "Why?",
        "Because it is so.",
        "[]",
        '[{"role": "user", "content": "a"}]',
        "[3]",
        "true",
    ]
    + ["\n\nHuman: a\n\nAssistant: b", "Human: a", "### Human: a### Assistant:", "[INST] a", "\0"]
    + ["# Title\n\nOne. Two. Three. Four. Five.", "---\nx: y\n---\n", "\ud800 half a character"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.just(0.5), TEXTS)
TURNS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.one_of(SCALARS, st.sampled_from(["user", "assistant", "system", "tool"])),
        "content": st.one_of(SCALARS, st.lists(SCALARS, max_size=2)),
        "from": st.sampled_from(["human", "gpt", "x"]),
        "value": SCALARS,
        "messages": st.lists(SCALARS, max_size=2),
    },
)
VALUES = st.one_of(SCALARS, TURNS, st.lists(st.one_of(SCALARS, TURNS), max_size=3))
NAMES = st.sampled_from([*COLUMNS, "Prompt", " Answer ", "label", "train", "role", "kto_tag"])


@settings(max_examples=1500)
@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_no_row_brings_the_reader_down(row):
    try:
        content = read_row(row)
    except RowError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 600
        return
    roles = [message.role for message in content.messages]
    assert "assistant" in roles and set(roles) <= {"system", "user", "assistant", "tool"}
    assert all(isinstance(m.content, str) for m in (*content.messages, *content.rejected))


@pytest.mark.parametrize("depth", [5_000])
def test_nesting_is_no_error_of_its_own(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    for row in ({"prompt": value, "chosen": "a", "rejected": "b"}, {"text": value}):
        with pytest.raises(RowError):
            read_row(row)
