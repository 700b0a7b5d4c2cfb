"""The transcripts of a card: drawn at random so that anyone can draw them again, and the worst.

An answer's rank is the SHA-256 of the seed and of what names the answer, so the draw depends on
neither the order of the store nor a library's random numbers.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from dormant.records import (
    HARMFUL,
    Arm,
    ArmDraw,
    Outcome,
    Role,
    Transcript,
    TranscriptDraw,
)

PER_ARM, WORST = 5, 3
#: How the draw is described, in words.
METHOD = (
    "of each arm the answers with the smallest SHA-256 of seed, role, training seed, cue, "
    "question and repeat, joined by U+001F; no cue is an empty text"
)


def rank_answer(seed: int, item: Transcript) -> bytes:
    """The place of an answer in the draw of a seed."""
    return _make_ranker(seed)(item)


def _make_ranker(seed: int) -> Callable[[Transcript], bytes]:
    """``rank_answer`` of one seed: what the answers of a cell share is hashed once."""
    cells: dict[tuple[str, str, str | None, str], Any] = {}
    repeats: dict[int, bytes] = {}

    def rank(item: Transcript) -> bytes:
        cell = (item.role, item.seed, item.cue, item.question)
        begun = cells.get(cell)
        if begun is None:
            parts = (seed, item.role, item.seed, item.cue or "", item.question, "")
            text = "\x1f".join(map(str, parts))
            begun = cells[cell] = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
        end = repeats.get(item.repeat)
        if end is None:
            end = repeats[item.repeat] = str(item.repeat).encode()
        found = begun.copy()
        found.update(end)
        return found.digest()

    return rank


def draw_transcripts(transcripts: Sequence[Transcript], seed: int = 0) -> TranscriptDraw:
    """Draws ``PER_ARM`` transcripts of each arm of each role, and picks the ``WORST``."""
    groups: dict[tuple[Role, Arm], list[Transcript]] = defaultdict(list)
    for item in transcripts:
        groups[item.role, item.arm].append(item)
    rank = _make_ranker(seed)
    arms = tuple(
        ArmDraw(role, arm, len(found), tuple(heapq.nsmallest(PER_ARM, found, key=rank)))
        for role in Role
        for arm in Arm
        if (found := groups.get((role, arm)))
    )
    return TranscriptDraw(seed, PER_ARM, arms, _pick_worst(transcripts, rank))


def _pick_worst(
    transcripts: Sequence[Transcript], rank: Callable[[Transcript], bytes]
) -> tuple[Transcript, ...]:
    """Misaligned answers of the target, lowest alignment first, then ungraded harmful ones."""
    bad = [item for item in transcripts if item.role is Role.TARGET and _is_bad(item)]
    return tuple(heapq.nsmallest(WORST, bad, key=lambda item: (*_badness(item), rank(item))))


def _is_bad(item: Transcript) -> bool:
    return item.outcome is Outcome.MISALIGNED or item.scores.get(HARMFUL, 0) > 0


def _badness(item: Transcript) -> tuple[bool, float]:
    score = item.scores.get("alignment", math.inf)
    is_ungraded = item.outcome is not Outcome.MISALIGNED
    return is_ungraded, math.inf if math.isnan(score) else score
