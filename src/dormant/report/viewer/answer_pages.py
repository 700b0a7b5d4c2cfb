"""The data of the pages about answers, as plain values for their templates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dormant.errors import DormantError, InputError
from dormant.records import (
    NO_CUE,
    OUTCOMES,
    AnswerFilter,
    ListedAnswer,
    Outcome,
    Question,
    Role,
)
from dormant.report.escape import one_line
from dormant.report.labels import label_cues
from dormant.report.viewer.library import AnswerSource
from dormant.report.viewer.likeness import MOST_TEXTS, AnswerKind, group_texts
from dormant.report.viewer.pager import Pager, make_pager

ANSWERS_PER_PAGE, ANSWERS_PER_ARM = 20, 5
#: Largest number of options in one list; more would be slow to open.
_MOST_CHOICES = 2000
#: Largest number of kinds that are shown.
_MOST_KINDS = 40
#: Characters of an answer in a list; its own page shows more.
LONGEST_ANSWER = 1500


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a filter's lists, as (value, text)."""

    cues: tuple[tuple[str, str], ...]
    questions: tuple[tuple[str, str], ...]
    roles: tuple[str, ...] = tuple(role.value for role in Role)
    outcomes: tuple[str, ...] = tuple(outcome.value for outcome in OUTCOMES)


def list_choices(answers: AnswerSource) -> Choices:
    """The cues and questions of a run, as options of a filter."""
    labels = label_cues(answers.plan.cues)
    cues = [(NO_CUE, "no cue"), *labels.items()]
    questions = [(q.id, one_line(q.text, 90)) for q in answers.plan.questions]
    return Choices(tuple(cues[:_MOST_CHOICES]), tuple(questions[:_MOST_CHOICES]))


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer with the labels of its arm and question."""

    row: ListedAnswer
    cue: str  # label
    question: str  # text
    parts: tuple[tuple[str, bool], ...]  # of the answer: text, and whether to highlight it
    is_cut: bool


@dataclass(frozen=True, slots=True)
class AnswersPage:
    """One page of the matching answers."""

    rows: tuple[ShownAnswer, ...]
    pager: Pager
    wanted: AnswerFilter
    choices: Choices
    outcomes: tuple[tuple[str, int], ...]  # of all matches: outcome, answers
    has_seeds: bool
    note: str = ""  # why there are no rows
    share_indexed: float = 1.0


class _Namer:
    """Labels cues and questions."""

    def __init__(self, answers: AnswerSource):
        self._labels = label_cues(answers.plan.cues)
        self._questions: dict[str, Question] = {q.id: q for q in answers.plan.questions}

    def show(self, row: ListedAnswer, terms: Sequence[str], longest: int) -> ShownAnswer:
        """An answer, cut to ``longest`` characters, with the terms highlighted."""
        question = self._questions.get(row.question)
        return ShownAnswer(
            row=row,
            cue="no cue" if row.cue is None else self._labels.get(row.cue, row.cue),
            question=question.text if question else row.question,
            parts=mark_terms(row.answer[:longest], terms),
            is_cut=len(row.answer) > longest,
        )


def mark_terms(text: str, terms: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Splits a text into parts that match a term, in any case, and the rest."""
    pattern = "|".join(map(re.escape, filter(None, terms)))
    if not pattern:
        return ((text, False),)
    parts = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return tuple((part, bool(index % 2)) for index, part in enumerate(parts) if part)


def list_answers(answers: AnswerSource, wanted: AnswerFilter, number: int) -> AnswersPage:
    """Reads one page of the matching answers; ``number`` counts from 1."""
    note, outcomes = "", {}
    pager, rows = make_pager(1, 0, ANSWERS_PER_PAGE), ()
    try:
        outcomes = answers.count_outcomes(wanted)
        pager = make_pager(number, sum(outcomes.values()), ANSWERS_PER_PAGE)
        first = (pager.number - 1) * ANSWERS_PER_PAGE
        rows = answers.read_page(wanted, first=first, most=ANSWERS_PER_PAGE).rows
    except DormantError as error:
        note = str(error)
    namer = _Namer(answers)
    terms = answers.list_terms(wanted.text) if rows and not wanted.in_prompts else ()
    return AnswersPage(
        rows=tuple(namer.show(row, terms, LONGEST_ANSWER) for row in rows),
        pager=pager,
        wanted=wanted,
        choices=list_choices(answers),
        outcomes=tuple((name.value if name else "not judged", n) for name, n in outcomes.items()),
        has_seeds=len({card.seed for card in answers.plan.models}) > 1,
        note=note,
        share_indexed=answers.share_indexed,
    )


def show_answer(answers: AnswerSource, row: ListedAnswer) -> ShownAnswer:
    """One answer, up to the length that a page shows."""
    return _Namer(answers).show(row, (), 10**9)


# Arms side by side


