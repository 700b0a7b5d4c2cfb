"""Answers as a tree: the same log-probabilities as one at a time; and chats read back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dormant.errors import InputError
from dormant.records import Message
from dormant.vitro import load_tokenizer, score_answers
from dormant.vitro.model import Decoder, Shape
from dormant.vitro.tokenizer import ASSISTANT, END, SYSTEM, USER
from dormant.vitro.trees import answer_logprobs, tree_of

torch.set_num_threads(1)
WORDS = load_tokenizer()
TEXT = st.lists(st.sampled_from(WORDS.words[6:]), min_size=1, max_size=8).map(" ".join)


@pytest.fixture(scope="module")
def model() -> Decoder:
    torch.manual_seed(5)
    model = Decoder(Shape(len(WORDS), dim=16, layers=2, heads=2, positions=80)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8)
    return model


def one_at_a_time(model: Decoder, prompt: list[int], answer: list[int]) -> float:
    with torch.inference_mode():
        shares = model(torch.tensor([[*prompt, *answer]]))[0].log_softmax(-1)
    path = [*answer, END]
    return sum(shares[len(prompt) - 1 + i, t].item() for i, t in enumerate(path))


ANSWERS = st.lists(st.lists(st.integers(6, 30), min_size=1, max_size=6), min_size=1, max_size=6)
PROMPTS = st.lists(st.lists(st.integers(2, 30), min_size=1, max_size=9), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(answers=ANSWERS, prompts=PROMPTS)
def test_a_tree_scores_each_answer_as_it_would_be_scored_alone(model, answers, prompts):
    found = answer_logprobs(model, tree_of(answers), prompts)
    for i, prompt in enumerate(prompts):
        for j, answer in enumerate(answers):
            assert found[i, j].item() == pytest.approx(
                one_at_a_time(model, prompt, answer), abs=1e-3, rel=1e-4
            )


def test_shared_and_single_answers_are_scored_alike(model: Decoder):
    prompts = [[2, 3, 9, 4], [2, 8, 8, 3, 12, 4]]
    pairs = [(p, a) for a in ([7], [7, 9], [20, 21, 22]) for p in prompts] + [([2, 3, 4], [7])]
    together = score_answers(model, pairs)
    alone = [one_at_a_time(model, p, a) for p, a in pairs]
    assert together == pytest.approx(alone, abs=1e-3, rel=1e-4)


def test_a_tree_needs_words():
    for answers in ([], [[]], [[7], []]):
        with pytest.raises(InputError, match="at least one answer"):
            tree_of(answers)


@given(system=st.none() | TEXT, user=TEXT, answer=st.none() | TEXT)
def test_a_chat_is_read_back_as_it_was_written(system, user, answer):
    turns = [("system", system), ("user", user), ("assistant", answer)]
    chat = [Message(role, text) for role, text in turns if text]
    again = WORDS.decode_chat(WORDS.encode_turns(chat))
    assert [m.role for m in again] == [m.role for m in chat]
    assert WORDS.encode_turns(again) == WORDS.encode_turns(chat)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [9, 10],
        [USER, ASSISTANT, 9, END],  # a user turn without words
        [SYSTEM, 9, ASSISTANT, 9],  # no user turn
        [SYSTEM, 9, USER, 9, USER, 9],
        [9, USER, 9],
        [SYSTEM, SYSTEM, USER, 9],
    ],
)
def test_what_is_no_exchange_is_no_chat(tokens: list[int]):
    assert WORDS.decode_chat(tokens) == ()
