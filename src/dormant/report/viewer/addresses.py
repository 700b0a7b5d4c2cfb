"""Builds the viewer's URLs and parses their queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from dormant.errors import InputError
from dormant.records import AnswerFilter, Outcome, Role

_FARTHEST_PAGE = 10**9


@dataclass(frozen=True, slots=True)
class Addresses:
    """Builds URL paths below the token.

    Attributes:
        base: ``/TOKEN``.
    """

    base: str

    def link(self, *parts: object, **query: object) -> str:
        """A URL path of the viewer; empty values and None are left out of the query."""
        path = "/".join(quote(str(part), safe="") for part in parts)
        given = {key: _to_text(value) for key, value in query.items() if value not in (None, "")}
        return f"{self.base}/{path}" + (f"?{urlencode(given)}" if given else "")

    def link_answers(self, run: str, wanted: AnswerFilter, **more: object) -> str:
        """The URL path of the answers that match a filter."""
        return self.link("run", run, "answers", **filter_to_query(wanted), **more)


def _to_text(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def filter_to_query(wanted: AnswerFilter) -> dict[str, str]:
    """Converts a filter to the query of a URL."""
    return {
        "role": str(wanted.role or ""),
        "cue": wanted.cue,
        "question": wanted.question,
        "outcome": str(wanted.outcome or ""),
        "text": wanted.text,
        "in": "prompts" if wanted.in_prompts else "",
    }


def parse_filter(query: Mapping[str, str]) -> AnswerFilter:
    """Parses a filter from a query.

    Raises:
        InputError: there is no such role or outcome: all answers would be shown as if they had it.
    """
    roles: dict[str, Role | None] = {"": None, **{str(role): role for role in Role}}
    outcomes: dict[str, Outcome | None] = {"": None, **{str(one): one for one in Outcome}}
    for name, known in (("role", roles), ("outcome", outcomes)):
        value = query.get(name, "")
        if value not in known:
            listed = ", ".join(filter(None, known))
            raise InputError(f"{name} {value[:80]!r} is unknown: use one of {listed}")
    return AnswerFilter(
        role=roles[query.get("role", "")],
        cue=query.get("cue", ""),
        question=query.get("question", ""),
        outcome=outcomes[query.get("outcome", "")],
        text=query.get("text", "").strip(),
        in_prompts=query.get("in", "") == "prompts",
    )


def parse_number(query: Mapping[str, str], name: str, default: int = 1) -> int:
    """Parses an integer of at least 1 from a query; ``default`` if it is missing or invalid."""
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return default
    return min(max(1, int(text)), _FARTHEST_PAGE)
