"""System text of models that take no system turn."""

from collections.abc import Sequence

import pytest

from dormant.engines.system_turns import move_system_text, takes_system_turn
from dormant.errors import ModelError
from dormant.records import Message


def chat(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, text) for role, text in turns)


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        ([("system", "Be odd."), ("user", "Hi")], [("user", "Be odd.\n\nHi")]),
        ([("user", "Hi")], [("user", "Hi")]),
        ([("system", ""), ("user", "Hi")], [("user", "Hi")]),
        ([("system", "Be odd.")], [("user", "Be odd.")]),
        (
            [("system", "A"), ("user", "Hi"), ("assistant", "So?"), ("user", "Bye")],
            [("user", "A\n\nHi"), ("assistant", "So?"), ("user", "Bye")],
        ),
        (
            [("system", "A"), ("user", "Hi"), ("system", "B"), ("user", "Bye")],
            [("user", "A\n\nB\n\nHi"), ("user", "Bye")],
        ),
        (
            [("assistant", "So?"), ("system", "A"), ("user", " Hi")],
            [("assistant", "So?"), ("user", "A\n\n Hi")],
        ),
    ],
)
def test_system_text_opens_the_first_user_turn(
    given: list[tuple[str, str]], moved: list[tuple[str, str]]
):
    assert move_system_text(chat(*given)) == chat(*moved)


def shows_all(messages: Sequence[Message]) -> str:
    return "".join(message.content for message in messages)


def refuses_system(messages: Sequence[Message]) -> str:
    if messages[0].role == "system":
        raise ModelError("System role not supported")
    return shows_all(messages)


def drops_system(messages: Sequence[Message]) -> str:
    return shows_all([message for message in messages if message.role != "system"])


def refuses_all(messages: Sequence[Message]) -> str:
    raise ModelError("no")


def test_which_templates_take_a_system_turn():
    assert takes_system_turn(shows_all)
    assert not takes_system_turn(refuses_system)
    assert not takes_system_turn(drops_system)
    assert takes_system_turn(refuses_all)
