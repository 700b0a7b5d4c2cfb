"""Whether two runs can be compared: what differs between their plans, and which cues are the same.

Each difference that matters has a name, and stops the comparison unless the user accepts it by that
name. What a table does not say (words, sampling, judge) is unknown: the comparison goes on and says
so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from dormant.errors import InputError
from dormant.exchange.comparable import ComparableRun
from dormant.records import Cell, Role, Sampling

_SHOWN = 3  #: names that a message lists
_LONGEST = 60


class DifferenceKind(StrEnum):
    """A difference between plans that can be accepted, by the name that accepts it."""

    QUESTIONS = "questions"
    CUES = "cues"
    SAMPLING = "sampling"
    JUDGE = "judge"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class RunPair:
    """Two runs on the questions and cues that both have, under the names of the first."""

    first: tuple[Cell, ...]
    second: tuple[Cell, ...]
    questions: int
    only_first: int  # questions
    only_second: int
    notes: tuple[str, ...]
    lone_cues: str  # in words: those that only one run has; empty if there is none


def pair_runs(
    first: ComparableRun, second: ComparableRun, *, allowed: Collection[DifferenceKind] = ()
) -> RunPair:
    """Pairs two runs by question and cue.

    Questions are paired by their ids; cues by their names, and those that only have another name
    by what they do to a prompt.

    Args:
        first: the run that the other is compared with.
        second: the other.
        allowed: differences that the user accepts.

    Raises:
        InputError: the plans differ in what matters, or have no question in common. Names each
            difference and the option that accepts it.
    """
    if not first.questions & second.questions:
        first, second = _name_alike(first, second), _name_alike(second, first)
    shared = first.questions & second.questions
    if not shared:
        raise InputError(
            f"{first.name} and {second.name} have no question in common: questions are paired by "
            f"their ids, e.g. {_list_names(first.questions)} and {_list_names(second.questions)}"
        )
    renamed = _find_renamed(first, second)
    found = {kind: text for kind, check in _CHECKS.items() if (text := check(first, second))}
    refused = {kind: text for kind, text in found.items() if kind not in allowed}
    if refused:
        reasons = "; ".join(refused.values())
        flags = " ".join(f"--allow {kind}" for kind in refused)
        raise InputError(
            f"{first.name} and {second.name} cannot be compared: {reasons}. "
            f"If the comparison is meant across this: {flags}"
        )
    theirs = {renamed.get(name, name) for name in second.cues}
    if first.cues and theirs and not theirs & set(first.cues):
        raise InputError(
            f"{first.name} and {second.name} have no cue in common: cues are paired by their names "
            f"or words, e.g. {_list_names(first.cues)} and {_list_names(second.cues)}"
        )
    cells = tuple(replace(cell, cue=renamed.get(cell.cue or "", cell.cue)) for cell in second.cells)
    pair = RunPair(
        first=first.cells,
        second=cells,
        questions=len(shared),
        only_first=len(first.questions - shared),
        only_second=len(second.questions - shared),
        notes=(
            *(f"accepted: {text}" for text in found.values()),
            *_describe_unknown(first, second),
            *_describe_cues(first, second, renamed),
            *_describe_questions(first, second, shared),
        ),
        lone_cues=" and ".join(_count_lone_cues(first, second, renamed)),
    )
    return _drop_reference(pair, first, second)


def _name_alike(run: ComparableRun, other: ComparableRun) -> ComparableRun:
    """A table that names its questions by their words, under the ids that the other run has."""
    if run.plan is not None or run.table_words:
        return run
    ids = {words: name for name, words in other.words_of.items()}
    families = run.family_of
    return replace(
        run,
        cells=tuple(
            replace(c, question=ids.get(c.question.strip(), c.question)) for c in run.cells
        ),
        family_of=families and {ids.get(q.strip(), q): name for q, name in families.items()},
    )


def _find_renamed(first: ComparableRun, second: ComparableRun) -> dict[str, str]:
    """Cues of the second run -> their names in the first, where only the name differs."""
    known, others = first.cue_of, second.cue_of
    same = set(first.cues) & set(second.cues)
    by_effect = {known[name].id: name for name in first.cues if name in known and name not in same}
    return {
        name: by_effect[others[name].id]
        for name in second.cues
        if name in others and name not in same and others[name].id in by_effect
    }


def _compare_questions(first: ComparableRun, second: ComparableRun) -> str:
    one, other = first.words_of, second.words_of
    shared = sorted(first.questions & second.questions & one.keys() & other.keys())
    changed = [q for q in shared if one[q] != other[q]]
    if not changed:
        return ""
    return (
        f"{_count(changed, 'question')} with the same id and another text ({_list_names(changed)})"
    )


def _compare_cues(first: ComparableRun, second: ComparableRun) -> str:
    one, other = first.cue_of, second.cue_of
    words, others = first.cue_words, second.cue_words
    shared = [name for name in first.cues if name in second.cues and name in words.keys() & others]
    changed = [
        name
        for name in shared
        if (
            one[name].id != other[name].id
            if name in one and name in other
            else words[name].strip() != others[name].strip()  # a table has no more than the text
        )
    ]
    if not changed:
        return ""
    names = _list_names(changed)
    return f"{_count(changed, 'cue')} with the same name and another text ({names})"


def _compare_sampling(first: ComparableRun, second: ComparableRun) -> str:
    one, other = _sampling_of(first), _sampling_of(second)
    if one is None or other is None:
        return ""
    names = ("temperature", "top_p", "max_tokens")
    parts = [
        f"{name} {getattr(one, name):g} and {getattr(other, name):g}"
        for name in names
        if getattr(one, name) != getattr(other, name)
    ]
    return f"the sampling differs ({', '.join(parts)})" if parts else ""


def _sampling_of(run: ComparableRun) -> Sampling | None:
    """The sampling settings; None if they are unknown."""
    if run.plan is None or math.isnan(run.plan.sampling.temperature):
        return None
    return run.plan.sampling


def _compare_judges(first: ComparableRun, second: ComparableRun) -> str:
    one, other = first.plan, second.plan
    if one is None or other is None or first.is_imported != second.is_imported:
        return ""
    if first.is_imported:
        is_same = one.judge_description == other.judge_description
    else:
        is_same = one.judge_fingerprint == other.judge_fingerprint
    if is_same:
        return ""
    if one.judge != other.judge:
        return f"the judges differ ({_quote_name(one.judge)} and {_quote_name(other.judge)})"
    return f"the judges differ (both are {_quote_name(one.judge)}, with other settings or wording)"


def _compare_references(first: ComparableRun, second: ComparableRun) -> str:
    if first.has_reference != second.has_reference:
        without = second if first.has_reference else first
        return f"{without.name} has no reference"
    one, other = first.plan, second.plan
    names = first.references, second.references
    if not all(names) or not first.has_reference:
        return ""
    if names[0] != names[1]:
        return f"the references differ ({_list_names(names[0])} and {_list_names(names[1])})"
    if one is None or other is None or first.is_imported or second.is_imported:
        return ""
    prints = [
        {card.fingerprint for card in plan.models if card.role is Role.REFERENCE}
        for plan in (one, other)
    ]
    what = f"two versions of {_list_names(names[0])}"
    return "" if prints[0] == prints[1] else f"the references differ ({what})"


_CHECKS: dict[DifferenceKind, Callable[[ComparableRun, ComparableRun], str]] = {
    DifferenceKind.QUESTIONS: _compare_questions,
    DifferenceKind.CUES: _compare_cues,
    DifferenceKind.SAMPLING: _compare_sampling,
    DifferenceKind.JUDGE: _compare_judges,
    DifferenceKind.REFERENCE: _compare_references,
}


def _describe_unknown(first: ComparableRun, second: ComparableRun) -> Iterator[str]:
    """What could not be checked, because a file does not say it."""
    for run in (first, second):
        if run.plan is None:
            words = {"questions": run.table_words, "cues": run.table_cues}
            unknown = [f"the words of its {what}" for what, known in words.items() if not known]
            unknown += ["its sampling", "its judge"]
            unknown += ["its reference"] if run.has_reference and not run.references else []
            yield (
                f"{run.name} is a table that does not say {', '.join(unknown[:-1])} and "
                f"{unknown[-1]}: these were not compared"
            )
    imported = [run for run in (first, second) if run.plan is not None and run.is_imported]
    for run in imported:
        yield f"{run.name} was imported: its sampling and judge are unknown, and were not compared"


def _describe_cues(
    first: ComparableRun, second: ComparableRun, renamed: dict[str, str]
) -> Iterator[str]:
    """Cues that were paired under two names, and those that only one run has."""
    for name, known in renamed.items():
        yield f"cue {_quote_name(known)} is called {_quote_name(name)} in {second.name}"
    lone = _find_lone_cues(first, second, renamed)
    for run, names in zip((first, second), lone, strict=True):
        if names:
            yield (f"{_count(names, 'cue')} only in {run.name}, not compared: {_list_names(names)}")


def _find_lone_cues(
    first: ComparableRun, second: ComparableRun, renamed: dict[str, str]
) -> tuple[list[str], list[str]]:
    """The cues that only the first run has, and those that only the second has."""
    theirs = {renamed.get(name, name) for name in second.cues}
    lone = [name for name in first.cues if name not in theirs]
    return lone, [name for name in second.cues if renamed.get(name, name) not in first.cues]


def _count_lone_cues(
    first: ComparableRun, second: ComparableRun, renamed: dict[str, str]
) -> Iterator[str]:
    lone = _find_lone_cues(first, second, renamed)
    for names, place in zip(lone, ("the first run", "this one"), strict=True):
        if names:
            yield f"{_count(names, 'cue')} only in {place} ({_list_names(names)})"


def _describe_questions(
    first: ComparableRun, second: ComparableRun, shared: frozenset[str]
) -> Iterator[str]:
    for run in (first, second):
        lone = run.questions - shared
        if lone:
            yield (
                f"{_count(lone, 'question')} only in {run.name}, not compared: {_list_names(lone)}"
            )


def _drop_reference(pair: RunPair, first: ComparableRun, second: ComparableRun) -> RunPair:
    """Leaves a reference out that only one run has."""
    if first.has_reference == second.has_reference:
        return pair
    one, other = (
        tuple(cell for cell in cells if cell.role is Role.TARGET)
        for cells in (pair.first, pair.second)
    )
    return replace(pair, first=one, second=other)


def _count(names: Collection[str], what: str) -> str:
    return f"{len(names):,} {what}{'s' * (len(names) != 1)}"


def _list_names(names: Collection[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_quote_name, shown)) + more


def _quote_name(name: str) -> str:
    return repr(name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "...")
