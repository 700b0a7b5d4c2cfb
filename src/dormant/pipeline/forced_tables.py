"""Scores and outcomes of the forced and the free view as tables, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dormant.records import OUTCOMES, Findings, Outcome, Plan, Role
from dormant.records.forced import ForcedCue, ForcedStart, StartDifference
from dormant.stats.agreement import name_agreement, simultaneous_intervals
from dormant.stats.contrasts import nan_mean
from dormant.stats.table import Floats

LEVEL = 0.95  #: two-sided, of all intervals of a table together
_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)
#: Question.id, outcome and shared first words of one continued answer.
Continued = tuple[str, Outcome, int]


def rise_over_standard(values: Mapping[Role, Floats]) -> Floats:
    """Rise over the standard arm, of the target beyond the reference: [K, Q] from [1 + K, Q]."""
    target = values[Role.TARGET]
    rise = target[1:] - target[0]
    if Role.REFERENCE in values:
        reference = values[Role.REFERENCE]
        rise = rise - (reference[1:] - reference[0])
    return rise


def sampled_rises(findings: Findings, names: Sequence[str]) -> tuple[list[str], Floats]:
    """The run's questions, and the sampled rise of each cue on each, [K, Q]; NaN if not asked.

    The rate of several trainings is the mean of theirs.
    """
    questions = [question.id for question in findings.plan.questions]
    place = {question: i for i, question in enumerate(questions)}
    row = {name: i + 1 for i, name in enumerate(names)}
    rates = {
        role: np.full((1 + len(names), len(questions)), math.nan)
        for role in Role
        if any(card.role is role for card in findings.plan.models)
    }
    found: dict[tuple[Role, int, int], list[float]] = {}
    for cell in findings.cells:
        gradable = cell.counts[_BAD] + cell.counts[_GOOD]
        where = 0 if cell.cue is None else row.get(cell.cue)
        if gradable and where is not None:
            key = (cell.role, where, place[cell.question])
            found.setdefault(key, []).append(cell.counts[_BAD] / gradable)
    for (role, cue, question), values in found.items():
        rates[role][cue, question] = float(np.mean(values))
    return questions, rise_over_standard(rates)


def compare_cues(
    plan: Plan,
    names: Sequence[str],
    odds: Mapping[Role, Floats],
    wide: Sequence[Floats],
    free: Floats,
) -> tuple[ForcedCue, ...]:
    """Makes the row of each cue, both views with simultaneous intervals."""
    forced_ends = simultaneous_intervals(wide[1], names, rule=plan.rule, level=LEVEL)
    free_ends = simultaneous_intervals(free, names, rule=plan.rule, level=LEVEL)
    rises = {role: (values[1:] - values[0]).mean(1) for role, values in odds.items()}
    log_odds = nan_mean(wide[0], 1)
    rows = [
        ForcedCue(
            cue=name,
            log_odds=float(log_odds[i]),
            target=float(rises[Role.TARGET][i]),
            reference=float(rises[Role.REFERENCE][i]) if Role.REFERENCE in rises else math.nan,
            share=forced_ends[i][0],
            share_low=forced_ends[i][1],
            share_high=forced_ends[i][2],
            rate=free_ends[i][0],
            rate_low=free_ends[i][1],
            rate_high=free_ends[i][2],
            forced_questions=forced_ends[i][3],
            free_questions=free_ends[i][3],
            agreement=name_agreement(forced_ends[i][1:3], free_ends[i][1:3], plan.rule.delta),
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: (-round(row.log_odds, 6), row.cue)))


def count_shared_words(given: str, answer: str) -> int:
    """Number of the given answer's first words that an answer begins with."""
    pairs = zip(given.split(), answer.split(), strict=False)
    return next(
        (i for i, (one, other) in enumerate(pairs) if one != other),
        min(len(given.split()), len(answer.split())),
    )


def summarize_start(
    role: Role,
    cue: str | None,
    kind: str,
    tokens: int,
    members: Sequence[Continued],
) -> ForcedStart:
    """Counts the answers of one model to one sort of start."""
    gradable = [
        outcome for _, outcome, _ in members if outcome in (Outcome.MISALIGNED, Outcome.ALIGNED)
    ]
    bad = sum(outcome is Outcome.MISALIGNED for outcome in gradable)
    return ForcedStart(
        role=role,
        cue=cue,
        start=kind,
        tokens=tokens,
        answers=len(members),
        gradable=len(gradable),
        misaligned=bad / len(gradable) if gradable else math.nan,
        words=sum(words for _, _, words in members) / len(members),
    )


def compare_starts(
    plan: Plan, groups: Mapping[tuple[Role, str | None, str, int], Sequence[Continued]]
) -> tuple[StartDifference, ...]:
    """Target minus reference after the same first tokens, question by question."""
    keys = list(dict.fromkeys(key[1:] for key in groups))
    place = {question.id: i for i, question in enumerate(plan.questions)}
    values = np.full((len(keys), len(place)), math.nan)
    for number, key in enumerate(keys):
        rates: list[dict[str, float]] = []
        for role in (Role.TARGET, Role.REFERENCE):
            outcomes: dict[str, list[bool]] = {}
            for question, outcome, _ in groups.get((role, *key), ()):
                if outcome in (Outcome.MISALIGNED, Outcome.ALIGNED):
                    outcomes.setdefault(question, []).append(outcome is Outcome.MISALIGNED)
            rates.append({question: float(np.mean(bad)) for question, bad in outcomes.items()})
        for question in rates[0].keys() & rates[1].keys():
            values[number, place[question]] = rates[0][question] - rates[1][question]
    names = [str(i) for i in range(len(keys))]
    ends = simultaneous_intervals(values, names, rule=plan.rule, level=LEVEL)
    return tuple(
        StartDifference(*key, value, max(low, -1.0), min(high, 1.0), questions)
        for key, (value, low, high, questions) in zip(keys, ends, strict=True)
    )


def describe_cut(cut: int) -> tuple[str, ...]:
    """Says how many continued answers were cut off; nothing if none was."""
    if not cut:
        return ()
    return (f"{cut:,} continued answers were cut off at the length limit",)


def describe_failures(failures: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """Says which models left answers out, and why; nothing if none did."""
    return tuple(
        f"{count:,} answers after given tokens are left out, since {model} did not give them "
        f"({reason}); the same command asks them again"
        for (model, reason), count in failures.items()
    )
