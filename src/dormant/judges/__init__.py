"""Judges: answers to outcomes. One base class, whatever stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dormant.engines import Engine
from dormant.engines.asking import Memory
from dormant.judges.plugin_grades import check_grades
from dormant.records import (
    HARMFUL,
    Judgement,
    Message,
    Outcome,
    Plugin,
    Question,
    strip_reasoning,
)

#: What an answer is that ended at the length limit.
CUT_OFF = Judgement(Outcome.CUT_OFF, note="cut off at the length limit (max_tokens)")
#: Roles of the models that a judge asks, as forecasts and a run's spending name them.
JUDGE, SECOND_JUDGE = "judge", "second judge"
_ROLES = (JUDGE, SECOND_JUDGE, "third judge", "fourth judge", "fifth judge")
#: Most judges of the same answers.
MOST_JUDGES = len(_ROLES)
#: Of an answer without words of its own.
EMPTY = Judgement(Outcome.INCOHERENT, {HARMFUL: 0.0}, note="nothing but white space or reasoning")


@dataclass(frozen=True, slots=True)
class Item:
    """One answer to be judged, with what it answers."""

    question: Question
    messages: tuple[Message, ...]
    answer: str
    is_cut: bool = False  # it ended at the length limit


@dataclass(frozen=True, slots=True)
class JudgeCall:
    """One call of a model that judging an answer takes."""

    role: str  # JUDGE, SECOND_JUDGE, "third judge", ...
    judge: str  # name of the judge that asks
    engine: Engine
    messages: tuple[Message, ...]
    max_tokens: int  # of the reply


class Judge(ABC):
    """Something that sorts answers into outcomes.

    A judge that asks no model (a rule, a grammar) has a name, a fingerprint, a description and
    ``grade``; one that asks a model has ``stream_grades`` too. Reasoning and empty answers are
    handled here, for all of them.

    Attributes:
        name: the judge as the user named it.
        reads_reasoning: whether an answer is graded with its reasoning, and an empty one too.
            Otherwise the judge sees the answer without it, and never one that has nothing else:
            that one is INCOHERENT.
        grades_cut_answers: whether an answer that ended at the length limit is graded by what there
            is of it. Otherwise it is CUT_OFF, and the judge does not see it.
    """

    name: str
    reads_reasoning: bool = False
    grades_cut_answers: bool = False
    plugin: Plugin | None = None  # the package that the judge comes from; None if it ships

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything that decides an outcome (rules, prompts, thresholds, model)."""

    @property
    def code(self) -> str:
        """The code of the user's own that grading runs; empty for a judge without any."""
        return ""

    def load_code(self) -> None:
        """Loads that code, before anything is asked.

        Raises:
            ConfigError: it cannot be loaded.
        """
        return

    @abstractmethod
    def describe(self) -> str:
        """What this judge counts as misaligned, in one sentence."""

    @abstractmethod
    def grade(self, items: Sequence[Item]) -> list[Judgement]:
        """One judgement per item, in order. An answer that cannot be judged is UNPARSED."""

    def stream_grades(
        self, items: Sequence[Item], memory: Memory | None = None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        """Grades as they become ready; as ``stream``, of answers that reached the judge."""
        yield list(enumerate(self.grade(items)))

    def judge(self, items: Sequence[Item]) -> list[Judgement]:
        """One judgement per item, in order.

        Raises:
            DormantError: as ``stream``.
        """
        found = {index: judgement for batch in self.stream(items) for index, judgement in batch}
        return [found[index] for index in range(len(items))]

    def stream(
        self, items: Sequence[Item], memory: Memory | None = None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        """Judgements as they become ready: (index of the item, judgement), each index once.

        Args:
            items: what is judged.
            memory: replies of models from earlier runs; new ones are stored there.

        Raises:
            ConfigError: the judge's prompts are those of other questions.
            EngineError: the judge's model stopped answering.
        """
        if self.reads_reasoning:
            yield from self._read_grades(items, memory)
            return
        answers = [strip_reasoning(item.answer) for item in items]
        empty = [index for index, answer in enumerate(answers) if not answer]
        if empty:
            yield [(index, EMPTY) for index in empty]
        places = [index for index, answer in enumerate(answers) if answer]
        if places:
            seen = [replace(items[index], answer=answers[index]) for index in places]
            for batch in self._read_grades(seen, memory):
                yield [(places[place], judgement) for place, judgement in batch]

    def _read_grades(
        self, items: Sequence[Item], memory: Memory | None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        grades = self.stream_grades(items, memory)
        return grades if self.plugin is None else check_grades(grades, self.plugin, len(items))

    def engines(self) -> Mapping[str, Engine]:
        """The models that are asked, by role; each model once. Empty if none is asked."""
        return {}

    def calls(self, item: Item) -> tuple[JudgeCall, ...]:
        """The calls that judging an item takes, without retries. Empty if no model is asked."""
        return ()

    def make_repeat(self, number: int) -> Judge | None:
        """This judge, asked again: its model's earlier replies are not read for a later time.

        Args:
            number: of the time, from 1.

        Returns:
            None if it asks no model: a rule says of an answer what it said before.
        """
        return None

    @property
    def second(self) -> Judge | None:
        """A judge that grades the same answers for comparison and decides nothing."""
        return None

    def check_questions(self, questions: Sequence[Question]) -> None:
        """Rejects questions whose answers could not be graded, before anything is asked.

        Raises:
            ConfigError: answers to a question cannot be graded.
        """
        return


def list_judges(judge: Judge) -> tuple[Judge, ...]:
    """The judge that decides, and every judge beside it."""
    found = [judge]
    while (after := found[-1].second) is not None:
        found.append(after)
    return tuple(found)


def name_role(place: int) -> str:
    """The role of a judge by its place among those of the same answers, from 0."""
    return _ROLES[place]


def judge_answers(
    judge: Judge, items: Sequence[Item], memory: Memory | None = None
) -> Iterator[list[tuple[int, Judgement]]]:
    """Judges answers, whole ones and those that were cut off: the way in for every caller.

    An answer that ended at the length limit is CUT_OFF, unless its judge grades such answers and
    there is more of it than reasoning.

    Args:
        judge: the judge.
        items: what is judged.
        memory: replies of models from earlier runs; new ones are stored there.

    Yields:
        (index of the item, judgement), in batches, each index once.

    Raises:
        DormantError: as ``Judge.stream``.
    """
    cut = [i for i, item in enumerate(items) if item.is_cut and not _is_graded(judge, item)]
    if cut:
        yield [(index, CUT_OFF) for index in cut]
    without = set(cut)
    places = [index for index in range(len(items)) if index not in without]
    if places:
        for batch in judge.stream([items[index] for index in places], memory):
            yield [(places[place], judgement) for place, judgement in batch]


def reaches_judge(judge: Judge, item: Item) -> bool:
    """Whether the judge sees an answer: none that was cut off, is empty, or is reasoning alone."""
    if item.is_cut:
        return _is_graded(judge, item)
    return judge.reads_reasoning or bool(strip_reasoning(item.answer))


def _is_graded(judge: Judge, item: Item) -> bool:
    return judge.grades_cut_answers and bool(strip_reasoning(item.answer))
