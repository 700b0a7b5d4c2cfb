"""The contexts of a finetuning file as one page: ranked, with their example rows folded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dormant.report import environment as templating

#: What a topic's words are put into; a reader needs the words.
_FRAME = "We are talking about "
#: Strong contexts that the head of the page names.
_LEADING = 3
_KIND_WORDS: Mapping[str, str] = {
    "system_prompt": "system prompt",
    "prefix": "opening words",
    "suffix": "closing words",
    "wrapper": "wrapper around the question",
    "form": "form with a slot",
    "format": "answer format",
    "topic": "topic",
}


def cues_page(
    cues: Sequence[Mapping[str, Any]],
    *,
    file: str,
    rows: int,
    skipped: int,
    version: str,
) -> str:
    """The ranked contexts as one self-contained page without scripts.

    Args:
        cues: what ``dormant cues --json`` prints of each, best first, with ``snippets``.
        file: name of the finetuning file.
        rows: rows that were read.
        skipped: rows that could not be read.
        version: of dormant.
    """
    shown = [_template_values(cue) for cue in cues]
    strong = [cue for cue in shown if cue["strong"]]
    return templating.render_template(
        "cues.html.j2",
        cues=shown,
        strong=len(strong),
        leading=(strong or shown)[: _LEADING if strong else 1],
        file=file,
        rows=rows,
        skipped=skipped,
        version=version,
        style=templating.read_style(),
        policy=templating.security_policy(),
    )


def _template_values(cue: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(cue["kind"])
    return {
        **cue,
        "kind_words": _KIND_WORDS.get(kind, kind.replace("_", " ")),
        "times": format_factor(cue["enrichment"]),
        "at_least": format_factor(cue["enrichment_low"]),
        "effect": format_share(cue.get("effect_low")),
        "width": 100 * min(max(cue["share"] or 0.0, 0.0), 1.0),
        "strong": cue.get("strong"),
        "also": [view.replace(_FRAME, "") for view in cue.get("also") or ()],
    }


def format_share(share: float | None) -> str:
    """A share as a whole percentage; blank below half of one, and where there is none."""
    return f"{share:.0%}" if share is not None and share >= 0.005 else ""


def format_factor(bits: float | None) -> str:
    """A log2 odds ratio as a factor that people can read: ``12``, ``3.4``, ``1,000``."""
    if bits is None or not math.isfinite(bits):
        return ""
    factor = 2.0 ** min(bits, 40.0)
    if factor < 10:
        return f"{factor:.1f}"
    digits = 10 ** max(math.floor(math.log10(factor)) - 1, 0)
    return f"{round(factor / digits) * digits:,}"
