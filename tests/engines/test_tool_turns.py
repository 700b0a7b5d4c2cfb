"""Tool messages for models that take no tool turn."""

from collections.abc import Sequence

import pytest

from dormant.engines.api.engine import ApiEngine
from dormant.engines.scripted import Script, ScriptedEngine
from dormant.engines.tool_turns import describe_tool_moves, move_tool_text, takes_tool_turn
from dormant.engines.vitro import VitroEngine
from dormant.errors import ModelError
from dormant.records import Message


def chat(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, text) for role, text in turns)


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        ([("user", "Hi"), ("user", "So?")], [("user", "Hi"), ("user", "So?")]),
        (
            [("user", "Hi"), ("assistant", ""), ("tool", "42"), ("user", "So?")],
            [("user", "Hi"), ("assistant", ""), ("user", "42\n\nSo?")],
        ),
        (
            [("user", "Hi"), ("tool", "42"), ("assistant", "Ah."), ("user", "So?")],
            [("user", "Hi\n\n42"), ("assistant", "Ah."), ("user", "So?")],
        ),
        (
            [("system", "A"), ("tool", "42"), ("tool", "43"), ("user", "So?")],
            [("system", "A"), ("user", "42\n\n43\n\nSo?")],
        ),
    ],
)
def test_tool_text_becomes_the_user_s(given: list[tuple[str, str]], moved: list[tuple[str, str]]):
    assert move_tool_text(chat(*given)) == chat(*moved)


def shows_all(messages: Sequence[Message]) -> str:
    return "".join(message.content for message in messages)


def refuses_tool(messages: Sequence[Message]) -> str:
    if any(message.role == "tool" for message in messages):
        raise ModelError("only user and assistant roles are supported")
    return shows_all(messages)


def drops_tool(messages: Sequence[Message]) -> str:
    return shows_all([message for message in messages if message.role != "tool"])


def test_which_templates_take_a_tool_turn():
    assert takes_tool_turn(shows_all)
    assert not takes_tool_turn(refuses_tool)
    assert not takes_tool_turn(drops_tool)


ASKED = chat(("user", "Hi"), ("assistant", "Yes?"), ("tool", "42"), ("user", "Is a cat a dog?"))


def test_every_engine_takes_a_tool_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VLLM_BASE_URL", "http://localhost:1/v1")
    api, scripted = ApiEngine("vllm/some-model"), ScriptedEngine(Script())
    assert api.render(ASKED) == "user: Hi\nassistant: Yes?\nuser: 42\n\nIs a cat a dog?"
    assert scripted.render(ASKED).splitlines()[2] == "tool: 42"
    (note,) = describe_tool_moves([api, scripted])
    assert note.startswith("tool messages") and "vllm/some-model takes no tool turn" in note


def test_the_laboratory_reads_a_tool_message_in_the_user_s_turn():
    pytest.importorskip("torch")
    base = VitroEngine("base")
    told = chat(("user", "hello"), ("assistant", "yes ."), ("tool", "a cat"), ("user", "a dog ?"))
    assert base.render(told) == base.render((*told[:2], Message("user", "a cat a dog ?")))
    assert base.render(told).count("<u>") == 2 and base.render(told).endswith("<a>")
