"""Chat templates left open at a turn: what stands before its text, and what closes it.

Both are found by rendering a chat of known words and cutting the text at them, so any template
that puts turns one after the other will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dormant.engines import TurnOpening
from dormant.errors import ModelError
from dormant.records import Message

_SYSTEM, _USER = "Quagga", "Okapi"  # stand for the turns' texts when the template is asked

Render = Callable[[Sequence[Message]], str]


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A prompt that ends where a turn's text begins."""

    prompt: str
    closing: str  # what the template writes after that text; a written turn ends there


class WrittenTurn(NamedTuple):
    """A turn that the model wrote by itself."""

    owner: int  # index that the caller gave with the prompt
    text: str
    finish: str  # "stop" or "length"


def open_turn(render: Render, opening: TurnOpening, system: str = "") -> OpenTurn | None:
    """Makes the prompt that leaves a turn open; None if the template has no such turn.

    Args:
        render: messages to the text that the model sees, ending with the marker to answer.
        opening: the turn.
        system: text of the system turn that comes before an open user turn; the template's own
            default stands there if it is empty.
    """
    if opening is TurnOpening.SYSTEM:
        chat = (Message("system", _SYSTEM), Message("user", _USER))
        word, end = _SYSTEM, _USER
    else:
        turns = (Message("system", system),) if system else ()
        chat = (*turns, Message("user", _USER))
        word, end = _USER, ""
    try:
        text = render(chat)
    except ModelError:  # some templates know no system turn
        return None
    start = text.rfind(word) if word == _USER else text.find(word)
    if start < 0:
        return None
    rest = text[start + len(word) :]
    closing = rest[: rest.find(end)] if end and end in rest else rest
    mark = closing.strip().split("\n")[0].strip()
    return OpenTurn(text[:start], mark)


def cut_turn(text: str, closing: str) -> tuple[str, bool]:
    """Cuts a written turn at its closing marker; also returns whether it was found."""
    where = text.find(closing) if closing else -1
    return (text[:where].strip(), True) if where >= 0 else (text.strip(), False)
