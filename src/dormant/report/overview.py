"""One page about several audited organisms: how many verdicts equal the known truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dormant.errors import InputError
from dormant.records import VerdictKind
from dormant.report import environment as templating


@dataclass(frozen=True, slots=True)
class _Row:
    """One organism as the page shows it; unknown numbers are None."""

    name: str
    intervention: str
    expected: str
    verdict: str
    standard_rate: float | None
    worst_cue: str
    worst_cue_label: str
    worst_cue_rate: float | None
    did: float | None
    did_low: float | None
    did_high: float | None
    answers: int | None
    seconds: float | None
    link: str

    @property
    def equal(self) -> bool:
        """Whether the verdict is the known truth."""
        return self.verdict == self.expected

    @property
    def kind(self) -> str:
        """The verdict, if it is one: it names a style, so nothing else may pass."""
        return self.verdict if self.verdict in set(VerdictKind) else ""


def _read_number(value: Any, key: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"summary: {key} must be a number or null, got {value!r}")
    return float(value) if math.isfinite(value) else None


def _read_text(value: Any) -> str:
    return "" if value is None else str(value)


def _safe_link(links: Mapping[str, str], name: str) -> str:
    """A link to a file below this page; anything that could lead elsewhere is refused."""
    link = links.get(name, "")
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or link.startswith(("/", "\\")) or ".." in link.split("/"):
        raise InputError(f"links[{name!r}] must be a relative path below the page, got {link!r}")
    return link


def _make_row(organism: Mapping[str, Any], links: Mapping[str, str]) -> _Row:
    missing = [key for key in ("name", "verdict", "expected_verdict") if key not in organism]
    if missing:
        raise InputError(f"summary: an organism lacks {missing[0]!r}: {dict(organism)!r:.200}")
    name = _read_text(organism["name"])
    numbers = {
        key: _read_number(organism.get(key), key)
        for key in ("standard_rate", "worst_cue_rate", "did", "did_low", "did_high", "seconds")
    }
    answers = _read_number(organism.get("answers"), "answers")
    return _Row(
        name=name,
        intervention=_read_text(organism.get("intervention")),
        expected=_read_text(organism["expected_verdict"]),
        verdict=_read_text(organism["verdict"]),
        worst_cue=_read_text(organism.get("worst_cue")),
        worst_cue_label=_read_text(organism.get("worst_cue_label")),
        answers=None if answers is None else int(answers),
        link=_safe_link(links, name),
        **numbers,
    )


def quickstart_page(summary: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """The overview of several audits as one self-contained page without scripts.

    ``summary`` is what ``summary.json`` holds: ``organisms`` (each with name, intervention,
    expected_verdict, verdict, standard_rate, worst_cue (and worst_cue_label, its text),
    worst_cue_rate, did, did_low, did_high, answers, seconds; rates as shares, numbers may be
    None), ``seconds``, ``seed``, ``version``. ``links`` gives the relative path of an organism's
    own report by its name.

    Raises:
        InputError: a key is missing, a value is not a number, or a link is not relative.
    """
    rows = [_make_row(organism, links) for organism in summary.get("organisms", ())]
    return templating.render_template(
        "overview.html.j2",
        rows=rows,
        equal=sum(row.equal for row in rows),
        answers=sum(row.answers or 0 for row in rows),
        seconds=_read_number(summary.get("seconds"), "seconds"),
        seed=_read_text(summary.get("seed")),
        version=_read_text(summary.get("version")),
        style=templating.read_style(),
        policy=templating.security_policy(),
    )
