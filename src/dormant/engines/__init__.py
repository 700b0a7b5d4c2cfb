"""Engines: models that answer. One protocol, whatever stands behind it.

Every engine can ``sample``. Some can also ``score`` a given answer, ``rate`` answers as a judge,
``write_chats`` from an open prompt, ``branch`` there into the likeliest next tokens,
``score_prompts``, or ``continue_answers`` after given first tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from dormant.records import Message, Rating, Sampling, split_thought


@dataclass(frozen=True, slots=True)
class Job:
    """One prompt and which of its answers are wanted."""

    messages: tuple[Message, ...]
    repeats: range  # indices of the wanted answers; answer i is the same however it is asked for


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    job: int  # index into the sequence of jobs that was given
    repeat: int
    text: str
    finish: str  # one of FINISHES
    tokens: int = 0
    error: str = ""
    settings: str = ""  # sampling parameters of the call as JSON; empty: those that were asked for

    @property
    def thoughts(self) -> str:
        """What stands between marks of reasoning in the text; empty if nothing does."""
        return split_thought(self.text)[0]

    @property
    def answer(self) -> str:
        """The text without its reasoning; all of it if there is none."""
        return split_thought(self.text)[1]


@runtime_checkable
class Engine(Protocol):
    """A loaded model."""

    @property
    def name(self) -> str:
        """The model string that the user gave."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that makes this model answer as it does (weights, template)."""
        ...

    def render(self, messages: Sequence[Message]) -> str:
        """The text that the model really sees, default system prompt and markers included."""
        ...

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields answers in batches, in any order, as they become ready.

        The same (model, messages, sampling, repeat) gives the same answer up to rounding, however
        jobs are batched, so that an interrupted run can continue. A failed answer is a Reply with
        ``finish="error"``; EngineError is for a model that cannot answer at all.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """An engine that can also score."""

    def score(self, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
        """Log-probability (nats, end of turn included) of each answer after its messages."""
        ...


@dataclass(frozen=True, slots=True)
class AnswerStart:
    """The first tokens of an answer, for a model to go on from."""

    messages: tuple[Message, ...]
    answer: str
    tokens: int  # of the answer that are given, at least 1


@runtime_checkable
class Prefiller(Protocol):
    """An engine that can go on from the first tokens of a given answer."""

    def continue_answers(
        self, starts: Sequence[AnswerStart], repeats: range, sampling: Sampling
    ) -> Iterator[list[Reply]]:
        """Yields whole answers, given tokens included, in batches, in any order.

        ``Reply.job`` is an index into ``starts`` and ``Reply.tokens`` counts what was sampled. A
        start that holds its whole answer has no replies.
        """
        ...


class TurnOpening(StrEnum):
    """The place where a prompt is left open for the model to continue."""

    SYSTEM = "system"  # the bare start of the system turn
    USER = "user"  # the start of the user turn, after whatever the chat template puts before it


@dataclass(frozen=True, slots=True)
class Chat:
    """What a model wrote by itself after an opening."""

    repeat: int
    #: The turns that it wrote, in order, the last perhaps cut off; empty if they are not a chat.
    messages: tuple[Message, ...]
    finish: str  # "stop" or "length"


@runtime_checkable
class Continuer(Protocol):
    """An engine that can be made to write the prompt, not the answer."""

    def write_chats(
        self, opening: TurnOpening, repeats: range, sampling: Sampling
    ) -> Iterator[list[Chat]]:
        """Yields chats that the model writes by itself, in batches, in any order.

        Chat i is the same (up to rounding) however it is asked for, as with ``Engine.sample``. An
        engine whose template has no such turn yields chats without messages.
        """
        ...


@dataclass(frozen=True, slots=True)
class TurnStart:
    """The first words of a turn of the prompt, for a model to continue."""

    opening: TurnOpening
    text: str  # empty for the bare start


@runtime_checkable
class Brancher(Protocol):
    """An engine that can list likely continuations of a turn of the prompt."""

    def branch(
        self, beginnings: Sequence[TurnStart], *, each: int, longest: int
    ) -> list[list[str]]:
        """Turns that start with each beginning, one for each of its ``each`` likeliest next tokens.

        After that token the model continues with the likeliest ones, until it ends the turn or has
        written ``longest`` tokens. Whole turns come back, beginning included, the likeliest next
        token first; tokens that would end the turn are ignored. Nothing is drawn at random. A
        template without such a turn, or a beginning that does not fit, gives none.
        """
        ...


@runtime_checkable
class PromptScorer(Protocol):
    """An engine that can compute the log-probability of a prompt."""

    def score_prompts(self, prompts: Sequence[tuple[Message, ...]]) -> list[float]:
        """Log-probability (nats) of each rendered prompt, given its first token."""
        ...


@dataclass(frozen=True, slots=True)
class Template:
    """The chat template of a model's tokenizer."""

    text: str
    tokens: Mapping[str, str]  # e.g. "bos_token" -> "<s>"
    special: frozenset[str]  # every special token


@runtime_checkable
class HasTemplate(Protocol):
    """An engine whose chat template can be read."""

    @property
    def chat_template(self) -> Template:
        """The template through which every prompt is rendered."""
        ...


@runtime_checkable
class HasCaveats(Protocol):
    """An engine that asks its model otherwise than an audit would have it."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """What was not tested for that reason, as the plan lists it, one entry each."""
        ...


@runtime_checkable
class HasNotes(Protocol):
    """An engine that finds out while it asks how its model must be asked."""

    @property
    def notes(self) -> Sequence[str]:
        """What was found so far, a sentence each, the model's name in it."""
        ...


@runtime_checkable
class HasContext(Protocol):
    """An engine that knows how long a prompt and its answer may be together."""

    @property
    def name(self) -> str:
        """The model string that the user gave."""
        ...

    @property
    def context_length(self) -> int:
        """Most tokens of a prompt and its answer."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt as it is rendered.

        Raises:
            ModelError: the chat template rejects the messages.
        """
        ...


@runtime_checkable
class Rater(Protocol):
    """An engine that can be asked as a judge."""

    def rate(
        self, prompts: Sequence[tuple[Message, ...]], sampling: Sampling
    ) -> Iterator[list[Rating]]:
        """Yields one reply per prompt, in batches, in any order, as they become ready.

        A failed reply is a Rating with ``finish="error"``; EngineError is for a model that cannot
        answer at all.
        """
        ...
