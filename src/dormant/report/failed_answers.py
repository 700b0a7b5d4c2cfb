"""Requests that brought no answer: how many, and what the server said."""

from __future__ import annotations

from collections import Counter

from dormant.records import Outcome, Role
from dormant.report.escape import one_line
from dormant.report.numbers import format_count, format_percent
from dormant.report.view import View

_LONGEST = 200  #: characters of a server's words


def describe_failed_answers(view: View) -> tuple[str, ...]:
    """Describes the answers that are errors, of each model.

    Args:
        view: the findings.

    Returns:
        Sentences in plain text; empty if there was no error.
    """
    words = {role: Counter[str]() for role in Role}
    for transcript in view.findings.transcripts:
        if transcript.outcome is Outcome.ERROR:
            words[transcript.role][transcript.note] += 1
    sentences: list[str] = []
    for role in Role:
        tally = view.total_of(role)
        failed = tally.count_of(Outcome.ERROR)
        if not failed:
            continue
        said = words[role].most_common(1)
        example = f", most often: {one_line(said[0][0], _LONGEST)}" if said else ""
        sentences.append(
            f"No answer: {format_count(failed)} of {format_count(tally.answers)} of the "
            f"{role.value} are errors ({format_percent(failed / tally.answers)}){example}"
        )
    return tuple(sentences)
