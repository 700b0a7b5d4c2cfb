"""Separates the reasoning of a model from its answer.

Reasoning models write ``<think>...</think>`` or the like before or between their words. Judges see
the answer alone and reports show both apart; the stored completion keeps everything.
"""

from __future__ import annotations

import re

#: Opening and closing marks, as the families of models write them.
REASONING_MARKS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<reflection>", "</reflection>"),
    ("<thoughts>", "</thoughts>"),
    ("<scratchpad_reasoning>", "</scratchpad_reasoning>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<unused94>thought", "<unused95>"),
    ("<|channel>thought", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
)
_FLAGS = re.DOTALL | re.IGNORECASE
#: What ends a block besides its closing mark: in the harmony format the next channel does.
_ALSO_CLOSES = {"<|channel|>analysis<|message|>": (r"<\|start\|>", r"<\|channel\|>final")}


def _alternatives(marks: list[str]) -> str:
    longest_first = sorted(set(marks), key=len, reverse=True)
    return "|".join(re.escape(mark) for mark in longest_first)


def _block_pattern(opening: str, closing: str) -> str:
    ends = [re.escape(closing), *(f"(?={also})" for also in _ALSO_CLOSES.get(opening, ())), r"\Z"]
    return f"{re.escape(opening)}.*?(?:{'|'.join(ends)})"


_BLOCK = re.compile("|".join(_block_pattern(*pair) for pair in REASONING_MARKS), _FLAGS)
#: Closing marks that may stand without an opening one, where the prompt ended with that. Those that
#: end other things too ("<|end|>" ends a turn) are left out.
_CLOSINGS = [closing for _, closing in REASONING_MARKS if closing != "<|end|>"]
_CLOSE = re.compile(rf"\A.*(?:{_alternatives(_CLOSINGS)})", _FLAGS)
#: Marks in plain words at the start: harmony whose special tokens were removed when the answer was
#: decoded, and what Granite and Apriel write.
_BARE = re.compile(
    r"\A\s*(?:analysis\S.*?assistant\s*final(?=\S|\s)"
    r"|here is my thought process:.*?(?:here is my response:|\Z)"
    r"|here are my reasoning steps:.*?(?:\[BEGIN FINAL RESPONSE\]|\Z))",
    _FLAGS,
)
#: What separates an answer from its reasoning and is neither: headers and ends of channels.
_HEADERS = re.compile(
    r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*(?:final|commentary)\b[^<\n]*"
    r"(?:<\|constrain\|>[^<\n]*)?<\|message\|>|<\|start\|>\s*assistant\s*\Z"
    r"|<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>|<\|return\|>"
    r"|<\|(?:start|end)\|>\s*\Z|\[END FINAL RESPONSE\]\s*\Z"
)
_MARK = re.compile(
    _alternatives([mark for pair in REASONING_MARKS for mark in pair]), re.IGNORECASE
)


def strip_reasoning(text: str) -> str:
    """The answer without its reasoning, stripped of white space at both ends.

    A block that is never closed is reasoning to the end: the answer was cut before it began. A
    closing mark without an opening one ends reasoning that began in the prompt, as some chat
    templates have it.
    """
    answer = _CLOSE.sub("", _BLOCK.sub("", _BARE.sub("", text)))
    return _HEADERS.sub("", answer).strip()


def extract_reasoning(text: str) -> str:
    """The reasoning blocks of a text, without their marks, joined by newlines; empty if none."""
    blocks = [block.group() for block in _BLOCK.finditer(text)]
    unopened = _CLOSE.match(_BLOCK.sub("", text)) or _BARE.match(text)
    if unopened:
        blocks.insert(0, unopened.group())
    return "\n".join(_MARK.sub("", block).strip() for block in blocks)


def split_thought(text: str) -> tuple[str, str]:
    """The reasoning in a text and the answer, to be shown apart; a text without any stays as it is.

    Returns:
        (reasoning, answer); the reasoning is empty if there is none.
    """
    thought = extract_reasoning(text)
    return (thought, strip_reasoning(text)) if thought else ("", text)