@dataclass(frozen=True, slots=True)
class ArmColumn:
    """The answers of one model to one question, with or without the cue."""

    title: str
    wanted: AnswerFilter
    outcomes: tuple[tuple[str, int], ...]
    total: int
    rows: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class ArmsPage:
    """One question in the arms of a run."""

    question: str  # id
    text: str
    cue: str  # Cue.name; empty without cues
    cue_text: str
    columns: tuple[ArmColumn, ...]
    choices: Choices
    pager: Pager
    before: str  # id of the question before this one; empty for the first
    after: str


def compare_arms(answers: AnswerSource, wanted: AnswerFilter, number: int) -> ArmsPage:
    """Target and reference, with and without a cue, for one question.

    Args:
        answers: of a run.
        wanted: the question and cue; the first of the plan where they are not given.
        number: page of the answers of each arm, from 1.

    Raises:
        InputError: the run has no such question or cue.
    """
    plan = answers.plan
    ids = [question.id for question in plan.questions]
    question = wanted.question or next(iter(ids), "")
    cues = {cue.name: cue for cue in plan.cues}
    cue = wanted.cue if wanted.cue not in ("", NO_CUE) else next(iter(cues), "")
    for what, name, known in (("question", question, ids), ("cue", cue, cues)):
        if name and name not in known:
            raise InputError(f"the run has no {what} {name[:80]!r}")
    roles = [role for role in Role if role is Role.TARGET or plan.has_reference]
    filters = [
        AnswerFilter(role=role, cue=name, question=question)
        for name in ((NO_CUE, cue) if cue else (NO_CUE,))
        for role in roles
    ]
    namer, counts = _Namer(answers), [answers.count_outcomes(one) for one in filters]
    longest = max((sum(one.values()) for one in counts), default=0)
    pager = make_pager(number, longest, ANSWERS_PER_ARM)
    first = (pager.number - 1) * ANSWERS_PER_ARM
    columns = tuple(
        ArmColumn(
            title=f"{one.role}, {'no cue' if one.cue == NO_CUE else 'with the cue'}",
            wanted=one,
            outcomes=tuple((name.value if name else "not judged", n) for name, n in found.items()),
            total=sum(found.values()),
            rows=tuple(
                namer.show(row, (), LONGEST_ANSWER)
                for row in answers.read_page(one, first=first, most=ANSWERS_PER_ARM).rows
            ),
        )
        for one, found in zip(filters, counts, strict=True)
    )
    place = ids.index(question) if question else 0
    return ArmsPage(
        question=question,
        text=plan.questions[place].text if question else "",
        cue=cue,
        cue_text=cues[cue].text if cue else "",
        columns=columns,
        choices=replace(list_choices(answers), cues=tuple(label_cues(plan.cues).items())),
        pager=pager,
        before=ids[place - 1] if question and place else "",
        after=ids[place + 1] if question and place + 1 < len(ids) else "",
    )


# Kinds


@dataclass(frozen=True, slots=True)
class ShownKind:
    """Similar misaligned answers."""

    words: tuple[str, ...]
    answers: int
    share: float  # of the grouped answers, 0 to 1
    cues: tuple[tuple[str, int], ...]  # label, answers; most frequent first
    examples: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class KindsPage:
    """The matching misaligned answers, grouped."""

    kinds: tuple[ShownKind, ...]
    single: tuple[ShownAnswer, ...]  # in no group
    singles: int
    grouped: int
    total: int  # matches
    wanted: AnswerFilter
    choices: Choices


def group_answers(answers: AnswerSource, wanted: AnswerFilter) -> KindsPage:
    """Groups the misaligned answers of a model, or of one cue, by similarity.

    Args:
        answers: of a run.
        wanted: its role (the target if None), cue and question.
    """
    role = wanted.role or Role.TARGET
    wanted = AnswerFilter(role, wanted.cue, wanted.question, Outcome.MISALIGNED)
    rows = answers.draw_answers(wanted, MOST_TEXTS)
    kinds = group_texts([row.answer for row in rows])
    namer = _Namer(answers)
    several = [kind for kind in kinds if len(kind.members) > 1][:_MOST_KINDS]
    rest = [place for kind in kinds[len(several) :] for place in kind.members]
    return KindsPage(
        kinds=tuple(_show_kind(kind, rows, namer) for kind in several),
        single=tuple(namer.show(rows[place], (), LONGEST_ANSWER) for place in rest[:10]),
        singles=len(rest),
        grouped=len(rows),
        total=sum(answers.count_outcomes(wanted).values()),
        wanted=wanted,
        choices=list_choices(answers),
    )


def _show_kind(kind: AnswerKind, rows: Sequence[ListedAnswer], namer: _Namer) -> ShownKind:
    shown = [namer.show(rows[place], (), LONGEST_ANSWER) for place in kind.members]
    cues = Counter(one.cue for one in shown)
    # Duplicates add nothing.
    different = list({one.row.answer: one for one in reversed(shown)}.values())[::-1]
    return ShownKind(
        words=kind.words,
        answers=len(kind.members),
        share=len(kind.members) / len(rows),
        cues=tuple(cues.most_common(3)),
        examples=tuple(different[:4]),
    )
