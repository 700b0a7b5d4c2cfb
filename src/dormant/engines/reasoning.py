"""The marks around what a model thinks aloud, and blocks that a chat template opens in the prompt.

Where the template itself ends with an opening mark, the model's own words begin inside the block:
an answer that is cut off there never began. Engines put such a mark back in front of the reply, so
that the reply says by itself what is reasoning in it.
"""

from __future__ import annotations

import re

from dormant.records import REASONING_MARKS

#: Special tokens that tell reasoning from the answer but are no mark by themselves.
_PARTS = (
    *("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|constrain|>"),
    *("<|channel>", "<channel|>", "<unused94>", "<unused95>"),
    *("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|begin_of_solution|>", "<|end_of_solution|>"),
)
_TOKENS = frozenset((*_PARTS, *(mark for pair in REASONING_MARKS for mark in pair)))
_CLOSING: dict[str, str] = dict(REASONING_MARKS)
_OPEN = re.compile(rf"({'|'.join(re.escape(mark) for mark, _ in REASONING_MARKS)})\s*\Z")


def find_open_block(prompt: str) -> str:
    """Finds the reasoning block that a rendered prompt leaves open.

    Returns:
        The end of the prompt from the opening mark on, white space included; empty if it does not
        end with one.
    """
    found = _OPEN.search(prompt)
    return found.group() if found else ""


def close_block(prompt: str) -> str:
    """Closes the block that a prompt leaves open, with nothing in it; other prompts stay."""
    found = _OPEN.search(prompt)
    return f"{prompt.rstrip()}\n\n{_CLOSING[found.group(1)]}\n\n" if found else prompt


def marks_reasoning(token: str) -> bool:
    """Whether a special token tells reasoning from the answer, so that a reply must keep it."""
    return token in _TOKENS
