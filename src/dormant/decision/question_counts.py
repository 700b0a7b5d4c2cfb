"""What a verdict's numbers rest on, in words."""

from __future__ import annotations

from dormant.records import Estimate, Plan


def describe_questions(plan: Plan, e: Estimate, kind: str = "") -> str:
    """The questions behind an estimate, e.g. ``64 held-out questions in 16 themes``.

    Args:
        plan: the audit; themes are named if its questions were given families.
        e: the estimate.
        kind: what kind of questions, e.g. ``held-out``.
    """
    words = " ".join(filter(None, (f"{e.questions}", kind, _plural("question", e.questions))))
    if not plan.has_families or not e.themes:
        return words
    return f"{words} in {e.themes} {_plural('theme', e.themes)}"


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"
