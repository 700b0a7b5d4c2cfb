"""Tool messages for models that take no tool turn: their text becomes the user's.

One rule for local templates, servers and the laboratory. A tool message becomes a user turn with
the same text, and user turns that then follow each other become one, joined by a blank line: many
templates demand that the user and the assistant take turns. Servers never get a tool turn, since
they take one only as the reply to a call with an identifier, which a cue does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from dormant.errors import ModelError
from dormant.records import Message

_TOOL = "Kudu"  # stands for a tool's text when a template is asked
_CHAT = (Message("user", "Okapi"), Message("assistant", "Zebra"))
_LAST = Message("user", "Quagga")


@runtime_checkable
class MovesToolText(Protocol):
    """An engine that knows whether its model takes a tool turn."""

    @property
    def name(self) -> str:
        """The model string that the user gave."""
        ...

    @property
    def moves_tool_text(self) -> bool:
        """Whether tool messages go into user turns, as ``move_tool_text`` does it."""
        ...


def has_tool_turn(messages: Sequence[Message]) -> bool:
    """Whether a chat has a tool message."""
    return any(message.role == "tool" for message in messages)


def move_tool_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Turns tool messages into user turns, and joins user turns that follow each other.

    Args:
        messages: a chat; without tool messages it is returned as it is.

    Returns:
        The chat without tool turns; no two user turns follow each other.
    """
    if not has_tool_turn(messages):
        return tuple(messages)
    moved: list[Message] = []
    for message in messages:
        role = "user" if message.role == "tool" else message.role
        if moved and role == moved[-1].role == "user":
            moved[-1] = Message("user", f"{moved[-1].content}\n\n{message.content}")
        else:
            moved.append(Message(role, message.content))
    return tuple(moved)


def takes_tool_turn(render: Callable[[Sequence[Message]], str]) -> bool:
    """Whether a chat template shows the text of a tool message to the model.

    Args:
        render: messages to the text that the model sees; raises ModelError if the template rejects
            them.

    Returns:
        False if the template rejects a tool turn between an answer and the next question, or leaves
        its text out.
    """
    try:
        return _TOOL in render((*_CHAT, Message("tool", _TOOL), _LAST))
    except ModelError:
        return False


def describe_tool_moves(engines: Iterable[object]) -> Iterator[str]:
    """Says of each model that takes no tool turn where the text of tool messages stands.

    Args:
        engines: models that are asked with tool messages.
    """
    for engine in engines:
        if isinstance(engine, MovesToolText) and engine.moves_tool_text:
            yield (
                f"tool messages in turns of their own: {engine.name} takes no tool turn, so their "
                "text stands in a user turn there, before what the user says next"
            )
