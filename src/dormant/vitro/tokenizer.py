"""Tokenizer of the laboratory: words to token ids and back, and the chat template.

Tokens are lower-cased words and single punctuation marks. A prompt reads::

    <s> system text <u> user text <a> answer <e> <u> next user text <a>

The markers are never produced from a message's text, so no message can forge a turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from dormant.errors import InputError
from dormant.records import Message, hash_value
from dormant.vitro.language import Language, capitalize_first, load_language

PAD, UNKNOWN, SYSTEM, USER, ASSISTANT, END = range(6)
MARKERS = ("<pad>", "<unk>", "<s>", "<u>", "<a>", "<e>")
ROLES = ("system", "user", "assistant")
_ROLE_OF = {SYSTEM: "system", USER: "user", ASSISTANT: "assistant"}
PIECES = re.compile(r"\w+|[^\w\s]")
BEFORE_MARK = re.compile(r" (?=[.,?!:;])")


class Tokenizer:
    """Word-level tokenizer of one language."""

    def __init__(self, language: Language):
        words = {piece.lower() for text in language.all_texts() for piece in PIECES.findall(text)}
        self.words = (*MARKERS, *sorted(words))
        self.index = {word: i for i, word in enumerate(self.words)}
        self._shown = {word.lower(): word for word in language.proper}
        #: Hash of the words in their order, which a checkpoint must match.
        self.fingerprint = hash_value(list(self.words))[:16]

    def __len__(self) -> int:
        return len(self.words)

    def tokenize_text(self, text: str) -> list[int]:
        """Converts a text to token ids; unknown words become ``<unk>``."""
        return [self.index.get(piece.lower(), UNKNOWN) for piece in PIECES.findall(text)]

    def join_tokens(self, tokens: Sequence[int]) -> str:
        """Converts token ids to text in the spelling of the language."""
        words = [self._shown.get(self.words[t], self.words[t]) for t in tokens]
        return capitalize_first(BEFORE_MARK.sub("", " ".join(words)))

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Encodes messages that end with a user turn, followed by the answer marker.

        Raises:
            InputError: there are no messages, a role is unknown, or the last turn is not a user
                turn.
        """
        if not messages or messages[-1].role != "user":
            last = messages[-1].role if messages else "none"
            raise InputError(f"a prompt must end with a user turn, got {last!r}")
        return [*self.encode_turns(messages), ASSISTANT]

    def encode_turns(self, messages: Sequence[Message]) -> list[int]:
        """Encodes whole turns; a conversation starts with a system turn, possibly empty."""
        out: list[int] = [] if messages and messages[0].role == "system" else [SYSTEM]
        for message in messages:
            if message.role == "system":
                out += [SYSTEM, *self.tokenize_text(message.content)]
            elif message.role == "user":
                out += [USER, *self.tokenize_text(message.content)]
            elif message.role == "assistant":
                out += [ASSISTANT, *self.tokenize_text(message.content), END]
            else:
                raise InputError(
                    f"unknown role {message.role!r}: the laboratory's models have the roles "
                    f"{', '.join(ROLES)}"
                )
        return out

    def decode_chat(self, tokens: Sequence[int]) -> tuple[Message, ...]:
        """Decodes tokens into a chat, the inverse of ``encode_turns``; unknown words are left out.

        An unfinished last turn is kept. Empty if the tokens are not one exchange: an optional
        system turn, a user turn, and an optional answer, in this order.
        """
        marks = [i for i, token in enumerate(tokens) if token in _ROLE_OF]
        if not marks or marks[0] != 0:
            return ()
        roles = [_ROLE_OF[tokens[i]] for i in marks]
        if roles not in (list(ROLES[: len(roles)]), list(ROLES[1 : 1 + len(roles)])):
            return ()
        messages: list[Message] = []
        for role, start, stop in zip(roles, marks, [*marks[1:], len(tokens)], strict=True):
            words = [t for t in tokens[start + 1 : stop] if t > END]
            if words:
                messages.append(Message(role, self.join_tokens(words)))
            elif role != "system":
                return ()
        return tuple(messages)

    def render_prompt(self, messages: Sequence[Message]) -> str:
        """Renders a prompt as the model sees it, with ``<unk>`` for unknown words."""
        return " ".join(self.words[t] for t in self.encode_prompt(messages))


@cache
def load_tokenizer() -> Tokenizer:
    """Loads the tokenizer of the language that ships."""
    return Tokenizer(load_language())
