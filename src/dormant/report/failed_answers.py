"""Answers that are not graded: what they are, and what a server said where there is none."""

from __future__ import annotations

from collections import Counter

from dormant.records import GRADABLE, OUTCOMES, Origin, Outcome, Role
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
    seeds = {role: Counter[str]() for role in Role}
    for transcript in view.findings.transcripts:
        if transcript.outcome is Outcome.ERROR:
            words[transcript.role][transcript.note] += 1
            seeds[transcript.role][transcript.seed] += 1
    is_asked = view.plan.origin is not Origin.IMPORT
    again = "; the same command again asks only these" if is_asked else ""
    sentences: list[str] = []
    for role in Role:
        tally = view.total_of(role)
        failed = tally.count_of(Outcome.ERROR)
        if not failed:
            continue
        commonest = words[role].most_common(1)
        said = one_line(commonest[0][0], _LONGEST) if commonest else ""
        example = f", most often: {said}" if said else ""
        trainings = sum(card.role is role for card in view.plan.models)
        of_each = ", ".join(
            f"seed {seed} {format_count(number)}" for seed, number in sorted(seeds[role].items())
        )
        where = f" (of the {trainings} trainings: {of_each})" if trainings > 1 and of_each else ""
        sentences.append(
            f"No answer: {format_count(failed)} of {format_count(tally.answers)} of the "
            f"{role.value} are errors ({format_percent(failed / tally.answers)}){where}{example}"
            f"{again}"
        )
    return tuple(sentences)


def describe_ungraded_answers(view: View) -> str:
    """Counts the outcomes of the answers that were not graded, the commonest first, of each model.

    Returns:
        A sentence in plain text; empty if all answers were graded.
    """
    parts: list[str] = []
    for role in Role:
        tally = view.total_of(role)
        counts = {
            outcome: tally.count_of(outcome) for outcome in OUTCOMES if outcome not in GRADABLE
        }
        found = sorted((o for o in counts if counts[o]), key=lambda o: -counts[o])
        if found:
            listed = ", ".join(
                f"{o.value.replace('_', ' ')} {format_count(counts[o])}" for o in found
            )
            total = format_count(tally.answers)
            parts.append(f"{role.value} {format_count(sum(counts.values()))} of {total} ({listed})")
    return f"Not graded: {'; '.join(parts)}" if parts else ""
