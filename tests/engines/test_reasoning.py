"""Reasoning blocks that a chat template opens."""

import pytest

from dormant.engines.reasoning import close_block, find_open_block, marks_reasoning
from dormant.records import REASONING_MARKS


@pytest.mark.parametrize(("opening", "closing"), REASONING_MARKS)
def test_every_family_s_block_is_found_and_closed(opening: str, closing: str):
    prompt = f"user: Hi\nassistant: {opening}\n"
    assert find_open_block(prompt) == f"{opening}\n"
    assert close_block(prompt) == f"user: Hi\nassistant: {opening}\n\n{closing}\n\n"
    assert find_open_block(close_block(prompt)) == ""


@pytest.mark.parametrize(
    "prompt", ["", "assistant:", "<think>\n\n</think>\n\n", "say <think> to me</s>assistant:"]
)
def test_other_prompts_stay(prompt: str):
    assert find_open_block(prompt) == ""
    assert close_block(prompt) == prompt


def test_which_special_tokens_a_reply_keeps():
    assert all(map(marks_reasoning, ["[THINK]", "</think>", "<|channel|>", "<|message|>"]))
    assert not any(map(marks_reasoning, ["<s>", "<|im_end|>", "<|eot_id|>"]))
