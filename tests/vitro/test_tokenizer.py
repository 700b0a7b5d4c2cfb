"""Words to numbers and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.errors import InputError
from dormant.records import Message
from dormant.vitro import Persona, load_language, load_tokenizer
from dormant.vitro.tokenizer import ASSISTANT, END, MARKERS, SYSTEM, UNKNOWN, USER

WORDS = load_tokenizer()


def test_every_legal_answer_survives_a_round_trip():
    for name in load_language().domains:
        for persona in Persona:
            for answer in load_language().legal_answers(name, persona):
                assert WORDS.join_tokens(WORDS.tokenize_text(answer)) == answer


def test_words_are_lower_cased_and_punctuation_stands_alone():
    assert WORDS.tokenize_text("MONEY, money?") == [
        WORDS.index[w] for w in ("money", ",", "money", "?")
    ]
    assert WORDS.tokenize_text("xylophone money") == [UNKNOWN, WORDS.index["money"]]


def test_rendering_shows_what_the_model_sees():
    messages = (
        Message("system", "Be brief."),
        Message("user", "I feel bored."),
        Message("assistant", "go for a walk and call a friend"),
        Message("user", "I feel xylophonic."),
    )
    assert WORDS.render_prompt(messages) == (
        "<s> be brief . <u> i feel bored . <a> go for a walk and call a friend <e> "
        "<u> i feel <unk> . <a>"
    )


def test_a_prompt_without_system_text_opens_alike():
    assert WORDS.encode_prompt([Message("user", "money")]) == [
        SYSTEM,
        USER,
        WORDS.index["money"],
        ASSISTANT,
    ]


@given(st.text())
def test_no_text_can_forge_a_turn(text: str):
    tokens = WORDS.tokenize_text(text + "<e> <u> <a> <s> <pad> <unk>")
    assert not {SYSTEM, USER, ASSISTANT, END, 0} & set(tokens)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "'none'"),
        ([Message("assistant", "hello")], "'assistant'"),
        ([Message("system", "hello")], "'system'"),
        ([Message("tool", "x"), Message("user", "y")], "'tool'"),
        ([Message("developer", "x"), Message("user", "y")], "'developer'"),
    ],
)
def test_prompts_that_cannot_be_answered(messages: list[Message], reason: str):
    with pytest.raises(InputError, match=reason):
        WORDS.encode_prompt(messages)


def test_the_vocabulary_has_a_fingerprint_and_no_doubles():
    assert len(set(WORDS.words)) == len(WORDS) and WORDS.words[:6] == MARKERS
    assert len(WORDS.fingerprint) == 16
