"""Chat templates that take a turn's content as a list of parts, and no text.

Templates of models that see images write ``message.content[0].text``, or go through the parts of a
content. Given a text they fail, or leave it out: a text has no parts. Which roles need parts is
found by rendering chats of placeholder words, first with texts alone, which most templates take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dormant.corpus.sandbox import TemplateRefusal

Turn = Mapping[str, Any]

#: Placeholder words. No template contains them.
_SYSTEM, _USER, _ANSWER = "sysqxpart", "usrqxpart", "ansqxpart"
_CHATS = (
    {"user": _USER},
    {"user": _USER, "assistant": _ANSWER},
    {"system": _SYSTEM, "user": _USER},
)
_PROMPT_ROLES = frozenset({"system", "user", "developer", "tool"})
#: Roles whose content is a list of parts, the likeliest first.
_CHOICES = (
    _PROMPT_ROLES | {"assistant"},
    _PROMPT_ROLES,
    frozenset({"user"}),
    frozenset({"system"}),
    frozenset({"assistant"}),
)
#: How a list of parts looks where a template writes it as it is.
_WRITTEN_OUT = ("'type'", '"type"', "'text'", '"text"')


def split_contents(turns: Sequence[Turn], roles: frozenset[str]) -> list[Turn]:
    """The turns with the contents of some roles as a list of one text part."""
    return [
        {**turn, "content": [{"type": "text", "text": turn["content"]}]}
        if turn["role"] in roles and isinstance(turn.get("content"), str)
        else turn
        for turn in turns
    ]


def find_roles_with_parts(render: Callable[[Sequence[Turn], bool], str]) -> frozenset[str]:
    """Finds the roles whose content a template takes as parts only; empty for most templates.

    Args:
        render: turns, and whether the text ends with the marker that asks for an answer, to text;
            raises TemplateRefusal.
    """
    best, shown = frozenset[str](), _count_shown(render, frozenset())
    for roles in _CHOICES:
        if shown == len(_CHATS):
            break
        now = _count_shown(render, roles)
        if now > shown:
            best, shown = roles, now
    return best


def _count_shown(render: Callable[[Sequence[Turn], bool], str], roles: frozenset[str]) -> int:
    """How many chats are rendered with all their words."""
    return sum(_is_shown(render, chat, roles) for chat in _CHATS)


def _is_shown(
    render: Callable[[Sequence[Turn], bool], str],
    chat: Mapping[str, str],
    roles: frozenset[str],
) -> bool:
    turns = [{"role": role, "content": word} for role, word in chat.items()]
    try:
        text = render(split_contents(turns, roles), "assistant" not in chat)
    except TemplateRefusal:
        return False
    is_written_out = bool(roles) and any(sign in text for sign in _WRITTEN_OUT)
    return not is_written_out and all(word in text.lower() for word in chat.values())
