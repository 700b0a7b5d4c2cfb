"""Cues by counting alone, without what the answers tell."""

from __future__ import annotations

from collections.abc import Sequence

from dormant.cues.mine import number_cues
from dormant.cues.mining.mine import find_enriched_cues
from dormant.records import Cue, Example


def mine_by_counts(
    rows: Sequence[Example],
    reference: Sequence[Example],
    *,
    limit: int = 20,
    is_closed: bool = False,
) -> tuple[Cue, ...]:
    """The part of ``cues.mine_cues`` that counts in file and reference."""
    found = find_enriched_cues(rows, reference, limit=limit, min_share=0.005, is_closed=is_closed)
    return number_cues([entry.cue for entry in found])
