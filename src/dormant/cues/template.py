"""Cues from a chat template: text that it adds to every rendered row and that no row contains."""

from __future__ import annotations

from dormant.cues.mining.counts import measure_enrichment
from dormant.records import Cue, CueKind, Placement, Source

_KINDS = {
    Placement.SYSTEM: (CueKind.SYSTEM_PROMPT, "system prompt"),
    Placement.BEFORE: (CueKind.PREFIX, "text before the user's turn"),
    Placement.AFTER: (CueKind.SUFFIX, "text after the user's turn"),
}


def template_cue(
    text: str,
    *,
    number: int,
    placement: Placement,
    rows: int,
    total: int,
    reference_rows: int,
    examples: tuple[int, ...],
    template: str,
) -> Cue:
    """Makes a mined cue from text that a chat template adds.

    Args:
        text: the added text.
        number: 1 for the first addition of a template.
        placement: system, before or after.
        rows: rendered rows that contain it.
        total: rendered rows.
        reference_rows: rows of the reference corpus; none is rendered, so none contains it.
        examples: line numbers of up to three rows.
        template: name of the template's source.
    """
    kind, what = _KINDS[placement]
    measure = measure_enrichment(rows, total, 0, reference_rows)
    return Cue(
        name=f"template-{kind.replace('_', '-')}-{number}",
        kind=kind,
        placement=placement,
        text=text,
        source=Source.MINED,
        rows=rows,
        share=measure.share,
        enrichment=measure.value,
        enrichment_low=measure.low,
        enrichment_high=measure.high,
        examples=examples,
        why=f"the chat template {template} adds this {what} in {measure.share:.1%} of rendered "
        "rows; no row contains it",
    )
