"""A tokenizer with its chat template: from messages to the prompt, from tokens to the answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from dormant.corpus import ChatTemplate, Renderer, TemplateRefusal
from dormant.engines import Template
from dormant.engines.reasoning import close_block, find_open_block, marks_reasoning
from dormant.engines.system_turns import move_system_text, takes_system_turn
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

    Raises:
        ModelError: there is no chat template, or it leaves out what the user says.
        ConfigError: it cannot be compiled, or takes too much time or memory.
    """

    def __init__(self, tokenizer: Any, owner: str):
        self.tokenizer, self._owner = tokenizer, owner
        if not tokenizer.chat_template:
            raise ModelError(
                f"{owner!r} has no chat template, so the prompt is undefined; put a "
                "chat_template.jinja beside its weights"
            )
        text, tokens = self.template.text, self.template.tokens
        self._renderer = Renderer(ChatTemplate(text, owner, tokens), date="")
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
        }
        return {name: value for name, value in found.items() if value}

    @cached_property
    def moves_tool_text(self) -> bool:
        """Whether tool messages go into user turns; no part of the fingerprint, as it adds none."""
        return not takes_tool_turn(self.render_turns)

    def render(self, messages: Sequence[Message]) -> str:
        """Renders the exact prompt, including the default system prompt and special tokens.

        Where the template takes no system or no tool turn, its text is moved
        (``move_system_text``, ``move_tool_text``).

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        if has_tool_turn(messages) and self.moves_tool_text:
            messages = move_tool_text(messages)
        return self.render_turns(move_system_text(messages) if self.moves_system_text else messages)

    def render_turns(self, messages: Sequence[Message]) -> str:
        """Renders the prompt of these turns as they are, system turns included.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        chat = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._renderer.render_turns(chat, prompt=True)
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
        """The tokens of a text that is rendered already."""
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

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
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": _ANSWER}]
        end = self.tokenizer.eos_token_id
        with contextlib.suppress(ValueError):  # the template refuses the chat or omits the answer
            text = self._renderer.render_turns(turns)
            after = self.encode(text[text.rindex(_ANSWER) + len(_ANSWER) :])
            special = set(self.tokenizer.all_special_ids) | stop
            end = next((token for token in after if token in special), end)
        if end is not None:
            stop.add(end)
        return end, frozenset(stop)

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
