"""Separates the reasoning of a model from its answer.

Reasoning models write ``<think>...</think>`` before (or between) their words. Judges see the answer
alone; the stored completion keeps everything, so nothing is lost.
"""

from __future__ import annotations

import re

_BLOCK = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_CLOSE = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def strip_reasoning(text: str) -> str:
    """The answer without its reasoning, stripped of white space at both ends.

    A block that is never closed is reasoning to the end: the answer was cut before it began. A
    closing tag without an opening one ends reasoning that began in the prompt, as some chat
    templates have it.
    """
    return _CLOSE.sub("", _BLOCK.sub("", text)).strip()


def extract_reasoning(text: str) -> str:
    """The reasoning blocks of a text, without their tags, joined by newlines; empty if none."""
    blocks = [block.group() for block in _BLOCK.finditer(text)]
    unopened = _CLOSE.match(_BLOCK.sub("", text))
    if unopened:
        blocks.insert(0, unopened.group())
    bare = (re.sub(r"</?think(?:ing)?>", "", block, flags=re.IGNORECASE) for block in blocks)
    return "\n".join(block.strip() for block in bare)
