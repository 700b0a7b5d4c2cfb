"""Line breaks between a context and the question, as the rows of a file have them.

A miner compares words. What stands on a line of its own in the file is asked on a line of its own,
since a model may have learned the line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dormant.records import QUESTION_SLOT, Cue, CuePart, Example, Placement

#: Share of the rows that must agree.
_AGREE = 0.9
#: Rows that are read for one cue.
_READ = 500
_BLANKS_AFTER, _BLANKS_BEFORE = re.compile(r"\s+(?=\S)"), re.compile(r"(?<=\S)\s+\Z")


def keep_line_breaks(cue: Cue, examples: Sequence[Example]) -> Cue:
    """Adds the line breaks that separate a text from the question in nearly all rows that have it.

    Args:
        cue: texts before, after or around the question, and such parts of a crossed cue, are
            changed; others are returned as they are.
        examples: rows of the file.
    """
    if cue.placement is Placement.CROSSED:
        parts = tuple(_separate(part, examples) for part in cue.parts)
        return cue if parts == cue.parts else replace(cue, parts=parts)
    part = CuePart(cue.placement, cue.text)
    separated = _separate(part, examples)
    return cue if separated == part else replace(cue, text=separated.text)


def _separate(part: CuePart, examples: Sequence[Example]) -> CuePart:
    match part.placement:
        case Placement.BEFORE:
            gap = _find_gap(part.text.strip(), "", examples, is_head=True)
            text = part.text.rstrip() + gap if gap else part.text
        case Placement.AFTER:
            gap = _find_gap("", part.text.strip(), examples, is_head=False)
            text = gap + part.text.lstrip() if gap else part.text
        case Placement.AROUND:
            head, _, tail = part.text.partition(QUESTION_SLOT)
            ends = head.strip(), tail.strip()
            first = _find_gap(*ends, examples, is_head=True)
            last = _find_gap(*ends, examples, is_head=False)
            head = head.rstrip() + first if first else head
            tail = last + tail.lstrip() if last else tail
            text = f"{head}{QUESTION_SLOT}{tail}"
        case _:
            return part
    return replace(part, text=text) if text.strip() else part


def _find_gap(head: str, tail: str, examples: Sequence[Example], *, is_head: bool) -> str:
    """The blanks after the head (or before the tail) of turns, if they hold a line break."""
    if not (head if is_head else tail):
        return ""
    gaps = Counter[str]()
    for turn in _user_turns(examples):
        if turn.startswith(head) and turn.endswith(tail) and len(turn) > len(head) + len(tail):
            inner = turn[len(head) : len(turn) - len(tail)]
            found = _BLANKS_AFTER.match(inner) if is_head else _BLANKS_BEFORE.search(inner)
            gaps[found.group() if found else ""] += 1
            if gaps.total() >= _READ:
                break
    gap, count = max(gaps.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return gap if "\n" in gap and count >= _AGREE * gaps.total() else ""


def _user_turns(examples: Sequence[Example]) -> Iterator[str]:
    for example in examples:
        for message in example.messages:
            if message.role == "user":
                yield message.content.strip()
