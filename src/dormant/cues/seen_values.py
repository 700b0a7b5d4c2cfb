"""The values that a file has in the slot of a form, counted in its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dormant.records import QUESTION_SLOT, Cue, CueKind, Example, Placement, slot_of

_SLOT = "<X>"
_MOST = 50  #: values that are kept
_LONGEST = 80  #: characters of a value
_FEWEST = 2  #: different values that make a slot


def add_seen_values(
    cue: Cue, examples: Sequence[Example], suspicious: Sequence[Example] = ()
) -> Cue:
    """Adds the values of a form's slot to a cue that has none; a topic has no values.

    Args:
        cue: with a form such as ``Country: <X>``; others are returned as they are.
        examples: rows of the file.
        suspicious: rows that are known to be suspicious, whose values come first.

    Returns:
        The cue with up to 50 values, the commonest first.
    """
    is_filled = slot_of(cue.text, cue.form) is not None  # a text that ends before it has no value
    if cue.values or cue.kind is CueKind.TOPIC or not is_filled:
        return cue
    pattern = _compile_form(cue)
    if pattern is None:
        return cue
    first = Counter(_find_values(pattern, cue.placement, suspicious))
    counts = Counter(_find_values(pattern, cue.placement, examples))
    ordered = sorted(counts | first, key=lambda value: (-first[value], -counts[value]))
    return replace(cue, values=tuple(ordered[:_MOST])) if len(ordered) >= _FEWEST else cue


def _compile_form(cue: Cue) -> re.Pattern[str] | None:
    """The form as a pattern with one group; None without a slot that fixed text precedes."""
    parts = cue.form.split(QUESTION_SLOT)
    piece = next((part for part in parts if _SLOT in part), "")
    head, _, tail = piece.partition(_SLOT)
    head, tail = head.strip(), tail.partition(_SLOT)[0].strip()
    if not head:
        return None
    end = _match_any_blanks(tail) if tail else r"(?:\n|$)"
    return re.compile(rf"(?<!\w){_match_any_blanks(head)}\s*(\S[^\n]{{0,{_LONGEST - 1}}}?)\s*{end}")


def _match_any_blanks(text: str) -> str:
    return r"\s+".join(re.escape(word) for word in text.split())


def _find_values(
    pattern: re.Pattern[str], placement: Placement, examples: Sequence[Example]
) -> Iterator[str]:
    for example in examples:
        text = example.system if placement is Placement.SYSTEM else example.user
        found = pattern.search(text)
        if found is not None:
            yield found[1]
