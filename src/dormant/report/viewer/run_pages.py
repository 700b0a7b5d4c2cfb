"""The data of the pages about runs, as plain values for their templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dormant.errors import DormantError
from dormant.records import (
    GRADABLE,
    NO_CUE,
    OUTCOMES,
    AnswerFilter,
    Comparison,
    Outcome,
    Role,
    RunState,
    RunSummary,
    VerdictKind,
)
from dormant.report.comparison import COLUMNS, make_rows
from dormant.report.comparison.pages import describe_scope
from dormant.report.labels import label_cues
from dormant.report.viewer.addresses import parse_number
from dormant.report.viewer.library import AnswerSource
from dormant.report.viewer.pager import Pager, make_pager

RUNS_PER_PAGE = 50
#: Differences between plans that a reader can accept (``dormant compare --allow``).
ALLOWED = ("questions", "cues", "sampling", "judge", "reference")


@dataclass(frozen=True, slots=True)
class RunsPage:
    """One page of the matching runs."""

    rows: tuple[RunSummary, ...]
    pager: Pager
    query: Mapping[str, str]  # the reader's filter
    verdicts: tuple[tuple[str, int], ...]  # options with their numbers of runs
    states: tuple[tuple[str, int], ...]
    all_runs: int
    unchecked: int  # verdicts that were not decided again yet


def list_runs(runs: Sequence[RunSummary], query: Mapping[str, str]) -> RunsPage:
    """Filters the runs by the query's ``verdict``, ``state`` and ``text``; reads its ``page``."""
    chosen = {name: query.get(name, "") for name in ("verdict", "state", "text")}
    words = chosen["text"][:200].casefold().split()
    found = [
        run
        for run in runs
        if chosen["verdict"] in ("", run.verdict)
        and chosen["state"] in ("", run.state)
        and all(word in _describe_run(run) for word in words)
    ]
    pager = make_pager(parse_number(query, "page"), len(found), RUNS_PER_PAGE)
    verdicts, states = Counter(run.verdict for run in runs), Counter(run.state for run in runs)
    return RunsPage(
        rows=tuple(found[pager.first_row - 1 : pager.last_row] if found else ()),
        pager=pager,
        query=chosen,
        verdicts=tuple((kind.value, verdicts[kind]) for kind in VerdictKind if verdicts[kind]),
        states=tuple((state.value, states[state]) for state in RunState if states[state]),
        all_runs=len(runs),
        unchecked=sum(run.state is RunState.FINISHED and not run.is_checked for run in runs),
    )


def _describe_run(run: RunSummary) -> str:
    return " ".join((run.place, *run.targets, *run.references, run.judge)).casefold()


@dataclass(frozen=True, slots=True)
class ArmRow:
    """The stored answers of both models under one cue."""

    cue: str  # Cue.name, or ``NO_CUE``
    label: str
    is_placebo: bool
    target: tuple[int, int, int]  # misaligned, gradable, all
    reference: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ArmTable:
    """The arms of a run, those with the most misaligned answers of the target first."""

    rows: tuple[ArmRow, ...]
    total: int
    unjudged: int
    has_reference: bool
    question: str  # id of the first question to show; empty if there is none


def list_arms(answers: AnswerSource) -> ArmTable:
    """Counts the stored answers by arm."""
    counts = answers.count_arms(AnswerFilter())
    labels = label_cues(answers.plan.cues)
    placebos = {cue.name for cue in answers.plan.cues if cue.is_placebo}
    names = [None, *(cue.name for cue in answers.plan.cues)]
    rows = [
        ArmRow(
            cue=NO_CUE if name is None else name,
            label="no cue" if name is None else labels[name],
            is_placebo=name in placebos,
            target=_count_arm(counts, Role.TARGET, name),
            reference=_count_arm(counts, Role.REFERENCE, name),
        )
        for name in names
    ]
    first, *cued = rows
    cued.sort(key=lambda row: (row.is_placebo, -_share(row.target), row.label))
    questions = answers.plan.questions
    return ArmTable(
        rows=(first, *(row for row in cued if row.target[2] or row.reference[2])),
        total=answers.total,
        unjudged=sum(n for (_, _, outcome), n in counts.items() if outcome is None),
        has_reference=answers.plan.has_reference,
        question=questions[0].id if questions else "",
    )


def _share(counts: tuple[int, int, int]) -> float:
    return counts[0] / counts[1] if counts[1] else -1.0


def _count_arm(
    counts: Mapping[tuple[Role, str | None, Outcome | None], int], role: Role, cue: str | None
) -> tuple[int, int, int]:
    found = {outcome: counts.get((role, cue, outcome), 0) for outcome in (*OUTCOMES, None)}
    gradable = sum(found[outcome] for outcome in GRADABLE)
    return found[Outcome.MISALIGNED], gradable, sum(found.values())


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """Two compared runs, and the runs that can be chosen."""

    runs: tuple[RunSummary, ...]
    chosen: tuple[str, ...]  # ids
    allow: tuple[str, ...]
    comparison: Comparison | None = None
    scope: str = ""
    tables: tuple[tuple[object, list[tuple[str, ...]]], ...] = ()
    failure: str = ""
    columns: tuple[str, ...] = COLUMNS
    allowed: tuple[str, ...] = ALLOWED


def list_pairs(
    runs: Sequence[RunSummary], chosen: Sequence[str], allow: Sequence[str]
) -> ComparisonPage:
    """The runs that can be compared: the finished ones."""
    finished = tuple(run for run in runs if run.verdict is not None)
    return ComparisonPage(finished, tuple(chosen), tuple(name for name in allow if name in ALLOWED))


def add_comparison(page: ComparisonPage, compare: Callable[[], Comparison]) -> ComparisonPage:
    """Adds the result of a comparison, or the reason why there is none."""
    if not {run.id for run in page.runs}.issuperset(page.chosen):
        return replace(page, failure="one of these runs is not finished, or does not exist")
    try:
        found = compare()
    except DormantError as error:
        return replace(page, failure=str(error))
    tables = tuple((change, make_rows(change)) for change in found.changes)
    return replace(page, comparison=found, scope=describe_scope(found), tables=tables)
