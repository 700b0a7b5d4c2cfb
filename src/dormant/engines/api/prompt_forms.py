"""Two forms of a prompt for a server: turns, which it renders itself, or tokens.

A form serves one pass of jobs: it remembers of each prompt what reading its answers needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

from dormant.engines import Job
from dormant.engines.api.calls import ChatRequest, Choice, RawPrompt
from dormant.engines.api.openai_json import encode_messages
from dormant.engines.api.workers import Unit
from dormant.engines.reasoning import find_open_block
from dormant.engines.tool_definitions import split_tools
from dormant.engines.tool_turns import move_tool_text
from dormant.records import Sampling

if TYPE_CHECKING:  # it loads torch
    from dormant.engines.hf.served_format import ServedFormat


class PromptForm(Protocol):
    """How jobs become calls, and choices answers."""

    def make_units(
        self, jobs: Sequence[Job], sampling: Sampling, *, logprobs: int = 0
    ) -> Iterator[Unit]:
        """Yields the work that jobs are."""
        ...

    def read_choice(self, job: int, choice: Choice) -> Choice:
        """A choice with its text as an answer has it."""
        ...


class TurnForm:
    """Prompts as turns, tools as servers take them. Implements ``PromptForm``."""

    def make_units(
        self, jobs: Sequence[Job], sampling: Sampling, *, logprobs: int = 0
    ) -> Iterator[Unit]:
        """Yields the work that jobs are."""
        for index, job in enumerate(jobs):
            if not job.repeats:
                continue
            messages = move_tool_text(job.messages)
            _, turns = split_tools(messages)
            request = ChatRequest(messages, encode_messages(turns), sampling, logprobs=logprobs)
            yield Unit(index, job.repeats, request)

    def read_choice(self, job: int, choice: Choice) -> Choice:
        """The choice as it is."""
        return choice


@dataclass(slots=True)
class TokenForm:
    """Prompts rendered here and sent as tokens. Implements ``PromptForm``."""

    served: ServedFormat
    _opened: dict[int, str] = field(default_factory=dict[int, str])  # job -> its prompt, if needed

    def make_units(
        self, jobs: Sequence[Job], sampling: Sampling, *, logprobs: int = 0
    ) -> Iterator[Unit]:
        """Yields the work that jobs are.

        Raises:
            ModelError: the chat template rejects a prompt.
        """
        for index, job in enumerate(jobs):
            if not job.repeats:
                continue
            text = self.served.chat_format.render(job.messages)
            if find_open_block(text):
                self._opened[index] = text
            tokens = self.served.chat_format.encode(text)
            request = ChatRequest(
                job.messages,
                orjson.dumps(tokens),
                sampling,
                logprobs=logprobs,
                raw=make_raw_prompt(self.served),
            )
            yield Unit(index, job.repeats, request)

    def read_choice(self, job: int, choice: Choice) -> Choice:
        """The choice without special tokens, and cut where the template ends a turn in letters."""
        if choice.finish not in ("stop", "length"):
            return choice
        how, prompt = self.served.chat_format, self._opened.get(job, "")
        if choice.tokens_written:
            ends = choice.tokens_written[-1] in self.served.stop
            tokens = choice.tokens_written[:-1] if ends else choice.tokens_written
            text = how.decode_answer(tokens, prompt=prompt)
        else:
            text = how.clean_answer(choice.text, prompt=prompt)
        closing = self.served.closing
        if closing and closing in text:
            return choice._replace(text=text.partition(closing)[0], finish="stop")
        return choice._replace(text=text)


def make_raw_prompt(served: ServedFormat, *, scores: bool = False) -> RawPrompt:
    """What goes with each prompt of a served model."""
    return RawPrompt(tuple(sorted(served.stop)), served.closing, scores)
