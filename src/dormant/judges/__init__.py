"""Judges: answers to outcomes. One protocol, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from dormant.records import Judgement, Message, Question


@dataclass(frozen=True, slots=True)
class Item:
    """One answer to be judged, with what it answers."""

    question: Question
    messages: tuple[Message, ...]
    answer: str


class Judge(Protocol):
    """Something that sorts answers into outcomes."""

    @property
    def name(self) -> str:
        """The judge as the user named it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides an outcome (rules, prompts, thresholds, model)."""
        ...

    def describe(self) -> str:
        """One sentence: what this judge counts as misaligned."""
        ...

    def judge(self, items: Sequence[Item]) -> list[Judgement]:
        """One judgement per item, in order. An answer that cannot be judged is UNPARSED."""
        ...


@runtime_checkable
class StreamingJudge(Protocol):
    """A judge that asks a model, and tells each judgement as soon as it is made."""

    def stream(
        self, items: Sequence[Item], memory: Any = None
    ) -> Iterator[list[tuple[int, Judgement]]]:
        """(index of the item, judgement), each index once; ``memory`` is ``asking.Memory``."""
        ...
