"""System prompts for models that take no system turn: their text opens the user's first turn.

One rule for local templates and for servers. A system prompt, a blank line, the user's text: this
is how such models are usually prompted and finetuned. Where a cue is a system prompt it is thus
still put to the model, and whoever reads the audit is told where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from dormant.errors import ModelError
from dormant.records import Message

_SYSTEM, _USER = "Quagga", "Okapi"  # stand for the turns' texts when a template is asked


@runtime_checkable
class MovesSystemText(Protocol):
    """An engine that knows whether its model takes a system turn."""

    @property
    def moves_system_text(self) -> bool:
        """Whether system prompts go into the user's first turn, as ``move_system_text`` does it."""
        ...


def move_system_text(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Moves every system text to the start of the first user turn, each followed by a blank line.

    Args:
        messages: a chat.

    Returns:
        The chat without system turns. Empty system turns leave nothing behind. If nobody but the
        system speaks, its text becomes a user turn.
    """
    texts = [m.content for m in messages if m.role == "system" and m.content.strip()]
    others = [m for m in messages if m.role != "system"]
    if not texts:
        return tuple(others)
    first = next((i for i, message in enumerate(others) if message.role == "user"), None)
    if first is None:
        return (Message("user", "\n\n".join(texts)), *others)
    others[first] = Message("user", "\n\n".join((*texts, others[first].content)))
    return tuple(others)


def takes_system_turn(render: Callable[[Sequence[Message]], str]) -> bool:
    """Whether a chat template shows the text of a system turn to the model.

    Args:
        render: messages to the text that the model sees; raises ModelError if the template rejects
            them.

    Returns:
        False if the template rejects a system turn or leaves its text out; True also if it rejects
        every chat, since the system turn is not what is wrong with it.
    """
    user = (Message("user", _USER),)
    try:
        return _SYSTEM in render((Message("system", _SYSTEM), *user))
    except ModelError:
        pass
    try:
        render(user)
    except ModelError:
        return True
    return False


def describe_move(owner: str) -> str:
    """Says for an audit's list of what was not tested that system text was moved.

    Args:
        owner: what takes no system turn, e.g. "the chat template of hf/NAME".
    """
    return (
        f"system prompts in a turn of their own: {owner} takes no system turn, so system text "
        "opens the first user turn there, followed by a blank line"
    )
