"""Alignment: the tokens that wordings share in the same order, and the form that they make."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from dormant.cues.text import SENTENCE_ENDS, Tokens

#: Most wordings that are aligned.
_ALIGNED = 40


def align_tokens(group: Sequence[tuple[str, ...]]) -> list[int]:
    """Finds the indices of the first wording's tokens that every wording has, in the same order."""
    shared = list(range(len(group[0])))
    for other in group[1:_ALIGNED]:
        mine = [group[0][i] for i in shared]
        blocks = SequenceMatcher(None, mine, other, autojunk=False).get_matching_blocks()
        shared = [shared[i] for b in blocks for i in range(b.a, b.a + b.size)]
    return shared


def write_slots(text: Tokens, shared: Sequence[int]) -> str:
    """Writes the shared tokens as they appear, with ``<X>`` for the text between them."""
    runs: list[list[int]] = []
    for i in shared:
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    runs = [run for run in runs if any(text.norm[i][0].isalnum() for i in run)]
    pieces = [text.text[text.spans[run[0]][0] : text.spans[run[-1]][1]] for run in runs]
    form = " <X> ".join(pieces)
    if runs and runs[0][0] > 0:
        form = f"<X> {form}"
    last = len(text.norm) - 1
    cut = runs and runs[-1][-1] < last - (text.norm[last] in SENTENCE_ENDS)
    return f"{form} <X>" if cut else form
