"""The order and the labels of a card's fields, by the framework that its readers use.

Every framework has every field: ``docs/guides/card.md`` holds the same as a table. A place is where
the framework asks for such content; an empty one means that it does not ask for it by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from dormant.errors import ConfigError

#: Key of a field -> its label.
LABELS: Mapping[str, str] = {
    "purpose": "Purpose",
    "target": "Target",
    "reference": "Reference",
    "reference_fairness": "Why the reference is fair",
    "mitigation": "Mitigation audited",
    "access": "Access",
    "data": "Data",
    "questions": "Questions",
    "cues": "Cues",
    "sampling": "Sampling",
    "elicitation": "Elicitation",
    "evaluation_awareness": "Evaluation awareness",
    "judge": "Judge",
    "judge_error": "Error of the judge",
    "budget": "Budget spent",
    "verdict": "Verdict",
    "effects": "Effect",
    "existence": "Existence and smallest delta",
    "rates": "Rates",
    "gradable": "Gradable answers",
    "filtered_harmful": "Filtered but harmful",
    "example": "Example item",
    "transcripts": "Transcripts",
    "assumptions": "Assumptions",
    "cannot_say": "What it cannot say",
    "scope": "What the interval is about",
    "would_change": "What would change it",
    "expires": "Expires",
    "plan": "Plan",
    "evaluator": "Evaluator",
    "relation": "Relation to the developer",
    "funding": "Funding",
    "version": "Version",
    "date": "Date",
    "supersedes": "Supersedes",
    "changelog": "Changes",
    "hashes": "Hashes",
}

#: Title of a section, and its fields: key -> place in the framework.
Section = tuple[str, Mapping[str, str]]


class Standard(StrEnum):
    """The frameworks by which a card can be ordered."""

    DORMANT = "dormant"
    EU_COP = "eu-cop"
    NIST = "nist-800-2"
    STREAM = "stream"

    @property
    def framework(self) -> str:
        """What a card calls it."""
        return _TITLES[self]


_TITLES = {
    Standard.DORMANT: "its own order",
    Standard.EU_COP: "EU General-Purpose AI Code of Practice, Safety and Security",
    Standard.NIST: "NIST AI 800-2 (draft) and AI 800-3",
    Standard.STREAM: "STREAM, version 1",
}


def _place_all(place: str, keys: str) -> dict[str, str]:
    return dict.fromkeys(keys.split(), place)


_DORMANT: tuple[Section, ...] = (
    (
        "What was found",
        _place_all(
            "", "verdict effects existence rates gradable filtered_harmful example transcripts"
        ),
    ),
    (
        "What it cannot say",
        _place_all("", "cannot_say assumptions scope would_change expires"),
    ),
    (
        "What was tested",
        _place_all(
            "",
            "purpose target reference reference_fairness mitigation access data questions cues "
            "sampling elicitation evaluation_awareness judge judge_error budget",
        ),
    ),
    (
        "Who, when, which files",
        _place_all("", "evaluator relation funding version date supersedes changelog plan hashes"),
    ),
)

_EU_COP: tuple[Section, ...] = (
    ("Model and its behavior", _place_all("7.1", "target access")),
    (
        "Reasons for proceeding",
        _place_all("7.2", "verdict purpose assumptions cannot_say would_change expires"),
    ),
    (
        "Risk identification, analysis and mitigation",
        {
            **_place_all("7.3(1)", "questions cues data sampling judge judge_error"),
            **_place_all("7.3(1)", "effects existence rates gradable filtered_harmful scope"),
            **_place_all("7.3(1)(f)", "example transcripts"),
            "budget": "7.3(1)(g), App. 3.4",
            **_place_all("App. 3.2", "elicitation evaluation_awareness"),
            **_place_all("App. 2.2", "reference reference_fairness"),
            "mitigation": "7.3(2)",
        },
    ),
    ("External evaluators", _place_all("7.4, App. 3.5", "evaluator relation funding")),
    ("Updates", _place_all("7.6", "version date supersedes changelog plan hashes")),
)

_NIST: tuple[Section, ...] = (
    (
        "Objectives and benchmark",
        _place_all(
            "sec. 1", "purpose target reference reference_fairness mitigation questions cues data"
        ),
    ),
    (
        "Implementation and run",
        _place_all(
            "sec. 2",
            "access sampling elicitation evaluation_awareness judge judge_error budget plan",
        ),
    ),
    (
        "Analysis and report",
        {
            **_place_all("sec. 3", "verdict effects existence rates gradable filtered_harmful"),
            "scope": "AI 800-3",
            **_place_all("sec. 3", "assumptions cannot_say would_change expires"),
            **_place_all("sec. 3", "example transcripts hashes"),
        },
    ),
    (
        "Beyond the framework",
        _place_all("", "evaluator relation funding version date supersedes changelog"),
    ),
)

_STREAM: tuple[Section, ...] = (
    ("Threat relevance", {"purpose": "1(i)", "example": "1(iii)"}),
    (
        "Test construction, grading and scoring",
        {"questions": "2(i)", **_place_all("2", "cues data judge judge_error filtered_harmful")},
    ),
    (
        "Elicitation",
        _place_all(
            "3", "target mitigation access sampling elicitation evaluation_awareness budget"
        ),
    ),
    ("Performance", _place_all("4", "effects existence rates gradable scope transcripts")),
    ("Baseline", _place_all("5", "reference reference_fairness")),
    (
        "Interpretation",
        _place_all("6", "verdict assumptions cannot_say would_change expires"),
    ),
    (
        "Beyond the framework",
        _place_all("", "evaluator relation funding version date supersedes changelog plan hashes"),
    ),
)

_SECTIONS = {
    Standard.DORMANT: _DORMANT,
    Standard.EU_COP: _EU_COP,
    Standard.NIST: _NIST,
    Standard.STREAM: _STREAM,
}


def list_sections(standard: Standard) -> Sequence[Section]:
    """The sections of a card by a framework; together they have every field once."""
    return _SECTIONS[standard]


def parse_standard(name: str) -> Standard:
    """The framework of a name.

    Raises:
        ConfigError: there is no such framework.
    """
    try:
        return Standard(name)
    except ValueError:
        known = ", ".join(repr(one.value) for one in Standard)
        raise ConfigError(f"unknown standard {name[:60]!r}: give one of {known}") from None
