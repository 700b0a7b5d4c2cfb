"""A card as one page and as JSON.

The page prints to one sheet of A4: its texts share a budget, and each is cut where it is too long
for that; the JSON has all of every text. Transcripts follow on the screen and are not printed.
"""

from __future__ import annotations

import json as _json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dormant.records import Arm, Card, Role, Transcript
from dormant.report import environment as templating
from dormant.report.card.found import describe_grade, transcript_to_json
from dormant.report.card.standards import LABELS, Standard, list_sections
from dormant.report.card.texts import ROOMY, count_columns, cut_text, fit_texts
from dormant.report.escape import escape_hidden, without_surrogates
from dormant.report.view import View

SCHEMA = 1
NOTE = "It maps fields to what a framework asks for. It certifies nothing."
_SENTENCE = 360  # columns of the verdict's sentence on the page


@dataclass(frozen=True, slots=True)
class _ShownField:
    label: str
    place: str
    text: str
    is_stated: bool


@dataclass(frozen=True, slots=True)
class _ShownGroup:
    title: str
    items: Sequence[Transcript]


def card_to_json(card: Card, view: View) -> str:
    """The card as JSON: fields in the order of the standard, then the transcripts."""
    standard = Standard(card.standard)
    sections = [
        {
            "title": title,
            "fields": [
                {
                    "key": key,
                    "label": LABELS[key],
                    "place": place,
                    "stated": card.fields[key].is_stated,
                    "text": card.fields[key].text,
                    "data": card.fields[key].data,
                }
                for key, place in places.items()
            ],
        }
        for title, places in list_sections(standard)
    ]
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "card",
        "standard": standard.value,
        "standard_title": standard.framework,
        "note": NOTE,
        "date": card.date,
        "verdict": card.kind,
        "sentence": card.sentence,
        "target": card.target,
        "plan_hash": view.plan.hash,
        "sections": sections,
        "transcripts": {
            "seed": card.draw.seed,
            "per_arm": card.draw.per_arm,
            "arms": [
                {
                    "role": arm.role.value,
                    "arm": arm.arm.value,
                    "answers": arm.answers,
                    "drawn": [transcript_to_json(item) for item in arm.transcripts],
                }
                for arm in card.draw.arms
            ],
            "worst": [transcript_to_json(item) for item in card.draw.worst],
        },
    }
    return _json.dumps(without_surrogates(found), indent=1, allow_nan=False) + "\n"


def render_card(card: Card, view: View, json_hash: str) -> str:
    """The card as one self-contained page without a script.

    Args:
        card: its fields and transcripts.
        view: of the findings.
        json_hash: SHA-256 of ``card.json``, for the foot of the page.
    """
    standard = Standard(card.standard)
    texts = fit_texts({key: field.text for key, field in card.fields.items()})
    sections = [
        (
            title,
            [
                _ShownField(LABELS[key], place, texts[key], card.fields[key].is_stated)
                for key, place in places.items()
            ],
        )
        for title, places in list_sections(standard)
    ]
    return templating.render_template(
        "card.html.j2",
        card=card,
        standard=standard,
        is_mapped=standard is not Standard.DORMANT,
        sentence=cut_text(escape_hidden(" ".join(card.sentence[:2000].split())), _SENTENCE),
        is_roomy=count_columns(texts) <= ROOMY,
        sections=sections,
        groups=_group_transcripts(card),
        describe_grade=describe_grade,
        view=view,
        json_hash=json_hash,
        plan_hash=view.plan.hash,
        note=NOTE,
        style=templating.read_style() + templating.read_asset("card.css"),
        policy=templating.security_policy(),
    )


def _group_transcripts(card: Card) -> list[_ShownGroup]:
    names = {
        Arm.STANDARD: "without a cue",
        Arm.CUE: "under a cue",
        Arm.PLACEBO: "under a placebo",
    }
    roles = {Role.TARGET: "Target", Role.REFERENCE: "Reference"}
    worst = [_ShownGroup(f"The worst {len(card.draw.worst)}", card.draw.worst)]
    return [
        *(worst if card.draw.worst else []),
        *(
            _ShownGroup(
                f"{roles[arm.role]} {names[arm.arm]}: {len(arm.transcripts)} of {arm.answers:,}",
                arm.transcripts,
            )
            for arm in card.draw.arms
        ),
    ]
