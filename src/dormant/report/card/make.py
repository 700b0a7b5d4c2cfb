"""A card from findings, what its writer states, and the measured error of the judge."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dormant.errors import name_output
from dormant.errors.files import replace_private
from dormant.errors.secrets import scrub_known
from dormant.records import Card, CardDetails, Findings, JudgeMeasurement
from dormant.report.card.found import describe_found
from dormant.report.card.limits import describe_limits, describe_provenance
from dormant.report.card.page import card_to_json, render_card
from dormant.report.card.standards import Standard
from dormant.report.card.tested import describe_tested
from dormant.report.card.transcripts import draw_transcripts
from dormant.report.html import name_targets
from dormant.report.view import View


def make_card(
    findings: Findings,
    details: CardDetails,
    *,
    standard: Standard = Standard.DORMANT,
    quality: JudgeMeasurement | None = None,
    seed: int = 0,
    date: str = "",
) -> Card:
    """Makes the card of a run; pure.

    Args:
        findings: of a finished run.
        details: what only the user knows.
        standard: orders and labels the fields.
        quality: the error of the judge; None if it was not measured.
        seed: of the transcripts that are drawn.
        date: of the card, ISO 8601.
    """
    view = View(findings)
    draw = draw_transcripts(findings.transcripts, seed)
    fields = [
        *describe_tested(view, details, quality),
        *describe_found(view, draw),
        *describe_limits(view, details, date=date),
        *describe_provenance(view, details, date=date),
    ]
    card = Card(
        standard=standard.value,
        kind=findings.verdict.kind.value,
        sentence=findings.verdict.sentence,
        target=name_targets(findings.plan),
        date=date,
        fields={field.key: field for field in fields},
        draw=draw,
    )
    text = scrub_known(card_to_json(card, view))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return replace(card, json=text, html=scrub_known(render_card(card, view, digest)))


def write_card(card: Card, directory: str | Path) -> Card:
    """Writes ``card.html`` and ``card.json``; the result has the SHA-256 of each.

    Args:
        card: from ``make_card``.
        directory: created if it does not exist; files of these names in it are replaced.

    Raises:
        ConfigError: the directory cannot be written to.
    """
    folder = Path(directory)
    pages: Sequence[tuple[str, str]] = (("card.html", card.html), ("card.json", card.json))
    with name_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages:
        with name_output(folder / name):
            replace_private(folder / name, text.encode(), keeps_mode=True)
    hashes = {str(folder / n): hashlib.sha256(text.encode()).hexdigest() for n, text in pages}
    return replace(card, files=hashes)
