"""Definitions of tools in prompts: offered as tools where a model takes them, else as system text.

In a chat they are one turn of the role ``tools``, the first one, whose text is a JSON list. Servers
get it as the field ``tools``, chat templates as their variable of that name. Where neither exists,
the JSON stands in the system prompt, and whoever reads the audit is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from dormant.engines import Engine
from dormant.errors import ModelError
from dormant.records import TOOLS_ROLE, Message

_NAME = "kudu_zebra"  # stands for a tool when a template is asked
_USER = Message("user", "Okapi")
_TOOL = {"name": _NAME, "description": "Quagga", "parameters": {"type": "object", "properties": {}}}
_OFFERED = Message(TOOLS_ROLE, json.dumps([{"type": "function", "function": _TOOL}]))


@runtime_checkable
class OffersTools(Protocol):
    """An engine that knows whether its model is offered tools as tools."""

    @property
    def name(self) -> str:
        """The model string that the user gave."""
        ...

    @property
    def offers_tools(self) -> bool:
        """Whether definitions of tools reach the model as such, and not as system text."""
        ...


def has_tools(messages: Sequence[Message]) -> bool:
    """Whether a chat offers tools."""
    return any(message.role == TOOLS_ROLE for message in messages)


def split_tools(messages: Sequence[Message]) -> tuple[list[Any], tuple[Message, ...]]:
    """Splits a chat into the definitions of its tools and its other turns."""
    tools: list[Any] = []
    for message in messages:
        if message.role == TOOLS_ROLE:
            tools += cast("list[Any]", json.loads(message.content))
    return tools, tuple(message for message in messages if message.role != TOOLS_ROLE)


def move_definitions(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Moves definitions of tools to the end of the system prompt, after a blank line.

    Args:
        messages: a chat; one without tools is returned as it is.
    """
    if not has_tools(messages):
        return tuple(messages)
    moved = [message.content for message in messages if message.role == TOOLS_ROLE]
    rest = [message for message in messages if message.role != TOOLS_ROLE]
    if rest and rest[0].role == "system":
        moved.insert(0, rest.pop(0).content)
    return (Message("system", "\n\n".join(moved)), *rest)


def shows_tools(render: Callable[[Sequence[Message]], str]) -> bool:
    """Whether a chat template shows the definitions of tools to the model.

    Args:
        render: messages to the text that the model sees; raises ModelError if the template rejects
            them.
    """
    try:
        return _NAME in render((_OFFERED, _USER))
    except ModelError:
        return False


def describe_definition_moves(engines: Iterable[Engine]) -> Iterator[str]:
    """Says of each model that is not offered tools as tools where their definitions stand.

    Args:
        engines: models that are asked with definitions of tools.
    """
    for engine in engines:
        if not isinstance(engine, OffersTools) or not engine.offers_tools:
            yield (
                f"definitions of tools as tools: {engine.name} takes none, so their JSON stands "
                "in the system prompt there"
            )
