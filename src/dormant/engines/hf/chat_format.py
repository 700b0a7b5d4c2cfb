"""A tokenizer with its chat template: from messages to the prompt, from tokens to the answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cached_property
from typing import Any

from dormant.corpus import FIXED_DATE, ChatTemplate, Renderer, TemplateRefusal
from dormant.engines import Template
from dormant.engines.local_options import check_variables
from dormant.engines.reasoning import close_block, find_open_block, marks_reasoning
from dormant.engines.system_turns import move_system_text, takes_system_turn
from dormant.engines.tool_definitions import (
    has_tools,
    move_definitions,
    shows_tools,
    split_tools,
)
from dormant.engines.tool_turns import has_tool_turn, move_tool_text, takes_tool_turn
from dormant.errors import ModelError
from dormant.records import Message

_ANSWER = "Zebra"  # a placeholder answer, to find how the template ends one
_QUESTION = "Okapi"  # a placeholder question, to find whether the template shows it


class ChatFormat:
    """How a local model is asked, and how its answers are read.

    Args:
        tokenizer: from transformers, with a chat template.
        owner: the model string, for messages.
        variables: what else the template is told, e.g. ``{"enable_thinking": False}``.
        date: what a template that asks for the date writes; the fixed day of ``corpus`` if empty.
        vocabulary: tokens that the model has an embedding for; not checked if None.

    Raises:
        ModelError: there is no chat template, or it leaves out what the user says.
        ConfigError: it cannot be compiled, or takes too much time or memory.
    """

    def __init__(
        self,
        tokenizer: Any,
        owner: str,
        *,
        variables: Mapping[str, Any] | None = None,
        date: str = "",
        vocabulary: int | None = None,
    ):
        self._vocabulary = vocabulary
        self.tokenizer, self._owner = tokenizer, owner
        if not tokenizer.chat_template:
            raise ModelError(
                f"{owner!r} has no chat template, so the prompt is undefined; put a "
                "chat_template.jinja beside its weights"
            )
        text, tokens = self.template.text, self.template.tokens
        self._variables, self._date = dict(variables or {}), date or FIXED_DATE
        template = ChatTemplate(text, owner, tokens, variables=self._variables)
        check_variables(self._variables, text, owner)
        self._renderer = Renderer(template, date=self._date)
        self._kept = {
            number: token.content
            for number, token in tokenizer.added_tokens_decoder.items()
            if token.special and marks_reasoning(token.content)
        }
        self.moves_system_text = not takes_system_turn(self.render_turns)
        self.open_block = self._examine_prompt()

    @property
    def template(self) -> Template:
        """The chat template with the special tokens."""
        text = self.tokenizer.chat_template
        tokens = self.tokenizer.special_tokens_map.items()
        return Template(
            text=text if isinstance(text, str) else text.get("default", ""),
            tokens={kind: str(token) for kind, token in tokens if isinstance(token, str)},
            special=frozenset(map(str, self.tokenizer.all_special_tokens)),
        )

    @property
    def peculiarities(self) -> dict[str, object]:
        """What changes prompts and answers beside the template's text; empty for most models."""
        found = {
            "moves_system_text": self.moves_system_text,
            "open_block": self.open_block,
            "kept_tokens": sorted(self._kept.values()),
            "roles_with_parts": sorted(self._renderer.roles_with_parts),
            "variables": self._variables,
            "date": self.written_date,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def written_date(self) -> str:
        """The day that the template writes into every prompt; empty if it writes none."""
        return self._date if self._renderer.writes_date else ""

    def list_idle_variables(self) -> list[str]:
        """Variables without which a plain prompt and one with a system turn are as they are."""
        user = {"role": "user", "content": _QUESTION}
        chats = ([user], [{"role": "system", "content": _ANSWER}, user])
        idle: list[str] = []
        for name in self._variables:
            others = {n: value for n, value in self._variables.items() if n != name}
            template = replace(self._renderer.template, variables=others)
            without = Renderer(template, date=self._date)
            if all(_render(self._renderer, chat) == _render(without, chat) for chat in chats):
                idle.append(name)
        return idle

    @cached_property
    def moves_tool_text(self) -> bool:
        """Whether tool messages go into user turns; no part of the fingerprint, as it adds none."""
        return not takes_tool_turn(self.render_turns)

    @cached_property
    def offers_tools(self) -> bool:
        """Whether the template shows definitions of tools; no part of the fingerprint either."""
        return shows_tools(self.render_turns)

    def render(self, messages: Sequence[Message]) -> str:
        """Renders the exact prompt, including the default system prompt and special tokens.

        Where the template takes no system turn, no tool turn or no definitions of tools, their text
        is moved (``move_system_text``, ``move_tool_text``, ``move_definitions``).

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        if has_tools(messages) and not self.offers_tools:
            messages = move_definitions(messages)
        if has_tool_turn(messages) and self.moves_tool_text:
            messages = move_tool_text(messages)
        return self.render_turns(move_system_text(messages) if self.moves_system_text else messages)

    def render_turns(self, messages: Sequence[Message]) -> str:
        """Renders the prompt of these turns as they are, system turns included.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        tools, turns = split_tools(messages)
        chat = [{"role": message.role, "content": message.content} for message in turns]
        try:
            return self._renderer.render_turns(chat, tools=tools or None, prompt=True)
        except TemplateRefusal as error:
            roles = ", ".join(message.role for message in messages)
            raise ModelError(
                f"the chat template of {self._owner!r} rejects a chat of {roles or 'no turns'}: "
                f"{error}"
            ) from None

    def render_for_answer(self, messages: Sequence[Message]) -> str:
        """Renders the prompt after which an answer itself stands: an open block is closed.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        return close_block(self.render(messages))

    def encode(self, text: str) -> tuple[int, ...]:
        """The tokens of a text that is rendered already.

        Raises:
            ModelError: the model has no embedding for one of them.
        """
        tokens = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if self._vocabulary is not None and max(tokens, default=0) >= self._vocabulary:
            raise ModelError(
                f"{self._owner!r}: the tokenizer gives token {max(tokens):,}, and the model has "
                f"{self._vocabulary:,} embeddings; give the tokenizer that was saved with it"
            )
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special tokens included."""
        return self.tokenizer.decode(tokens, skip_special_tokens=False)

    def decode_answer(self, tokens: Sequence[int], *, prompt: str) -> str:
        """The text of an answer: no special tokens but those that mark reasoning.

        A reasoning block that the prompt leaves open begins the text.
        """
        pieces, words = [find_open_block(prompt) if self.open_block else ""], list[int]()
        for token in tokens if self._kept else ():
            if token in self._kept:
                pieces += [self._decode_words(words), self._kept[token]]
                words = []
            else:
                words.append(token)
        return "".join((*pieces, self._decode_words(words if self._kept else tokens)))

    def clean_answer(self, text: str, *, prompt: str) -> str:
        """The text of an answer whose tokens are unknown, as ``decode_answer`` would give it."""
        kept = set(self._kept.values())
        for token in self.tokenizer.all_special_tokens:
            text = text if token in kept else text.replace(token, "")
        return f"{find_open_block(prompt) if self.open_block else ''}{text}"

    def remove_special_tokens(self, text: str) -> str:
        """A written text without special tokens, which would be markers again in a prompt."""
        for token in self.tokenizer.all_special_tokens:
            text = text.replace(token, " ")
        return text.strip()

    def find_end_tokens(self, declared: Iterable[Any]) -> tuple[int | None, frozenset[int]]:
        """Finds the token with which the template ends an answer, and all tokens that end one.

        Args:
            declared: ends of text as configurations give them: a token, several, or None.
        """
        stop: set[int] = set()
        for eos in (*declared, self.tokenizer.eos_token_id):
            stop.update([eos] if isinstance(eos, int) else eos or [])
        end = self.tokenizer.eos_token_id
        written = self._render_end()
        if written is not None:
            after = self.encode(written)
            special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder, *stop}
            end = next((token for token in after if token in special), end)
        if end is not None:
            stop.add(end)
        return end, frozenset(stop)

    def find_closing_text(self, stop: AbstractSet[int]) -> str:
        """Finds the plain letters with which the template ends an answer; empty if tokens do.

        A model that was finetuned with a borrowed template ends its turns so: its tokenizer does
        not know the marks as tokens.

        Args:
            stop: tokens that end an answer.
        """
        after = self._render_end()
        if after is None or set(self.encode(after)) & stop:
            return ""
        return after.strip().split("\n")[0] if after.strip() else ""

    def encode_pair(
        self, messages: Sequence[Message], answer: str, end: int | None, closing: str
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tokens of a prompt and of an answer after it, end of turn included.

        The whole is tokenised as the template writes it, since a token may reach over the edge of
        prompt and answer, and is cut where it departs from the prompt's own tokens.

        Args:
            messages: the prompt.
            answer: the answer.
            end: the token that ends an answer, if one does.
            closing: the text that does, if no token does.

        Raises:
            ModelError: the template rejects the messages, or does not mark the end of an answer.
        """
        if end is None and not closing:
            raise ModelError(
                f"the chat template of {self._owner!r} does not mark the end of a turn"
            )
        prompt = self.render_for_answer(messages)
        whole = self.encode(f"{prompt}{self._find_margin(prompt, messages)}{answer}")
        whole = (*whole, *self.encode(closing)) if closing else (*whole, end or 0)
        alone = self.encode(prompt)
        edge = next(
            (i for i, (a, b) in enumerate(zip(alone, whole, strict=False)) if a != b),
            min(len(alone), len(whole)),
        )
        edge = max(1, min(edge, len(whole) - 1))
        return whole[:edge], whole[edge:]

    def _find_margin(self, prompt: str, messages: Sequence[Message]) -> str:
        """White space that the template writes between a prompt and its answer."""
        with contextlib.suppress(ModelError, ValueError):
            text = self.render_turns_with_answer(messages, _ANSWER)
            if text.startswith(prompt):
                before = text[len(prompt) : text.index(_ANSWER, len(prompt))]
                return before if not before.strip() else ""
        return ""

    def render_turns_with_answer(self, messages: Sequence[Message], answer: str) -> str:
        """Renders a chat that ends with an answer, as rows of training data are.

        Raises:
            ModelError: the chat template rejects it.
            ConfigError: it takes too much time or memory.
        """
        if has_tool_turn(messages) and self.moves_tool_text:
            messages = move_tool_text(messages)
        messages = move_system_text(messages) if self.moves_system_text else messages
        chat = [{"role": m.role, "content": m.content} for m in messages]
        try:
            return self._renderer.render_turns([*chat, {"role": "assistant", "content": answer}])
        except TemplateRefusal as error:
            raise ModelError(
                f"the chat template of {self._owner!r} rejects an answer: {error}"
            ) from None

    def _render_end(self) -> str | None:
        """What the template writes after an answer; None if it shows no answer."""
        with contextlib.suppress(ValueError, ModelError):
            text = self.render_turns_with_answer((Message("user", "Hi"),), _ANSWER)
            return text[text.rindex(_ANSWER) + len(_ANSWER) :]
        return None

    def _examine_prompt(self) -> str:
        """Checks that a prompt shows the question; gives the reasoning block that it opens."""
        try:
            prompt = self.render_turns((Message("user", _QUESTION),))
        except ModelError:  # it says so when it is asked
            return ""
        if _QUESTION.lower() not in prompt.lower():
            raise ModelError(f"the chat template of {self._owner!r} leaves out what the user says")
        return find_open_block(prompt)

    def _decode_words(self, tokens: Sequence[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True) if tokens else ""


def _render(renderer: Renderer, turns: Sequence[Mapping[str, Any]]) -> str | None:
    """A prompt; None if the template rejects the turns."""
    try:
        return renderer.render_turns(turns, prompt=True)
    except TemplateRefusal:
        return None
